// SPDX-License-Identifier: MIT
// Signal, AsyncMutex and Semaphore.
#include <gtest/gtest.h>

#include "base/task.h"
#include "tests/support/virtual_time.h"

namespace shoal::base {
namespace {

using namespace std::chrono_literals;
using Events = std::vector<std::string>;

class SyncTest : public testing::Test {
 protected:
  void run(Task<void> task) { test::run_virtual_until_done(loop_, time_, std::move(task)); }
  void run_ready() { test::run_ready(loop_); }

  Loop loop_;
  test::VirtualTime time_;
  TaskGroup group_{loop_.get_executor()};
  Events events_;
};

using SignalTest = SyncTest;
using AsyncMutexTest = SyncTest;
using SemaphoreTest = SyncTest;

std::string outcome(std::string name_, const Result<void>& result) {
  return name_ + (result ? "" : " " + std::string(name(result.error().code())));
}

Task<void> wait_for(Signal* signal, Events* events, std::string name) {
  const Result<void> waited = co_await signal->wait();
  events->push_back(outcome(std::move(name), waited));
}

TEST_F(SignalTest, set_wakes_present_and_later_waiters) {
  Signal signal(loop_.get_executor());
  spawn(group_, wait_for(&signal, &events_, "a"));
  spawn(group_, wait_for(&signal, &events_, "b"));
  run_ready();
  EXPECT_EQ(events_, Events{});
  signal.set();
  run_ready();
  spawn(group_, wait_for(&signal, &events_, "c"));
  run_ready();
  EXPECT_EQ(events_, (Events{"a", "b", "c"}));
}

TEST_F(SignalTest, reset_makes_later_ones_wait_again) {
  Signal signal(loop_.get_executor());
  signal.set();
  signal.reset();
  EXPECT_FALSE(signal.is_set());
  spawn(group_, wait_for(&signal, &events_, "a"));
  run_ready();
  EXPECT_EQ(events_, Events{});
  run(group_.stop());
  EXPECT_EQ(events_, (Events{"a canceled"}));
}

TEST_F(SignalTest, pulse_wakes_the_present_ones_only) {
  Signal signal(loop_.get_executor());
  spawn(group_, wait_for(&signal, &events_, "a"));
  run_ready();
  signal.pulse();
  spawn(group_, wait_for(&signal, &events_, "b"));
  run_ready();
  EXPECT_EQ(events_, (Events{"a"}));
  run(group_.stop());
}

TEST_F(SignalTest, a_dying_signal_cancels_its_waiters) {
  auto signal = std::make_unique<Signal>(loop_.get_executor());
  spawn(group_, wait_for(signal.get(), &events_, "a"));
  run_ready();
  signal.reset();
  run_ready();
  EXPECT_EQ(events_, (Events{"a canceled"}));
}

TEST_F(SignalTest, a_canceled_task_does_not_wait_for_a_set_signal) {
  Signal signal(loop_.get_executor());
  spawn(group_, wait_for(&signal, &events_, "a"));
  run_ready();
  group_.cancel();
  signal.set();  // too late: the wait was withdrawn
  run(group_.stop());
  EXPECT_EQ(events_, (Events{"a canceled"}));
}

Task<void> lock_for(AsyncMutex* mutex, Timer* timer, Events* events, std::string name) {
  Result<AsyncMutex::Guard> guard = co_await mutex->lock();
  if (!guard) {
    events->push_back(name + " refused");
    co_return;
  }
  events->push_back(name + " in");
  (void)co_await timer->wait_for(1s);
  events->push_back(name + " out");
}

TEST_F(AsyncMutexTest, lets_one_in_at_a_time_in_order) {
  AsyncMutex mutex(loop_.get_executor());
  for (const char* name : {"a", "b", "c"}) spawn(group_, lock_for(&mutex, &time_, &events_, name));
  EXPECT_TRUE(test::run_virtual(loop_, time_, [&] { return group_.size() == 0; }));
  EXPECT_EQ(events_, (Events{"a in", "a out", "b in", "b out", "c in", "c out"}));
  EXPECT_FALSE(mutex.is_locked());
}

TEST_F(AsyncMutexTest, a_canceled_waiter_leaves_the_queue) {
  AsyncMutex mutex(loop_.get_executor());
  TaskGroup other(loop_.get_executor());
  spawn(group_, lock_for(&mutex, &time_, &events_, "a"));
  spawn(other, lock_for(&mutex, &time_, &events_, "b"));
  spawn(group_, lock_for(&mutex, &time_, &events_, "c"));
  run_ready();
  run(other.stop());
  EXPECT_TRUE(test::run_virtual(loop_, time_, [&] { return group_.size() == 0; }));
  EXPECT_EQ(events_, (Events{"a in", "b refused", "a out", "c in", "c out"}));
}

TEST_F(AsyncMutexTest, one_that_was_let_in_before_its_cancellation_unlocks) {
  AsyncMutex mutex(loop_.get_executor());
  TaskGroup other(loop_.get_executor());
  spawn(group_, lock_for(&mutex, &time_, &events_, "a"));
  spawn(other, lock_for(&mutex, &time_, &events_, "b"));
  spawn(group_, lock_for(&mutex, &time_, &events_, "c"));
  run_ready();
  time_.advance(1s);
  // Until b has its turn, which is queued but has not run.
  while (events_.back() != "a out") loop_.poll_one();
  other.cancel();
  EXPECT_TRUE(test::run_virtual(loop_, time_, [&] { return group_.size() == 0; }));
  EXPECT_EQ(events_.back(), "c out");
  EXPECT_FALSE(mutex.is_locked());
  run(other.stop());
}

Task<void> take(Semaphore* semaphore, std::uint64_t n, Events* events, std::string name) {
  const Result<void> taken = co_await semaphore->acquire(n);
  events->push_back(outcome(std::move(name), taken));
}

TEST_F(SemaphoreTest, serves_in_order_of_arrival) {
  Semaphore semaphore(loop_.get_executor(), 3);
  spawn(group_, take(&semaphore, 2, &events_, "two"));
  spawn(group_, take(&semaphore, 2, &events_, "next two"));
  spawn(group_, take(&semaphore, 1, &events_, "one"));  // would fit, but must not overtake
  run_ready();
  EXPECT_EQ(events_, (Events{"two"}));
  EXPECT_EQ(semaphore.available(), 1u);
  semaphore.release(2);
  run_ready();
  EXPECT_EQ(events_, (Events{"two", "next two", "one"}));
  EXPECT_EQ(semaphore.available(), 0u);
}

TEST_F(SemaphoreTest, a_canceled_waiter_lets_those_behind_it_pass) {
  Semaphore semaphore(loop_.get_executor(), 3);
  TaskGroup other(loop_.get_executor());
  spawn(group_, take(&semaphore, 2, &events_, "two"));
  spawn(other, take(&semaphore, 3, &events_, "three"));
  spawn(group_, take(&semaphore, 1, &events_, "one"));
  run_ready();
  EXPECT_EQ(events_, (Events{"two"}));
  run(other.stop());
  EXPECT_EQ(events_, (Events{"two", "three canceled", "one"}));
  EXPECT_EQ(semaphore.available(), 0u);
}

TEST_F(SemaphoreTest, more_than_the_total_or_than_was_taken_is_a_bug) {
  EXPECT_DEATH(
      {
        Semaphore semaphore(loop_.get_executor(), 3);
        spawn(group_, take(&semaphore, 4, &events_, "four"));
        run_ready();
      },
      "4 of 3 permits");
  EXPECT_DEATH(
      {
        Semaphore semaphore(loop_.get_executor(), 3);
        semaphore.release();
      },
      "more permits released");
}

}  // namespace
}  // namespace shoal::base
