// SPDX-License-Identifier: MIT
#include "base/hash_plan.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace shoal::base {
namespace {

constexpr HashCost kReference = {.lanes = 1, .pass_seconds = 8, .pair_seconds = 0.1};

TEST(HashPlanTest, one_hasher_does_all) {
  const HashPlan plan = plan_hashing(std::vector{kReference});
  for (std::size_t n = 1; n < plan.steps.size(); ++n) {
    EXPECT_EQ(plan.steps[n], (HashStep{0, static_cast<std::uint8_t>(n)})) << n;
  }
  EXPECT_EQ(plan.pair_hasher, 0);
  EXPECT_FALSE(plan.uses(1));
}

TEST(HashPlanTest, a_wide_hasher_takes_what_fills_enough_of_its_lanes) {
  const HashCost wide = {.lanes = 16, .pass_seconds = 40, .pair_seconds = 0.2};
  const HashPlan plan = plan_hashing(std::vector{kReference, wide});
  for (std::uint8_t n = 1; n <= 5; ++n) EXPECT_EQ(plan.steps[n], (HashStep{0, n}));
  for (std::uint8_t n = 6; n <= 16; ++n) EXPECT_EQ(plan.steps[n], (HashStep{1, n}));
  EXPECT_EQ(plan.pair_hasher, 0);
}

TEST(HashPlanTest, a_batch_is_split_where_that_is_faster) {
  const HashCost two = {.lanes = 2, .pass_seconds = 10, .pair_seconds = 0.05};
  const HashCost wide = {.lanes = 16, .pass_seconds = 40, .pair_seconds = 0.06};
  const HashPlan plan = plan_hashing(std::vector{kReference, two, wide});
  EXPECT_EQ(plan.steps[1], (HashStep{0, 1}));
  EXPECT_EQ(plan.steps[2], (HashStep{1, 2}));
  EXPECT_EQ(plan.steps[3].leaves + plan.steps[3 - plan.steps[3].leaves].leaves, 3);
  EXPECT_TRUE(plan.steps[3].hasher != plan.steps[3 - plan.steps[3].leaves].hasher);
  EXPECT_EQ(plan.steps[6], (HashStep{1, 6}));  // 30 against 40
  EXPECT_EQ(plan.steps[16], (HashStep{2, 16}));
  EXPECT_EQ(plan.pair_hasher, 1);
}

TEST(HashPlanTest, the_reference_keeps_what_is_about_as_fast) {
  const HashCost same = {.lanes = 1, .pass_seconds = 7.8, .pair_seconds = 0.098};
  const HashPlan plan = plan_hashing(std::vector{kReference, same});
  EXPECT_FALSE(plan.uses(1));
}

TEST(HashPlanTest, a_hasher_that_failed_its_measurement_is_not_used) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  const HashCost failed = {.lanes = 16, .pass_seconds = kNever, .pair_seconds = kNever};
  EXPECT_FALSE(plan_hashing(std::vector{kReference, failed}).uses(1));
  const HashPlan all = plan_hashing(std::vector{failed, kReference});
  EXPECT_FALSE(all.uses(0));
}

}  // namespace
}  // namespace shoal::base
