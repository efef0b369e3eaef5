// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>

namespace shoal::base {

/// A point on a clock that never goes back; only differences mean anything.
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
/// Nanoseconds since 1970-01-01 UTC, as in struct timespec; what inodes carry.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;
using Duration = std::chrono::nanoseconds;

/// Where time comes from. Production code never asks the system directly, so tests can turn it.
/// Thread: any.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime steady() const = 0;
  virtual WallTime wall() const = 0;
};

/// The machine's clocks.
class SystemClock final : public Clock {
 public:
  SteadyTime steady() const override;
  WallTime wall() const override;
};

/// The moment after which a wait is given up.
struct Deadline {
  SteadyTime at = SteadyTime::max();

  static Deadline after(const Clock& clock, Duration duration) {
    return Deadline{clock.steady() + duration};
  }
  static Deadline never() { return Deadline{}; }
  bool has_passed(const Clock& clock) const { return clock.steady() >= at; }
  /// Zero once it has passed.
  Duration left(const Clock& clock) const {
    const SteadyTime now = clock.steady();
    return now >= at ? Duration::zero() : at - now;
  }
  Deadline earlier(Deadline other) const { return at < other.at ? *this : other; }
};

}  // namespace shoal::base

namespace shoal {
using base::Clock;
using base::Deadline;
using base::Duration;
using base::SteadyTime;
using base::WallTime;
}  // namespace shoal
