// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace shoal::base {

/// A source of random numbers that can be replayed. Not for secrets. Thread: one owner.
/// Source: xoshiro256** (Blackman and Vigna, 2018), seeded through splitmix64.
class Random {
 public:
  explicit Random(std::uint64_t seed);

  std::uint64_t next();
  /// Uniform in [0, bound). Shape: bound >= 1.
  std::uint64_t below(std::uint64_t bound);
  /// Uniform in [0, 1).
  double unit();
  bool chance(double probability) { return unit() < probability; }
  void fill(MutableByteView out);

  // For <algorithm>: std::shuffle(first, last, random).
  using result_type = std::uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return ~result_type{0}; }
  result_type operator()() { return next(); }

 private:
  std::uint64_t state_[4];
};

/// A seed from the system, for Random.
std::uint64_t system_seed();
/// Bytes fit for keys and secrets, from the system (getrandom). Thread: any.
Bytes secret_bytes(std::size_t count);
/// Compares without telling by its time where the difference is.
bool equal_in_constant_time(ByteView a, ByteView b);

}  // namespace shoal::base
