// SPDX-License-Identifier: MIT
// Which way of hashing takes how many leaves of a batch. Hashers with vector lanes need the same
// time for one leaf as for as many as they have lanes, so a wide one wins with full batches and
// loses with few leaves: a batch is split among several.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace shoal::base {

/// What was measured of one hasher.
struct HashCost {
  /// Leaves that it hashes side by side.
  std::size_t lanes = 1;
  /// Seconds for a batch of `lanes` leaves of 16 KiB.
  double pass_seconds = 0;
  /// Seconds for each message of 64 bytes in a batch of many.
  double pair_seconds = 0;
};

/// The first `leaves` of what remains of a batch go to hasher number `hasher`.
struct HashStep {
  std::uint8_t hasher = 0;
  std::uint8_t leaves = 1;

  bool operator==(const HashStep&) const = default;
};

struct HashPlan {
  /// No hasher has more lanes than this.
  static constexpr std::size_t kGroupLeaves = 16;

  /// By the number of leaves that remain; the last entry stands for all larger numbers, and goes
  /// on for as many whole groups as there are. Entry 0 is unused.
  std::array<HashStep, kGroupLeaves + 1> steps{};
  /// The hasher for batches of short messages, such as the inner nodes of the tree.
  std::uint8_t pair_hasher = 0;

  bool uses(std::size_t hasher) const;
};

/// The plan with the least time. Hasher 0 is the reference: others must beat it by 5 %, so that
/// noise does not decide. Shape: 1 to 255 costs, lanes from 1 to kGroupLeaves.
HashPlan plan_hashing(std::span<const HashCost> costs);

}  // namespace shoal::base
