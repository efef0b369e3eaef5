// SPDX-License-Identifier: MIT
// What runs on the machine's own clock, sockets and threads.
#include <gtest/gtest.h>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>

#include <atomic>
#include <latch>
#include <thread>

#include "base/asio_alias.h"
#include "base/task.h"

namespace shoal::base {
namespace {

using namespace std::chrono_literals;
using Socket = asio::local::stream_protocol::socket;

Task<void> expect_system_timer(Timer* timer) {
  const SteadyTime start = timer->clock().steady();
  const Result<void> waited = co_await timer->wait_for(1ms);
  EXPECT_TRUE(waited);
  EXPECT_GE(timer->clock().steady() - start, 1ms);
  const Result<void> past = co_await timer->wait_until(start);
  EXPECT_TRUE(past);
}

TEST(SystemTimerTest, waits_at_least_as_long_as_told) {
  Loop loop;
  const auto timer = make_system_timer();
  run_until_done(loop, expect_system_timer(timer.get()));
}

Task<void> wait_long(Timer* timer, Errc* code) {
  const Result<void> waited = co_await timer->wait_for(1h);
  if (!waited) *code = waited.error().code();
}

TEST(SystemTimerTest, a_wait_can_be_canceled) {
  Loop loop;
  const auto timer = make_system_timer();
  TaskGroup group(loop.get_executor());
  Errc code{};
  spawn(group, wait_long(timer.get(), &code));
  loop.poll();
  run_until_done(loop, group.stop());
  EXPECT_EQ(code, Errc::canceled);
}

Task<void> read_twice(Socket* socket, std::vector<asio::error_code>* seen) {
  for (int i = 0; i < 2; ++i) {
    std::array<std::byte, 1> byte{};
    const auto got = co_await socket->async_read_some(asio::buffer(byte), use_task);
    seen->push_back(std::get<0>(got));
  }
}

TEST(UseTaskTest, later_operations_notice_an_earlier_cancellation) {
  Loop loop;
  Socket a(loop);
  Socket b(loop);
  asio::local::connect_pair(a, b);
  TaskGroup group(loop.get_executor());
  std::vector<asio::error_code> seen;
  spawn(group, read_twice(&a, &seen));
  loop.poll();
  run_until_done(loop, group.stop());
  ASSERT_EQ(seen.size(), 2u);
  for (const auto& failure : seen) EXPECT_EQ(errc_from(failure), Errc::canceled);
}

Task<void> expect_byte_then_end(Socket* socket) {
  std::array<std::byte, 8> bytes{};
  const auto got = co_await socket->async_read_some(asio::buffer(bytes), use_task);
  EXPECT_FALSE(std::get<0>(got));
  EXPECT_EQ(std::get<1>(got), 1u);
  const auto end = co_await socket->async_read_some(asio::buffer(bytes), use_task);
  const Error error = error_from(std::get<0>(end), "reading");
  EXPECT_EQ(error.code(), Errc::unreachable);
  EXPECT_TRUE(error.context().starts_with("reading: ")) << error.context();
}

TEST(UseTaskTest, gives_what_the_operation_gives) {
  Loop loop;
  Socket a(loop);
  Socket b(loop);
  asio::local::connect_pair(a, b);
  b.send(asio::buffer("x", 1));
  b.close();
  run_until_done(loop, expect_byte_then_end(&a));
}

struct MoveOnly {
  std::unique_ptr<int> value;
};

Task<void> expect_pool_works(Pool* pool) {
  const std::thread::id loop_thread = std::this_thread::get_id();
  MoveOnly argument{std::make_unique<int>(7)};
  MoveOnly result = co_await pool->run([argument = std::move(argument)]() mutable {
    ++*argument.value;
    return std::move(argument);
  });
  EXPECT_EQ(*result.value, 8);
  EXPECT_EQ(std::this_thread::get_id(), loop_thread);
  bool has_run = false;
  co_await pool->run([&has_run] { has_run = true; });
  EXPECT_TRUE(has_run);
}

TEST(PoolTest, brings_results_back_to_the_loop) {
  for (const bool is_inline : {true, false}) {
    Loop loop;
    const auto pool = is_inline ? make_inline_pool() : make_thread_pool(2);
    run_until_done(loop, expect_pool_works(pool.get()));
  }
}

Task<void> expect_pool_thread(Pool* pool) {
  const std::thread::id loop_thread = std::this_thread::get_id();
  const std::thread::id ran_on = co_await pool->run([] { return std::this_thread::get_id(); });
  EXPECT_NE(ran_on, loop_thread);
}

TEST(PoolTest, work_runs_on_another_thread) {
  Loop loop;
  const auto pool = make_thread_pool(1);
  run_until_done(loop, expect_pool_thread(pool.get()));
}

Task<void> work_until(Pool* pool, std::latch* begun, std::latch* may_end, int* result) {
  *result = co_await pool->run([begun, may_end] {
    begun->count_down();
    may_end->wait();
    return 7;
  });
}

TEST(PoolTest, cancellation_waits_for_the_function) {
  Loop loop;
  const auto pool = make_thread_pool(1);
  TaskGroup group(loop.get_executor());
  std::latch begun(1);
  std::latch may_end(1);
  int result = 0;
  spawn(group, work_until(pool.get(), &begun, &may_end, &result));
  loop.poll();
  begun.wait();
  group.cancel();
  loop.poll();
  EXPECT_EQ(group.size(), 1u);
  may_end.count_down();
  run_until_done(loop, group.stop());
  EXPECT_EQ(result, 7);
}

TEST(PoolTest, many_jobs_all_end) {
  Loop loop;
  const auto pool = make_thread_pool(4);
  TaskGroup group(loop.get_executor());
  std::atomic<int> sum = 0;
  const auto job = [](Pool* pool_, std::atomic<int>* sum_) -> Task<void> {
    for (int i = 0; i < 20; ++i) co_await pool_->run([sum_] { ++*sum_; });
  };
  for (int i = 0; i < 50; ++i) spawn(group, job(pool.get(), &sum));
  while (group.size() > 0) loop.run_one();
  EXPECT_EQ(sum, 1000);
}

Task<void> run_thrower(Pool* pool) {
  co_await pool->run([] { throw std::runtime_error("no such luck"); });
}

TEST(PoolTest, an_escaped_exception_is_logged_and_aborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        Loop loop;
        const auto pool = make_thread_pool(1);
        run_until_done(loop, run_thrower(pool.get()));
      },
      "an exception left work on the pool: no such luck");
}

}  // namespace
}  // namespace shoal::base
