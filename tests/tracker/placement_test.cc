// SPDX-License-Identifier: MIT
#include "tracker/placement.h"

#include <gtest/gtest.h>

#include <map>

namespace shoal::tracker {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

TEST(has_room, tells_when_a_peer_has_enough_to_do) {
  struct Case {
    std::size_t orders;
    std::uint64_t order_bytes;
    std::uint64_t bytes;
    bool expected;
  };
  const Case cases[] = {
      {0, 0, 1, true},
      {0, 0, 5000 * kMiB, true},  // larger than the window, but alone
      {1, kMiB, 5000 * kMiB, false},
      {kMaxOrdersPerPeer - 1, 0, kMiB, true},
      {kMaxOrdersPerPeer, 0, 0, false},
      {5, kMaxOrderBytesPerPeer - kMiB, kMiB, true},
      {5, kMaxOrderBytesPerPeer - kMiB, kMiB + 1, false},
  };
  for (const Case& each : cases) {
    const Candidate candidate{PeerKey(1), 1 << 30, each.orders, each.order_bytes};
    EXPECT_EQ(has_room(candidate, each.bytes), each.expected)
        << each.orders << " " << each.order_bytes << " " << each.bytes;
  }
}

TEST(choose_target, wants_space_for_what_is_ordered_already_too) {
  base::Random random(1);
  const Candidate tight{PeerKey(1), 10 * kMiB, 3, 8 * kMiB};
  EXPECT_TRUE(choose_target(std::span(&tight, 1), 2 * kMiB, random));
  EXPECT_FALSE(choose_target(std::span(&tight, 1), 3 * kMiB, random));
  EXPECT_FALSE(choose_target({}, 1, random));
}

TEST(choose_target, prefers_space_and_still_uses_everybody) {
  base::Random random(7);
  const Candidate candidates[] = {{PeerKey(1), 900 * kMiB, 0, 0},
                                  {PeerKey(2), 500 * kMiB, 0, 0},
                                  {PeerKey(3), 100 * kMiB, 0, 0}};
  std::map<std::size_t, int> chosen;
  for (int i = 0; i < 9000; ++i) ++chosen[*choose_target(candidates, kMiB, random)];
  EXPECT_GT(chosen[0], chosen[1]);
  EXPECT_GT(chosen[1], chosen[2]);
  EXPECT_GT(chosen[2], 500);  // one in nine
}

}  // namespace
}  // namespace shoal::tracker
