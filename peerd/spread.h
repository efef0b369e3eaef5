// SPDX-License-Identifier: MIT
// In which order a copy takes the chunks of a large file, so that a crowd that copies the same
// pulls each chunk from the source about once. Pure.
//
// Chunks that others of the crowd have come from them, those that fewest have first. Of those that
// only whole holders have, each chunk is one member's to fetch: all members draw it from the same
// hash of member and chunk, so that nobody has to agree on anything. When a member finds nothing
// else to do, and there is no news for a while, it takes what is another's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace shoal::peerd {

/// Another peer that has a part of the content.
struct CrowdMember {
  std::uint64_t head = 0;  ///< the first bytes of its identity
  const Bytes* chunks = nullptr;
  bool is_growing = true;  ///< it has got more lately: it fetches by itself
};

struct SpreadPlan {
  std::vector<std::uint64_t> from_crowd;  ///< somebody of the crowd has them; rarest first
  std::vector<std::uint64_t> own;         ///< ours to fetch from a whole holder
  std::vector<std::uint64_t> others;      ///< those of other members
};

/// Orders chunks that are wanted. `self`: the first bytes of our identity; every member begins
/// elsewhere. limit: entries of each list.
/// Shape: wanted ascending, without those under way; at most kMaxSpreadLook of them are looked at.
SpreadPlan plan_spread(std::span<const std::uint64_t> wanted, std::span<const CrowdMember> crowd,
                       std::uint64_t self, std::uint64_t chunk_count, std::size_t limit);

inline constexpr std::size_t kMaxSpreadLook = 1024;

}  // namespace shoal::peerd
