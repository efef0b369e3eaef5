// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>

namespace shoal::base {

/// A number that only grows. Thread: any.
class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// A number that goes up and down. Thread: any.
class Gauge {
 public:
  void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  void set(std::int64_t n) { value_.store(n, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// The process's counters by name ("shoal_blocks_sent_bytes_total"); names live for ever, so hold
/// the reference. Thread: any.
Counter& counter(const std::string& name);
Gauge& gauge(const std::string& name);
/// All values at this moment, sorted by name.
std::map<std::string, std::int64_t> metrics_snapshot();

}  // namespace shoal::base
