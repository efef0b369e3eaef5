// SPDX-License-Identifier: MIT
#pragma once

#include <set>
#include <utility>

#include "base/task.h"
#include "peerd/rate_limit.h"

namespace shoal::peerd {

/// Lets bytes pass at a limited rate, the more urgent first, then the older. Thread: the loop.
class Throttle {
 public:
  /// bytes_per_second: 0 lets everything pass at once. timer outlives it.
  Throttle(Executor executor, Timer& timer, std::uint64_t bytes_per_second)
      : timer_(timer), limit_(bytes_per_second), changed_(std::move(executor)) {}

  bool is_unlimited() const { return limit_.is_unlimited(); }
  /// Returns when the bytes may go. urgency: smaller is more urgent. Errors: canceled.
  Task<Result<void>> pass(std::uint64_t bytes, int urgency);

 private:
  using Place = std::pair<int, std::uint64_t>;
  /// Gives the place in the line back, however the wait ends.
  class Waiting;

  Timer& timer_;
  RateLimit limit_;
  std::set<Place> line_;
  std::uint64_t last_ticket_ = 0;
  base::Signal changed_;
};

}  // namespace shoal::peerd
