// SPDX-License-Identifier: MIT
#include "base/task.h"

#include <gtest/gtest.h>
#include <asio/post.hpp>

#include "base/log.h"
#include "tests/support/virtual_time.h"

namespace shoal::base {
namespace {

using namespace std::chrono_literals;

class TaskTest : public testing::Test {
 protected:
  /// Runs task on virtual time to its end.
  void run(Task<void> task) { test::run_virtual_until_done(loop_, time_, std::move(task)); }

  Loop loop_;
  test::VirtualTime time_;
  std::vector<std::string> events_;
};

using SpawnTest = TaskTest;
using TaskGroupTest = TaskTest;
using DeadlineTest = TaskTest;
using AllWithinTest = TaskTest;

Task<void> note(std::vector<std::string>* events, std::string text) {
  events->push_back(std::move(text));
  co_return;
}

/// Waits for a span and notes how that went.
Task<void> note_wait(Timer* timer, Duration span, std::vector<std::string>* events,
                     std::string name) {
  const Result<void> waited = co_await timer->wait_for(span);
  events->push_back(name + (waited ? " came" : " canceled"));
}

TEST_F(SpawnTest, nothing_runs_before_spawn_returns) {
  TaskGroup group(loop_.get_executor());
  loop_.post([&] {
    spawn(group, note(&events_, "a"));
    spawn(group, note(&events_, "b"));
    events_.push_back("spawned");
  });
  test::run_ready(loop_);
  EXPECT_EQ(events_, (std::vector<std::string>{"spawned", "a", "b"}));
  EXPECT_EQ(group.size(), 0u);
}

Task<void> throw_something() {
  throw std::runtime_error("lost the thread");
  co_return;
}

TEST_F(SpawnTest, an_escaped_exception_is_logged_and_aborts) {
  EXPECT_DEATH(
      {
        TaskGroup group(loop_.get_executor());
        spawn(group, throw_something());
        loop_.run();
      },
      "an exception left a task: lost the thread");
}

TEST_F(TaskGroupTest, stop_cancels_all_and_waits_for_their_end) {
  TaskGroup group(loop_.get_executor());
  spawn(group, note_wait(&time_, 1h, &events_, "a"));
  spawn(group, note_wait(&time_, 2h, &events_, "b"));
  const SteadyTime start = time_.steady();
  test::run_ready(loop_);
  EXPECT_EQ(group.size(), 2u);
  run(group.stop());
  EXPECT_EQ(events_, (std::vector<std::string>{"a canceled", "b canceled"}));
  EXPECT_EQ(group.size(), 0u);
  EXPECT_TRUE(group.is_stopping());
  EXPECT_EQ(time_.steady(), start);
}

TEST_F(TaskGroupTest, stop_may_be_called_again) {
  TaskGroup group(loop_.get_executor());
  run(group.stop());
  run(group.stop());
}

struct CountsItsEnd {
  explicit CountsItsEnd(int* count) : count_(count) {}
  CountsItsEnd(CountsItsEnd&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
  CountsItsEnd& operator=(CountsItsEnd&&) = delete;
  ~CountsItsEnd() {
    if (count_ != nullptr) ++*count_;
  }
  int* count_;
};

Task<void> hold(CountsItsEnd, bool* has_run) {
  *has_run = true;
  co_return;
}

TEST_F(TaskGroupTest, a_stopping_group_drops_tasks_unstarted) {
  TaskGroup group(loop_.get_executor());
  bool has_run = false;
  int ended = 0;
  spawn(group, hold(CountsItsEnd(&ended), &has_run));  // not started when stop comes
  group.cancel();
  spawn(group, hold(CountsItsEnd(&ended), &has_run));
  EXPECT_EQ(ended, 1);
  run(group.stop());
  EXPECT_EQ(ended, 2);
  EXPECT_FALSE(has_run);
}

Task<void> stop_when_canceled(Timer* timer, TaskGroup* inner) {
  const Result<void> waited = co_await timer->wait_for(1h);
  EXPECT_FALSE(waited);
  co_await inner->stop();
}

TEST_F(TaskGroupTest, stop_sees_the_end_even_in_a_canceled_task) {
  TaskGroup outer(loop_.get_executor());
  TaskGroup inner(loop_.get_executor());
  spawn(inner, note_wait(&time_, 1h, &events_, "inner"));
  spawn(outer, stop_when_canceled(&time_, &inner));
  test::run_ready(loop_);
  run(outer.stop());
  EXPECT_EQ(inner.size(), 0u);
  EXPECT_EQ(events_, (std::vector<std::string>{"inner canceled"}));
}

TEST_F(TaskGroupTest, a_group_with_tasks_must_not_go_away) {
  EXPECT_DEATH(
      {
        TaskGroup group(loop_.get_executor());
        spawn(group, note_wait(&time_, 1h, &events_, "a"));
      },
      "1 tasks outlive their group");
}

Task<void> wait_thrice(Timer* timer, std::vector<std::string>* events) {
  for (int i = 0; i < 3; ++i) {
    const Result<void> waited = co_await timer->wait_for(1h);
    events->push_back(waited ? "came" : std::string(name(waited.error().code())));
  }
  const bool is_canceled = co_await cancel_requested();
  if (is_canceled) events->push_back("asked to end");
}

TEST_F(TaskGroupTest, cancellation_is_sticky) {
  TaskGroup group(loop_.get_executor());
  spawn(group, wait_thrice(&time_, &events_));
  test::run_ready(loop_);
  time_.advance(1h);
  test::run_ready(loop_);
  run(group.stop());
  EXPECT_EQ(events_, (std::vector<std::string>{"came", "canceled", "canceled", "asked to end"}));
}

Task<Result<int>> answer_after(Timer* timer, Duration span, int value, int* ended = nullptr) {
  const Result<void> waited = co_await timer->wait_for(span);
  if (ended != nullptr) ++*ended;
  if (!waited) co_return pass(waited);
  co_return value;
}

Task<void> expect_in_time(Timer* timer) {
  const Result<int> result = co_await with_deadline(*timer, Deadline::after(timer->clock(), 2s),
                                                    answer_after(timer, 1s, 7));
  EXPECT_EQ(result.value_or(0), 7);
}

TEST_F(DeadlineTest, a_result_in_time_passes) {
  const SteadyTime start = time_.steady();
  run(expect_in_time(&time_));
  EXPECT_EQ(time_.steady() - start, 1s);
  EXPECT_EQ(time_.waiting(), 0u) << "the alarm is still set";
}

Task<void> expect_too_late(Timer* timer) {
  int ended = 0;
  const Result<int> result = co_await with_deadline(*timer, Deadline::after(timer->clock(), 1s),
                                                    answer_after(timer, 2s, 7, &ended));
  EXPECT_EQ(ended, 1) << "the loser must have ended";
  EXPECT_FALSE(result);
  if (!result) {
    EXPECT_EQ(result.error().code(), Errc::timed_out);
  }
}

TEST_F(DeadlineTest, a_late_task_is_canceled_and_has_ended) {
  const SteadyTime start = time_.steady();
  run(expect_too_late(&time_));
  EXPECT_EQ(time_.steady() - start, 1s);
  EXPECT_EQ(time_.waiting(), 0u);
}

Task<void> expect_not_started(Timer* timer) {
  int ended = 0;
  const Result<int> result = co_await with_deadline(*timer, Deadline::after(timer->clock(), 0s),
                                                    answer_after(timer, 0s, 7, &ended));
  EXPECT_FALSE(result);
  EXPECT_EQ(ended, 0);
}

TEST_F(DeadlineTest, after_the_deadline_nothing_is_started) { run(expect_not_started(&time_)); }

Task<Result<int>> finish_anyway(Timer* timer) {
  (void)co_await timer->wait_for(2s);
  co_return 7;
}

Task<void> expect_anyway(Timer* timer) {
  const Result<int> result =
      co_await with_deadline(*timer, Deadline::after(timer->clock(), 1s), finish_anyway(timer));
  EXPECT_EQ(result.value_or(0), 7);
}

TEST_F(DeadlineTest, a_value_that_is_there_is_not_thrown_away) { run(expect_anyway(&time_)); }

Task<void> expect_canceled(Timer* timer, std::vector<std::string>* events, Duration deadline) {
  int ended = 0;
  const Result<int> result = co_await with_deadline(
      *timer, Deadline::after(timer->clock(), deadline), answer_after(timer, 2h, 7, &ended));
  EXPECT_EQ(ended, 1);
  events->push_back(result ? "value" : std::string(name(result.error().code())));
}

TEST_F(DeadlineTest, cancellation_from_outside_passes_through) {
  TaskGroup group(loop_.get_executor());
  spawn(group, expect_canceled(&time_, &events_, 1h));
  test::run_ready(loop_);
  run(group.stop());
  EXPECT_EQ(events_, (std::vector<std::string>{"canceled"}));
  EXPECT_EQ(time_.waiting(), 0u);
}

Task<Result<int>> nested(Timer* timer, Duration outer, Duration inner) {
  Result<int> result = co_await with_deadline(
      *timer, Deadline::after(timer->clock(), outer),
      with_deadline(*timer, Deadline::after(timer->clock(), inner), answer_after(timer, 1h, 7)));
  co_return result;
}

Task<void> expect_nested(Timer* timer) {
  const SteadyTime start = timer->clock().steady();
  const Result<int> by_inner = co_await nested(timer, 2s, 1s);
  EXPECT_EQ(by_inner.error().code(), Errc::timed_out);
  EXPECT_EQ(timer->clock().steady() - start, 1s);
  const Result<int> by_outer = co_await nested(timer, 1s, 2s);
  EXPECT_EQ(by_outer.error().code(), Errc::timed_out);
  EXPECT_EQ(timer->clock().steady() - start, 2s);
}

TEST_F(DeadlineTest, the_earlier_of_two_deadlines_counts) { run(expect_nested(&time_)); }

Task<Result<void>> fail_at_once() { co_return fail(Errc::corrupt, "bad block"); }

Task<void> expect_own_error(Timer* timer) {
  const Result<void> never = co_await with_deadline(*timer, Deadline::never(), fail_at_once());
  EXPECT_EQ(never.error().message(), "bad block (corrupt)");
  const Result<void> soon =
      co_await with_deadline(*timer, Deadline::after(timer->clock(), 1s), fail_at_once());
  EXPECT_EQ(soon.error().message(), "bad block (corrupt)");
}

TEST_F(DeadlineTest, an_error_of_the_task_is_its_own) { run(expect_own_error(&time_)); }

struct Crowd {
  int present = 0;
  int most = 0;
  int finished = 0;
};

Task<Result<void>> join_crowd(Timer* timer, Crowd* crowd, Duration span, Errc failure = {}) {
  crowd->most = std::max(crowd->most, ++crowd->present);
  const Result<void> waited = co_await timer->wait_for(span);
  --crowd->present;
  if (!waited) co_return pass(waited);
  ++crowd->finished;
  if (failure != Errc{}) co_return fail(failure, "as told");
  co_return ok();
}

Task<void> expect_limited(Timer* timer, Crowd* crowd) {
  std::vector<Task<Result<void>>> tasks;
  for (int i = 0; i < 10; ++i) tasks.push_back(join_crowd(timer, crowd, 1s));
  const Result<void> done = co_await all_within(3, std::move(tasks));
  EXPECT_TRUE(done);
}

TEST_F(AllWithinTest, runs_all_and_never_more_than_the_limit) {
  Crowd crowd;
  const SteadyTime start = time_.steady();
  run(expect_limited(&time_, &crowd));
  EXPECT_EQ(crowd.most, 3);
  EXPECT_EQ(crowd.finished, 10);
  EXPECT_EQ(time_.steady() - start, 4s);
}

Task<void> expect_first_error(Timer* timer, Crowd* crowd) {
  std::vector<Task<Result<void>>> tasks;
  tasks.push_back(join_crowd(timer, crowd, 1h));
  tasks.push_back(join_crowd(timer, crowd, 1s, Errc::corrupt));
  tasks.push_back(join_crowd(timer, crowd, 1h));
  const Result<void> done = co_await all_within(2, std::move(tasks));
  EXPECT_FALSE(done);
  if (!done) {
    EXPECT_EQ(done.error().code(), Errc::corrupt);
  }
  EXPECT_EQ(crowd->present, 0) << "all must have ended";
}

TEST_F(AllWithinTest, the_first_error_cancels_the_rest) {
  Crowd crowd;
  const SteadyTime start = time_.steady();
  run(expect_first_error(&time_, &crowd));
  EXPECT_EQ(crowd.finished, 1);
  EXPECT_EQ(time_.steady() - start, 1s);
}

Task<void> expect_all_canceled(Timer* timer, Crowd* crowd, std::vector<std::string>* events) {
  std::vector<Task<Result<void>>> tasks;
  for (int i = 0; i < 5; ++i) tasks.push_back(join_crowd(timer, crowd, 1h));
  const Result<void> done = co_await all_within(3, std::move(tasks));
  events->push_back(done ? "ok" : std::string(name(done.error().code())));
}

TEST_F(AllWithinTest, cancellation_ends_all_and_starts_no_more) {
  Crowd crowd;
  TaskGroup group(loop_.get_executor());
  spawn(group, expect_all_canceled(&time_, &crowd, &events_));
  test::run_ready(loop_);
  run(group.stop());
  EXPECT_EQ(events_, (std::vector<std::string>{"canceled"}));
  EXPECT_EQ(crowd.present, 0);
  EXPECT_EQ(crowd.most, 3);
}

Task<void> expect_nothing_to_do() {
  const Result<void> done = co_await all_within(1, {});
  EXPECT_TRUE(done);
}

TEST_F(AllWithinTest, no_tasks_are_done_at_once) { run(expect_nothing_to_do()); }

}  // namespace
}  // namespace shoal::base
