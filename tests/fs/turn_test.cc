// SPDX-License-Identifier: MIT
#include "fs/turn.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/virtual_time.h"

namespace shoal::fs {
namespace {

class TurnTest : public testing::Test {
 protected:
  /// Takes the turn, notes that, and gives it back.
  static Task<void> take(Turn* turn, std::string* log, std::string label) {
    const auto guard = co_await turn->lock();
    *log += guard ? label : "canceled ";
  }

  Loop loop_;
  test::VirtualTime time_;
  std::string log_;
};

TEST_F(TurnTest, one_has_it_at_a_time_and_the_others_follow_in_order) {
  Turn turn(loop_.get_executor());
  TaskGroup group(loop_.get_executor());
  {
    const auto guard = turn.try_lock();
    ASSERT_TRUE(guard);
    EXPECT_FALSE(turn.try_lock());
    spawn(group, take(&turn, &log_, "a "));
    spawn(group, take(&turn, &log_, "b "));
    test::run_ready(loop_);
    EXPECT_EQ(log_, "");
  }
  EXPECT_FALSE(turn.try_lock()) << "it is on its way to who waits";
  test::run_ready(loop_);
  EXPECT_EQ(log_, "a b ");
  EXPECT_TRUE(turn.try_lock());
  test::run_virtual_until_done(loop_, time_, group.stop());
}

TEST_F(TurnTest, who_no_longer_waits_does_not_keep_it) {
  Turn turn(loop_.get_executor());
  TaskGroup group(loop_.get_executor());
  auto guard = turn.try_lock();
  spawn(group, take(&turn, &log_, "a "));
  test::run_ready(loop_);
  test::run_virtual_until_done(loop_, time_, group.stop());
  EXPECT_EQ(log_, "canceled ");
  guard.reset();
  test::run_ready(loop_);
  EXPECT_TRUE(turn.try_lock());
}

TEST_F(TurnTest, the_end_of_it_cancels_who_waits) {
  auto turn = std::make_unique<Turn>(loop_.get_executor());
  TaskGroup group(loop_.get_executor());
  auto guard = turn->try_lock();
  spawn(group, take(turn.get(), &log_, "a "));
  test::run_ready(loop_);
  guard.reset();
  turn.reset();
  test::run_ready(loop_);
  test::run_virtual_until_done(loop_, time_, group.stop());
  EXPECT_TRUE(log_ == "a " || log_ == "canceled ") << log_;
}

/// Threads and tasks count one number up, which would not add up if two had the turn.
TEST_F(TurnTest, threads_and_tasks_exclude_one_another) {
  constexpr int kRounds = 2000;
  Turn turn(loop_.get_executor());
  TaskGroup group(loop_.get_executor());
  std::int64_t number = 0;  // guarded by the turn
  std::atomic<int> taken{0};
  std::atomic<int> running{2};
  const auto count = [&] {
    for (int i = 0; i < kRounds; ++i) {
      const auto guard = turn.try_lock();
      if (!guard) continue;
      ++number;
      ++taken;
    }
    --running;
  };
  struct Tasks {
    static Task<void> count(Turn* turn, std::int64_t* number, std::atomic<int>* taken) {
      for (int i = 0; i < kRounds; ++i) {
        const auto guard = co_await turn->lock();
        if (!guard) co_return;
        ++*number;
        ++*taken;
      }
    }
  };
  std::vector<std::jthread> threads;
  threads.emplace_back(count);
  threads.emplace_back(count);
  spawn(group, Tasks::count(&turn, &number, &taken));
  spawn(group, Tasks::count(&turn, &number, &taken));
  while (running > 0) {
    loop_.poll();
    loop_.restart();
  }
  threads.clear();
  test::run_ready(loop_);
  EXPECT_EQ(number, taken.load());
  EXPECT_GE(taken.load(), 2 * kRounds) << "the tasks have had all their turns";
  test::run_virtual_until_done(loop_, time_, group.stop());
}

}  // namespace
}  // namespace shoal::fs
