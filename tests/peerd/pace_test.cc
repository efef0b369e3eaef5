// SPDX-License-Identifier: MIT
#include "peerd/pace.h"

#include <gtest/gtest.h>

#include <vector>

#include "peerd/hedge_budget.h"
#include "peerd/limits.h"

namespace shoal::peerd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kBlock = 16 << 10;
const SteadyTime kStart{std::chrono::hours(1)};

/// Answers one after another, each alone on the link.
void serve(Pace& pace, std::uint64_t bytes, Duration took, int count, SteadyTime& now) {
  for (int i = 0; i < count; ++i) {
    pace.started(bytes, now);
    const SteadyTime asked_at = now;
    now += took;
    pace.answered(bytes, asked_at, now);
  }
}

/// A link of that rate and delay, its window kept full for a while.
Pace on_link(double bytes_per_second, Duration delay) {
  Pace pace;
  SteadyTime now = kStart;
  const auto span = [&](std::uint64_t bytes) {
    return std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(static_cast<double>(bytes) / bytes_per_second));
  };
  serve(pace, kBlock, delay + span(kBlock), 4, now);
  std::vector<std::pair<SteadyTime, SteadyTime>> queue;  // asked, due
  SteadyTime free_at = now;
  for (int answers = 0; answers < 400; ++answers) {
    while (!pace.is_full(kMiB)) {
      pace.started(kMiB, now);
      free_at = std::max(free_at, now + delay) + span(kMiB);
      queue.emplace_back(now, free_at);
    }
    now = queue.front().second;
    pace.answered(kMiB, queue.front().first, now);
    queue.erase(queue.begin());
  }
  return pace;
}

TEST(Pace, fills_the_link_and_not_much_more) {
  struct Case {
    double rate;
    Duration delay;
    std::uint64_t least;
    std::uint64_t most;
  };
  const Case cases[] = {
      {5e6, milliseconds(1), kMinPeerWindow, kMinPeerWindow},
      {50e6, milliseconds(1), kMinPeerWindow, kMinPeerWindow},
      {125e6, milliseconds(20), 5 * kMiB / 2, 8 * kMiB},
      {125e6, milliseconds(100), 12 * kMiB, kMaxPeerBytes},
      {2e9, milliseconds(50), kMaxPeerBytes, kMaxPeerBytes},
  };
  for (const Case& link : cases) {
    const Pace pace = on_link(link.rate, link.delay);
    EXPECT_GE(pace.window(), link.least) << link.rate;
    EXPECT_LE(pace.window(), link.most) << link.rate;
    const double product = link.rate * std::chrono::duration<double>(link.delay).count();
    EXPECT_GE(static_cast<double>(pace.window()), std::min(product, double{kMaxPeerBytes}));
  }
}

TEST(Pace, takes_an_answer_for_late_by_what_others_took) {
  Pace pace;
  SteadyTime now = kStart;
  serve(pace, kBlock, milliseconds(20), 50, now);
  const Duration late = pace.late_after(kBlock, kBlock);
  EXPECT_GE(late, milliseconds(20));
  EXPECT_LE(late, milliseconds(45));
  // A chunk takes longer, and that says nothing about a block.
  serve(pace, kMiB, milliseconds(400), 50, now);
  EXPECT_GE(pace.late_after(kMiB, kMiB), milliseconds(400));
  EXPECT_LE(pace.late_after(kBlock, kBlock), milliseconds(45));
}

TEST(Pace, gives_an_answer_the_time_of_what_is_queued_before_it) {
  Pace pace;
  SteadyTime now = kStart;
  serve(pace, kMiB, milliseconds(100), 50, now);
  EXPECT_GE(pace.late_after(kMiB, 8 * kMiB), milliseconds(800));
}

TEST(Pace, takes_nothing_for_late_that_a_busy_machine_explains) {
  Pace pace;
  SteadyTime now = kStart;
  serve(pace, kMiB, std::chrono::microseconds(500), 50, now);
  EXPECT_GE(pace.late_after(kMiB, kMiB), milliseconds(20));
}

TEST(Pace, counts_a_holder_as_silent_only_when_nothing_at_all_comes) {
  Pace pace;
  SteadyTime now = kStart;
  serve(pace, kMiB, milliseconds(50), 50, now);
  EXPECT_FALSE(pace.is_silent(kMiB, kMiB, now + seconds(60))) << "nothing is asked of it";
  pace.started(kMiB, now);
  pace.started(kMiB, now);
  EXPECT_FALSE(pace.is_silent(kMiB, kMiB, now + milliseconds(100)));
  EXPECT_TRUE(pace.is_silent(kMiB, kMiB, now + milliseconds(500)));
  const SteadyTime asked_at = now;
  now += milliseconds(450);
  pace.answered(kMiB, asked_at, now);
  EXPECT_FALSE(pace.is_silent(kMiB, kMiB, now + milliseconds(100)));
}

TEST(Pace, is_slower_after_it_was_outrun) {
  Pace pace;
  SteadyTime now = kStart;
  serve(pace, kMiB, milliseconds(10), 50, now);
  const double before = pace.rate();
  pace.started(kMiB, now);
  pace.outrun(kMiB, now, now + milliseconds(500));
  EXPECT_LT(pace.rate(), before * 0.8);
  EXPECT_EQ(pace.bytes(), 0u);
}

TEST(HedgeBudget, spends_no_more_than_its_part_of_what_was_received) {
  HedgeBudget budget(0.05, 8 * kMiB);
  std::uint64_t twice = 0;
  for (std::uint64_t received = 0; received < 1000 * kMiB; received += kMiB) {
    budget.received(kMiB);
    if (budget.take(kMiB)) twice += kMiB;
  }
  EXPECT_LE(twice, 50 * kMiB + 4 * kMiB);
  EXPECT_GE(twice, 45 * kMiB);
}

TEST(HedgeBudget, saves_up_no_more_than_its_most) {
  HedgeBudget budget(0.05, 8 * kMiB);
  budget.received(std::uint64_t{1} << 40);
  EXPECT_EQ(budget.left(), 8 * kMiB);
}

}  // namespace
}  // namespace shoal::peerd
