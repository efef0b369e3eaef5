// SPDX-License-Identifier: MIT
#include "base/task.h"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <cstdlib>
#include <exception>
#include <list>

#include "base/check.h"
#include "base/launch.h"
#include "base/log.h"
#include "base/waiter.h"

namespace shoal::base {
namespace {

[[noreturn]] void abort_for_exception(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    log_error("an exception left a task: {}", error.what());
  } catch (...) {
    log_error("an exception of unknown type left a task");
  }
  std::abort();
}

Task<void> run_without_throwing(Task<void> task) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await std::move(task);
}

}  // namespace

namespace detail {

void launch(const Executor& executor, asio::cancellation_slot slot, Task<void> task,
            std::move_only_function<void()> on_end) {
  auto end = [on_end = std::move(on_end)](const std::exception_ptr& exception) mutable {
    if (exception) abort_for_exception(exception);
    on_end();
  };
  asio::co_spawn(executor, run_without_throwing(std::move(task)),
                 asio::bind_cancellation_slot(slot, std::move(end)));
}

}  // namespace detail

Task<bool> cancel_requested() {
  const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
  co_return state.cancelled() != asio::cancellation_type::none;
}

/// Kept by the group and by each of its tasks, so that the last one may end after the group's
/// owner has let go of stop().
struct TaskGroup::State {
  struct Entry {
    asio::cancellation_signal signal;
  };

  explicit State(Executor executor_) : executor(std::move(executor_)) {}

  void cancel() {
    is_stopping = true;
    for (Entry& entry : entries) entry.signal.emit(asio::cancellation_type::terminal);
  }

  void ended(std::list<Entry>::iterator entry) {
    entries.erase(entry);
    if (entries.empty()) stopped.wake_all();
  }

  Executor executor;
  std::list<Entry> entries;  // tasks that have not ended
  bool is_stopping = false;
  WaitQueue stopped;
};

TaskGroup::TaskGroup(Executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

TaskGroup::~TaskGroup() {
  CHECK(state_->entries.empty(), "{} tasks outlive their group: stop() was not awaited", size());
}

Executor TaskGroup::executor() const { return state_->executor; }

std::size_t TaskGroup::size() const { return state_->entries.size(); }

bool TaskGroup::is_stopping() const { return state_->is_stopping; }

void TaskGroup::cancel() { state_->cancel(); }

Task<void> TaskGroup::stop() {
  const std::shared_ptr<State> state = state_;
  state->cancel();
  while (!state->entries.empty()) co_await state->stopped.wait_through();
}

void spawn(TaskGroup& group, Task<void> task) {
  const std::shared_ptr<TaskGroup::State> state = group.state_;
  if (state->is_stopping) return;
  const auto entry = state->entries.emplace(state->entries.end());
  asio::post(state->executor, [state, entry, task = std::move(task)]() mutable {
    if (state->is_stopping) {
      {
        const Task<void> dropped = std::move(task);
      }  // its arguments go before its end is known
      state->ended(entry);
      return;
    }
    detail::launch(state->executor, entry->signal.slot(), std::move(task),
                   [state, entry] { state->ended(entry); });
  });
}

void run_until_done(Loop& loop, Task<void> task) {
  asio::cancellation_signal never;
  bool is_done = false;
  detail::launch(loop.get_executor(), never.slot(), std::move(task), [&] { is_done = true; });
  loop.restart();
  while (!is_done) {
    const std::size_t ran = loop.run_one();
    CHECK(ran > 0 || is_done, "the loop was stopped before its main task ended");
  }
}

}  // namespace shoal::base
