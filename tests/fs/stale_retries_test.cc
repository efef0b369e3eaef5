// SPDX-License-Identifier: MIT
#include "fs/stale_retries.h"

#include <gtest/gtest.h>

namespace shoal::fs {
namespace {

constexpr SteadyTime kNow = SteadyTime(std::chrono::hours(1));

TEST(StaleRetries, know_who_was_told_until_it_has_what_it_wanted) {
  StaleRetries retries;
  EXPECT_FALSE(retries.is_retrying(7, kNow));
  retries.told(7, kNow);
  EXPECT_TRUE(retries.is_retrying(7, kNow));
  EXPECT_FALSE(retries.is_retrying(8, kNow));
  retries.ended(7);
  EXPECT_FALSE(retries.is_retrying(7, kNow));
}

TEST(StaleRetries, forget_who_did_not_come_back) {
  StaleRetries retries;
  retries.told(7, kNow);
  EXPECT_FALSE(retries.is_retrying(7, kNow + StaleRetries::kTerm));
  retries.told(7, kNow + StaleRetries::kTerm);
  EXPECT_TRUE(retries.is_retrying(7, kNow + StaleRetries::kTerm));
}

}  // namespace
}  // namespace shoal::fs
