// SPDX-License-Identifier: MIT
#include "base/hash_plan.h"

#include <algorithm>

#include "base/check.h"

namespace shoal::base {
namespace {

constexpr double kReferenceAdvantage = 0.95;
constexpr double kTie = 0.999;  // rounding must not split a batch

double advantage(std::size_t hasher) { return hasher == 0 ? kReferenceAdvantage : 1.0; }

/// Seconds for a batch of `leaves`: whole passes, for idle lanes cost as much as busy ones.
double seconds_for(const HashCost& cost, std::size_t leaves) {
  const std::size_t passes = (leaves + cost.lanes - 1) / cost.lanes;
  return static_cast<double>(passes) * cost.pass_seconds;
}

}  // namespace

bool HashPlan::uses(std::size_t hasher) const {
  // Entry 0 is unused, and a smaller entry is reached only as the rest of a larger batch or as a
  // batch of its own: all count.
  return pair_hasher == hasher ||
         std::any_of(steps.begin() + 1, steps.end(),
                     [hasher](const HashStep& step) { return step.hasher == hasher; });
}

HashPlan plan_hashing(std::span<const HashCost> costs) {
  CHECK(!costs.empty() && costs.size() <= 255);
  HashPlan plan;
  std::array<double, HashPlan::kGroupLeaves + 1> best{};  // seconds by number of leaves
  for (std::size_t total = 1; total <= HashPlan::kGroupLeaves; ++total) {
    bool is_first = true;
    for (std::size_t leaves = total; leaves >= 1; --leaves) {  // large steps win a tie
      for (std::size_t i = 0; i < costs.size(); ++i) {
        CHECK(costs[i].lanes >= 1 && costs[i].lanes <= HashPlan::kGroupLeaves);
        const double seconds = seconds_for(costs[i], leaves) * advantage(i) + best[total - leaves];
        if (!is_first && seconds >= best[total] * kTie) continue;
        is_first = false;
        best[total] = seconds;
        plan.steps[total] = {static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(leaves)};
      }
    }
  }
  for (std::size_t i = 1; i < costs.size(); ++i) {
    const std::size_t now = plan.pair_hasher;
    if (costs[i].pair_seconds < costs[now].pair_seconds * advantage(now)) {
      plan.pair_hasher = static_cast<std::uint8_t>(i);
    }
  }
  return plan;
}

}  // namespace shoal::base
