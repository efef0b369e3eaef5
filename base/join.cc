// SPDX-License-Identifier: MIT
// with_deadline() and all_within(): a parent that starts children and sleeps until they have all
// ended. What children share with it lies in the parent's frame; they own the parent's Waiter, so
// that the frame lives as long as any of them.
#include <algorithm>
#include <asio/cancellation_signal.hpp>
#include <asio/this_coro.hpp>

#include "base/check.h"
#include "base/launch.h"
#include "base/task.h"
#include "base/waiter.h"

namespace shoal::base {
namespace {

constexpr auto kCancel = asio::cancellation_type::terminal;

struct Race {
  asio::cancellation_signal body;
  asio::cancellation_signal alarm;
  int running = 2;
  detail::DeadlineOutcome outcome = detail::DeadlineOutcome::ended;
};

Task<void> sound_alarm(Timer& timer, SteadyTime moment, Race* race) {
  const Result<void> came = co_await timer.wait_until(moment);
  if (!came || race->outcome != detail::DeadlineOutcome::ended) co_return;
  race->outcome = detail::DeadlineOutcome::timed_out;
  race->body.emit(kCancel);
}

struct Crew {
  explicit Crew(std::vector<Task<Result<void>>> tasks_, std::size_t workers)
      : tasks(std::move(tasks_)),
        signals(std::make_unique<asio::cancellation_signal[]>(workers)),
        worker_count(workers),
        running(workers) {}

  void stop(Error reason) {
    if (first_error) return;
    first_error = std::move(reason);
    for (std::size_t i = 0; i < worker_count; ++i) signals[i].emit(kCancel);
  }

  std::vector<Task<Result<void>>> tasks;
  std::size_t next = 0;
  std::unique_ptr<asio::cancellation_signal[]> signals;
  std::size_t worker_count;
  std::size_t running;
  std::optional<Error> first_error;
};

Task<void> work(Crew* crew) {
  while (!crew->first_error && crew->next < crew->tasks.size()) {
    Task<Result<void>> task = std::move(crew->tasks[crew->next++]);
    Result<void> done = co_await std::move(task);
    if (!done) crew->stop(std::move(done).error());
  }
}

}  // namespace

namespace detail {

Error deadline_error(DeadlineOutcome outcome) {
  if (outcome == DeadlineOutcome::timed_out) return Error(Errc::timed_out, "the deadline passed");
  return Error(Errc::canceled, "canceled");
}

Task<DeadlineOutcome> run_with_deadline(Timer& timer, Deadline deadline, Task<void> body) {
  const bool is_canceled = co_await cancel_requested();
  if (is_canceled) co_return DeadlineOutcome::canceled;
  if (deadline.at == SteadyTime::max()) {
    co_await std::move(body);
    co_return DeadlineOutcome::ended;
  }
  if (deadline.has_passed(timer.clock())) co_return DeadlineOutcome::timed_out;

  const Executor executor = co_await asio::this_coro::executor;
  Race race;
  auto waiter = std::make_shared<Waiter>();
  launch(executor, race.body.slot(), std::move(body), [&race, waiter] {
    race.alarm.emit(kCancel);
    if (--race.running == 0) waiter->wake(true);
  });
  launch(executor, race.alarm.slot(), sound_alarm(timer, deadline.at, &race), [&race, waiter] {
    if (--race.running == 0) waiter->wake(true);
  });
  Waiter* const sleeper = waiter.get();
  waiter.reset();
  (void)co_await sleeper->sleep([&race] {
    if (race.outcome != DeadlineOutcome::ended) return;
    race.outcome = DeadlineOutcome::canceled;
    race.body.emit(kCancel);
  });
  co_return race.outcome;
}

}  // namespace detail

Task<Result<void>> all_within(std::size_t limit, std::vector<Task<Result<void>>> tasks) {
  CHECK(limit >= 1);
  const bool is_canceled = co_await cancel_requested();
  if (is_canceled) co_return fail(Errc::canceled, "canceled");
  if (tasks.empty()) co_return ok();

  const Executor executor = co_await asio::this_coro::executor;
  const std::size_t workers = std::min(limit, tasks.size());
  Crew crew(std::move(tasks), workers);
  auto waiter = std::make_shared<Waiter>();
  for (std::size_t i = 0; i < workers; ++i) {
    detail::launch(executor, crew.signals[i].slot(), work(&crew), [&crew, waiter] {
      if (--crew.running == 0) waiter->wake(true);
    });
  }
  Waiter* const sleeper = waiter.get();
  waiter.reset();
  (void)co_await sleeper->sleep([&crew] { crew.stop(Error(Errc::canceled, "canceled")); });
  if (crew.first_error) co_return std::unexpected(std::move(*crew.first_error));
  co_return ok();
}

}  // namespace shoal::base
