// SPDX-License-Identifier: MIT
#include "tracker/placement.h"

#include <algorithm>
#include <vector>

namespace shoal::tracker {
namespace {

std::uint64_t space_left(const Candidate& candidate) {
  return candidate.free_bytes - std::min(candidate.free_bytes, candidate.order_bytes);
}

}  // namespace

bool has_room(const Candidate& candidate, std::uint64_t bytes) {
  if (candidate.orders == 0) return true;
  return candidate.orders < kMaxOrdersPerPeer &&
         candidate.order_bytes + bytes <= kMaxOrderBytesPerPeer;
}

std::optional<std::size_t> choose_target(std::span<const Candidate> candidates, std::uint64_t bytes,
                                         base::Random& random) {
  std::vector<std::size_t> fitting;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (has_room(candidates[i], bytes) && space_left(candidates[i]) >= bytes) fitting.push_back(i);
  }
  if (fitting.empty()) return std::nullopt;
  const std::size_t first = fitting[random.below(fitting.size())];
  const std::size_t second = fitting[random.below(fitting.size())];
  return space_left(candidates[second]) > space_left(candidates[first]) ? second : first;
}

}  // namespace shoal::tracker
