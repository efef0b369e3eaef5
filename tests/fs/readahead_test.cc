// SPDX-License-Identifier: MIT
#include "fs/readahead.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace shoal::fs {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kBlock = 16 * kKiB;

Readahead::Plan read(Readahead& readahead, std::uint64_t offset, std::uint64_t length,
                     std::uint64_t size) {
  return readahead.on_read(offset, length, size, kMiB, kBlock);
}

TEST(Readahead, a_small_file_is_fetched_whole_by_its_first_read) {
  Readahead readahead;
  const auto plan = read(readahead, 0, 4096, 100 * kKiB);
  EXPECT_EQ(plan.urgent, (ByteRange{0, 100 * kKiB}));
  EXPECT_TRUE(plan.ahead.is_empty());
}

TEST(Readahead, a_look_at_the_head_of_a_large_file_fetches_one_chunk) {
  Readahead readahead;
  const auto plan = read(readahead, 0, 4096, 1000 * kMiB);
  EXPECT_EQ(plan.urgent, (ByteRange{0, kMiB}));
  EXPECT_TRUE(plan.ahead.is_empty());
}

TEST(Readahead, random_reads_fetch_only_the_blocks_they_touch) {
  Readahead readahead;
  const auto plan = read(readahead, 500 * kMiB + 5000, 20'000, 1000 * kMiB);
  EXPECT_EQ(plan.urgent, (ByteRange{500 * kMiB, 500 * kMiB + 2 * kBlock}));
  EXPECT_TRUE(plan.ahead.is_empty());
}

TEST(Readahead, a_sequential_reader_gets_growing_windows_up_to_the_limit) {
  Readahead readahead;
  const std::uint64_t size = 4096 * kMiB;
  std::uint64_t covered = 0;
  std::uint64_t largest = 0;
  for (std::uint64_t at = 0; at < 200 * kMiB; at += 128 * kKiB) {
    const auto plan = read(readahead, at, 128 * kKiB, size);
    covered = std::max(covered, plan.urgent.end);
    if (!plan.ahead.is_empty()) {
      EXPECT_GE(plan.ahead.begin, covered) << "planned twice";
      covered = plan.ahead.end;
      largest = std::max(largest, covered - at);
    }
    EXPECT_GE(covered, at + 128 * kKiB);
  }
  EXPECT_GE(largest, 16 * kMiB);
  EXPECT_LE(largest, 18 * kMiB);
}

TEST(Readahead, requests_out_of_order_count_as_sequential) {
  Readahead readahead;
  (void)read(readahead, 0, 128 * kKiB, 100 * kMiB);
  const auto later = read(readahead, 256 * kKiB, 128 * kKiB, 100 * kMiB);
  EXPECT_EQ(later.urgent, (ByteRange{0, kMiB}));
  const auto earlier = read(readahead, 128 * kKiB, 128 * kKiB, 100 * kMiB);
  EXPECT_EQ(earlier.urgent, (ByteRange{0, kMiB}));
}

TEST(Readahead, a_reader_that_goes_on_after_a_jump_is_sequential_again) {
  Readahead readahead;
  (void)read(readahead, 50 * kMiB, 64 * kKiB, 100 * kMiB);
  const auto next = read(readahead, 50 * kMiB + 64 * kKiB, 64 * kKiB, 100 * kMiB);
  EXPECT_EQ(next.urgent, (ByteRange{50 * kMiB, 51 * kMiB}));
  EXPECT_FALSE(next.ahead.is_empty());
}

TEST(Readahead, never_plans_behind_the_end_of_the_file) {
  Readahead readahead;
  const std::uint64_t size = 5 * kMiB + 100;
  for (std::uint64_t at = 0; at < size; at += 128 * kKiB) {
    const auto plan = read(readahead, at, 128 * kKiB, size);
    EXPECT_LE(plan.urgent.end, size);
    EXPECT_LE(plan.ahead.is_empty() ? 0 : plan.ahead.end, size);
  }
}

}  // namespace
}  // namespace shoal::fs
