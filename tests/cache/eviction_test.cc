// SPDX-License-Identifier: MIT
#include "cache/eviction.h"

#include <gtest/gtest.h>

#include <unordered_set>

namespace shoal::cache {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

bool nobody(InodeId) { return false; }

/// Takes victims until nothing is left; their numbers in order.
std::vector<std::uint64_t> drain(Eviction& eviction) {
  std::vector<std::uint64_t> order;
  while (auto victim = eviction.choose(~std::uint64_t{0}, nobody)) {
    order.push_back(victim->inode.value());
    eviction.erase(victim->inode);
  }
  return order;
}

TEST(Eviction, evicts_least_recent_first) {
  Eviction eviction;
  for (const std::uint64_t inode : {3u, 1u, 2u}) eviction.put(InodeId(inode), kMiB, Role::cached);
  EXPECT_EQ(drain(eviction), (std::vector<std::uint64_t>{3, 1, 2}));
}

TEST(Eviction, a_scan_does_not_push_out_what_is_used_again) {
  Eviction eviction({.correlated_uses = 4});
  eviction.put(InodeId(1), kMiB, Role::cached);
  for (std::uint64_t i = 10; i < 20; ++i) eviction.put(InodeId(i), kMiB, Role::cached);
  eviction.use(InodeId(1));
  for (std::uint64_t i = 20; i < 30; ++i) eviction.put(InodeId(i), kMiB, Role::cached);
  EXPECT_EQ(drain(eviction).back(), 1u);
}

TEST(Eviction, uses_that_come_together_count_as_one) {
  Eviction eviction({.correlated_uses = 4});
  eviction.put(InodeId(1), kMiB, Role::cached);
  eviction.put(InodeId(2), kMiB, Role::cached);
  for (int i = 0; i < 100; ++i) eviction.use(InodeId(1));
  EXPECT_EQ(drain(eviction).front(), 1u);
}

TEST(Eviction, what_is_used_again_never_takes_all) {
  Eviction eviction({.correlated_uses = 0});
  for (std::uint64_t i = 1; i <= 10; ++i) eviction.put(InodeId(i), kMiB, Role::cached);
  for (std::uint64_t i = 1; i <= 10; ++i) eviction.use(InodeId(i));
  const std::vector<std::uint64_t> order = drain(eviction);
  EXPECT_EQ(order.size(), 10u);
  EXPECT_EQ(order.front(), 1u);  // used first of all, it is in the other queue again
}

TEST(Eviction, leaves_alone_who_is_in_use) {
  Eviction eviction;
  eviction.put(InodeId(1), kMiB, Role::cached);
  eviction.put(InodeId(2), kMiB, Role::cached);
  const auto victim = eviction.choose(kMiB, [](InodeId inode) { return inode == InodeId(1); });
  ASSERT_TRUE(victim);
  EXPECT_EQ(victim->inode, InodeId(2));
  EXPECT_FALSE(eviction.choose(kMiB, [](InodeId) { return true; }));
}

TEST(Eviction, never_chooses_anything_but_cached_blobs) {
  Eviction eviction;
  eviction.put(InodeId(1), kMiB, Role::pinned);
  eviction.put(InodeId(2), kMiB, Role::replica);
  eviction.put(InodeId(3), kMiB, Role::origin);
  EXPECT_FALSE(eviction.choose(kMiB, nobody));
  EXPECT_EQ(eviction.ask(10 * kMiB, 100), (std::vector{InodeId(2), InodeId(3)}));
  EXPECT_EQ(eviction.ask(kMiB, 100), (std::vector{InodeId(2)}));
}

TEST(Eviction, shortens_a_huge_blob_before_it_drops_small_ones) {
  Eviction eviction;
  eviction.put(InodeId(1), kMiB, Role::cached);
  eviction.put(InodeId(2), 100 * kMiB, Role::cached);
  auto victim = eviction.choose(10 * kMiB, nobody);
  ASSERT_TRUE(victim);
  EXPECT_EQ(victim->inode, InodeId(2));
  EXPECT_EQ(victim->punch_bytes, 10 * kMiB);
  victim = eviction.choose(90 * kMiB, nobody);  // hardly anything would be left
  ASSERT_TRUE(victim);
  EXPECT_EQ(victim->punch_bytes, 0u);
}

TEST(Eviction, a_huge_blob_among_the_warm_ones_is_not_touched) {
  Eviction eviction({.window = 2});
  for (std::uint64_t i = 1; i <= 3; ++i) eviction.put(InodeId(i), kMiB, Role::cached);
  eviction.put(InodeId(9), 100 * kMiB, Role::cached);
  const auto victim = eviction.choose(kMiB, nobody);
  ASSERT_TRUE(victim);
  EXPECT_EQ(victim->inode, InodeId(1));
}

TEST(Eviction, a_change_of_role_moves_a_blob) {
  Eviction eviction;
  eviction.put(InodeId(1), kMiB, Role::origin);
  EXPECT_FALSE(eviction.choose(kMiB, nobody));
  eviction.put(InodeId(1), kMiB, Role::cached);
  EXPECT_TRUE(eviction.choose(kMiB, nobody));
  eviction.put(InodeId(1), kMiB, Role::pinned);
  EXPECT_FALSE(eviction.choose(kMiB, nobody));
  EXPECT_TRUE(eviction.ask(kMiB, 10).empty());
}

}  // namespace
}  // namespace shoal::cache
