// SPDX-License-Identifier: MIT
#include "tracker/contests.h"

#include <gtest/gtest.h>

namespace shoal::tracker {
namespace {

using std::chrono::seconds;

constexpr InodeId kDirectory(7);
const SteadyTime kStart = SteadyTime(std::chrono::hours(1));

/// Seconds until one may ask again.
int pause_of(Contests contests, SteadyTime now) {
  for (int i = 0; i < 1000; ++i) {
    if (contests.may_ask(kDirectory, now + seconds(i))) return i;
  }
  return -1;
}

TEST(Contests, one_asks_at_once_and_then_after_a_pause) {
  Contests contests;
  EXPECT_TRUE(contests.may_ask(kDirectory, kStart));
  EXPECT_FALSE(contests.may_ask(kDirectory, kStart));
  EXPECT_TRUE(contests.may_ask(InodeId(8), kStart));
  EXPECT_EQ(pause_of(contests, kStart), 4);
}

TEST(Contests, interests_that_follow_one_another_double_the_pause_up_to_a_minute) {
  Contests contests;
  SteadyTime now = kStart;
  for (const int expected : {2, 4, 8, 16, 32, 60, 60}) {
    contests.ended(kDirectory, now);
    EXPECT_EQ(pause_of(contests, now), expected);
    now += seconds(expected);
    EXPECT_TRUE(contests.may_ask(kDirectory, now));
    now += seconds(1);
  }
}

TEST(Contests, a_quiet_time_makes_an_interest_the_first_again) {
  Contests contests;
  contests.ended(kDirectory, kStart);
  contests.ended(kDirectory, kStart + seconds(3));
  EXPECT_EQ(pause_of(contests, kStart + seconds(3)), 4);
  contests.ended(kDirectory, kStart + seconds(100));
  EXPECT_EQ(pause_of(contests, kStart + seconds(100)), 2);
}

TEST(Contests, memory_is_bounded_and_what_is_over_makes_place) {
  Contests contests;
  for (std::uint64_t i = 0; i < Contests::kMost; ++i) {
    EXPECT_TRUE(contests.may_ask(InodeId(100 + i), kStart));
  }
  EXPECT_FALSE(contests.may_ask(kDirectory, kStart));
  contests.ended(kDirectory, kStart);
  EXPECT_EQ(contests.size(), Contests::kMost);
  EXPECT_TRUE(contests.may_ask(kDirectory, kStart + Contests::kUsedPause));
  EXPECT_EQ(contests.size(), 1U);
}

}  // namespace
}  // namespace shoal::tracker
