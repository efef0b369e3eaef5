// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace shoal::peerd {

/// So many bytes a second at most, in the long run: a token bucket that may be overdrawn once, so
/// that a request of any size passes. Pure.
class RateLimit {
 public:
  /// bytes_per_second: 0 is no limit.
  explicit RateLimit(std::uint64_t bytes_per_second)
      : rate_(static_cast<double>(bytes_per_second)), saved_(rate_ * kSavedSeconds) {}

  bool is_unlimited() const { return rate_ == 0; }
  /// Whether something may pass now; then its bytes are taken.
  bool take(std::uint64_t bytes, SteadyTime now) {
    if (is_unlimited()) return true;
    refill(now);
    if (saved_ <= 0) return false;
    saved_ -= static_cast<double>(bytes);
    return true;
  }
  /// When the next take() succeeds, if nobody takes before.
  SteadyTime next(SteadyTime now) {
    if (is_unlimited()) return now;
    refill(now);
    if (saved_ > 0) return now;
    // A little more than the debt, so that rounding never makes anybody wait twice.
    const std::chrono::duration<double> debt((1 - saved_) / rate_);
    return now + std::chrono::duration_cast<Duration>(debt) + std::chrono::microseconds(1);
  }

 private:
  // What an idle time saves up.
  static constexpr double kSavedSeconds = 0.1;
  void refill(SteadyTime now) {
    if (filled_at_ != SteadyTime{} && now > filled_at_) {
      const std::chrono::duration<double> span = now - filled_at_;
      saved_ = std::min(rate_ * kSavedSeconds, saved_ + span.count() * rate_);
    }
    filled_at_ = std::max(filled_at_, now);
  }

  double rate_;
  double saved_;
  SteadyTime filled_at_{};
};

}  // namespace shoal::peerd
