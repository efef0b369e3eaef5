// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/random.h"
#include "tracker/rows.h"

namespace shoal::tracker {

/// A peer that could take a copy.
struct Candidate {
  PeerKey peer;
  std::uint64_t free_bytes = 0;
  std::size_t orders = 0;         ///< under way there
  std::uint64_t order_bytes = 0;  ///< of those
};

/// Orders that one peer has under way at once: enough to keep a link busy with small files, few
/// enough that a peer that goes away has not been trusted with much.
inline constexpr std::size_t kMaxOrdersPerPeer = 1024;
inline constexpr std::uint64_t kMaxOrderBytesPerPeer = std::uint64_t{256} * 1024 * 1024;

/// Whether another order fits. One that is larger than the window goes alone.
bool has_room(const Candidate& candidate, std::uint64_t bytes);

/// Who of the candidates takes a copy of `bytes`: of two drawn at random, the one with more space
/// left, so that load spreads without everybody rushing to the emptiest peer. nullopt: nobody has
/// room for it. Pure. Source: Mitzenmacher, The Power of Two Choices (2001).
std::optional<std::size_t> choose_target(std::span<const Candidate> candidates, std::uint64_t bytes,
                                         base::Random& random);

}  // namespace shoal::tracker
