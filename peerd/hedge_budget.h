// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>

namespace shoal::peerd {

/// Bytes that may be asked for twice: a small part of what has arrived. Pure.
class HedgeBudget {
 public:
  /// part: of the bytes received, such as 0.05. most: what can be saved up; half of it is there at
  /// the start, since the first answers may be the late ones.
  HedgeBudget(double part, std::uint64_t most)
      : part_(part), most_(static_cast<double>(most)), left_(most_ / 2) {}

  void received(std::uint64_t bytes) {
    left_ = std::min(most_, left_ + part_ * static_cast<double>(bytes));
  }
  bool take(std::uint64_t bytes) {
    if (static_cast<double>(bytes) > left_) return false;
    left_ -= static_cast<double>(bytes);
    return true;
  }
  std::uint64_t left() const { return static_cast<std::uint64_t>(left_); }

 private:
  double part_;
  double most_;
  double left_;
};

}  // namespace shoal::peerd
