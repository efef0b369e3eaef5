// SPDX-License-Identifier: MIT
#include "fs/readahead.h"

#include <algorithm>

namespace shoal::fs {
namespace {

std::uint64_t round_down(std::uint64_t value, std::uint64_t unit) { return value - value % unit; }

std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
  return round_down(value + unit - 1, unit);
}

ByteRange widen(std::uint64_t begin, std::uint64_t end, std::uint64_t unit, std::uint64_t limit) {
  return {round_down(begin, unit), std::min(round_up(end, unit), limit)};
}

}  // namespace

bool Readahead::is_sequential(std::uint64_t offset) const {
  const std::uint64_t earliest =
      expected_ > limits_.tolerance_behind ? expected_ - limits_.tolerance_behind : 0;
  return offset >= earliest && offset <= expected_ + limits_.tolerance_ahead;
}

Readahead::Plan Readahead::on_read(std::uint64_t offset, std::uint64_t length,
                                   std::uint64_t file_bytes, std::uint64_t chunk_bytes,
                                   std::uint64_t block_bytes) {
  const std::uint64_t end = std::min(offset + length, file_bytes);
  const bool sequential = is_sequential(offset);
  if (!sequential) {
    expected_ = end;
    window_ = 0;
    planned_until_ = 0;
    return {widen(offset, end, block_bytes, file_bytes), {}};
  }
  expected_ = std::max(expected_, end);
  Plan plan;
  plan.urgent = widen(offset, end, chunk_bytes, file_bytes);
  if (offset == 0 && window_ == 0 && planned_until_ == 0 && length < chunk_bytes / 16) {
    // A look at the head of a big file says little yet; the chunk around it will do.
    planned_until_ = plan.urgent.end;
    return plan;
  }
  const std::uint64_t from = std::max(planned_until_, plan.urgent.end);
  const bool is_running_low = from < expected_ + std::max(window_, limits_.first_window);
  if (!is_running_low || from >= file_bytes) return plan;
  window_ = window_ == 0 ? limits_.first_window : std::min(window_ * 2, limits_.largest_window);
  plan.ahead = widen(from, std::max(from, expected_ + window_), chunk_bytes, file_bytes);
  plan.ahead.begin = from;
  planned_until_ = plan.ahead.end;
  return plan;
}

void Readahead::reset() {
  window_ = 0;
  planned_until_ = 0;
}

}  // namespace shoal::fs
