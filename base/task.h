// SPDX-License-Identifier: MIT
// Coroutines and their lifetime. A Task is lazy and runs on the loop it was spawned on. Background
// work is started only by spawn(), into a TaskGroup that is a member of the object whose state the
// work touches; so ownership is a tree and stopping is a walk over it.
//
// Cancellation, what an author of coroutines has to know:
// - It reaches a task through TaskGroup::cancel() and stop(), a passed with_deadline(), or a
//   failed neighbour in all_within(); never from another thread. It never throws: tasks started
//   here run with Asio's throw_if_cancelled off.
// - It is sticky. The wait under way ends with Errc::canceled, and so does every later wait of
//   that task. So: when a wait returns an error, return; there is nothing to reset.
// - Every wait of this header notices it: Timer, Signal, AsyncMutex, Semaphore, with_deadline,
//   all_within. Asio operations do when awaited with base::use_task (asio_alias.h). A bare
//   use_awaitable does not notice a cancellation that came before it began, and throws: never use
//   it. A loop without waits asks cancel_requested().
// - A wait that was served before the cancellation reached it returns success: what it acquired
//   is yours to give back. Guards do; Semaphore permits are released by hand.
// - Two waits see the end whatever happens: TaskGroup::stop() and Pool::run(). They are fit for
//   cleaning up in a canceled task; a wait on a remote party is not.
// - A task dropped before its start never runs any of its body; its arguments are destroyed.
// - A Result<void> coroutine ends with `co_return ok();`, since `co_return {}` does not compile.
//
// At the end of the process: stop the groups, let run_until_done() return, then destroy pools,
// then the loop. Frames still alive when the loop is destroyed are destroyed in no certain order.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace shoal::base {

template <class T>
using Task = asio::awaitable<T, asio::any_io_executor>;

using Loop = asio::io_context;
using Executor = asio::any_io_executor;

/// True once the calling task was asked to end.
Task<bool> cancel_requested();

/// Waits on a clock. The system implementation uses Asio's steady timer; tests turn a virtual one.
/// Thread: the loop.
class Timer {
 public:
  virtual ~Timer() = default;
  virtual const Clock& clock() const = 0;
  /// Returns when the moment has come. Errors: canceled.
  virtual Task<Result<void>> wait_until(SteadyTime moment) = 0;

  /// The same for a span from now.
  Task<Result<void>> wait_for(Duration duration) { return wait_until(clock().steady() + duration); }
};

/// The machine's timers, on any loop.
std::unique_ptr<Timer> make_system_timer();

/// Tasks that belong to one owner. Every task must have ended before the group is destroyed: the
/// owner awaits stop() first. Thread: the loop.
class TaskGroup {
 public:
  explicit TaskGroup(Executor executor);
  ~TaskGroup();  // CHECKs that nothing runs any more
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  Executor executor() const;
  /// Number of tasks that have not ended.
  std::size_t size() const;
  /// True once stop() or cancel() was called; spawn() then drops the task unstarted.
  bool is_stopping() const;
  /// Asks all tasks to end, without waiting.
  void cancel();
  /// Cancels all tasks and returns when they have ended, even when the caller itself is canceled.
  /// May be called more than once, but not by a task of the group: it would wait for itself.
  Task<void> stop();

 private:
  friend void spawn(TaskGroup& group, Task<void> task);
  struct State;
  std::shared_ptr<State> state_;
};

/// Starts task in group, from the loop's queue: nothing of it has run when this returns.
/// An exception that leaves it is a bug: logged, then abort. Thread: the loop.
void spawn(TaskGroup& group, Task<void> task);

/// Runs the loop until task has ended; for main() and tests.
void run_until_done(Loop& loop, Task<void> task);

/// The result of task, or timed_out when the deadline passes first: the task is then canceled and
/// has ended when this returns; should it end with a value or an error of its own all the same,
/// that is the result. When the deadline has passed already, the task is dropped unstarted.
/// Cancellation from outside passes through as canceled.
template <class T>
Task<Result<T>> with_deadline(Timer& timer, Deadline deadline, Task<Result<T>> task);

/// A flag that tasks wait for. Thread: the loop.
class Signal {
 public:
  explicit Signal(Executor executor);
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  bool is_set() const;
  /// Wakes all waiters, now and later ones, until reset.
  void set();
  void reset();
  /// Wakes the present waiters only.
  void pulse();
  /// Errors: canceled.
  Task<Result<void>> wait();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Lets one task at a time into a section that contains awaits (a mutex would be held across
/// them). First come, first served. Thread: the loop.
class AsyncMutex {
 public:
  class [[nodiscard]] Guard {
   public:
    Guard() = default;
    explicit Guard(AsyncMutex* mutex) : mutex_(mutex) {}
    Guard(Guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    Guard& operator=(Guard&& other) noexcept {
      std::swap(mutex_, other.mutex_);
      return *this;
    }
    ~Guard() {
      if (mutex_ != nullptr) mutex_->unlock();
    }

   private:
    AsyncMutex* mutex_ = nullptr;
  };

  explicit AsyncMutex(Executor executor);
  ~AsyncMutex();  // waiters end with canceled; guards must be gone
  AsyncMutex(const AsyncMutex&) = delete;
  AsyncMutex& operator=(const AsyncMutex&) = delete;
  /// Errors: canceled.
  Task<Result<Guard>> lock();
  bool is_locked() const;

 private:
  void unlock();
  struct State;
  std::unique_ptr<State> state_;
};

/// Limits how many tasks (or bytes) are under way. Thread: the loop.
class Semaphore {
 public:
  Semaphore(Executor executor, std::uint64_t permits);
  ~Semaphore();  // waiters end with canceled
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;
  /// Waits for n permits, first come, first served. Errors: canceled. Shape: n <= the total.
  Task<Result<void>> acquire(std::uint64_t n = 1);
  void release(std::uint64_t n = 1);
  std::uint64_t available() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Runs all tasks, at most `limit` at a time, and returns the first error once all have ended
/// (the others are canceled as soon as one fails). Shape: limit >= 1. Errors: also canceled.
Task<Result<void>> all_within(std::size_t limit, std::vector<Task<Result<void>>> tasks);

/// Where blocking work goes: file I/O, SQLite reads, hashing of more than 64 KiB.
/// run() is awaited on the loop; the function runs on a pool thread and touches only what was
/// moved into it. The function is never abandoned half-way: cancellation waits for it to end.
class Pool {
 public:
  virtual ~Pool() = default;

  /// Shape: function() returns R, not a reference; R is void or movable. An exception that leaves
  /// function is a bug: logged, then abort.
  template <class F, class R = std::invoke_result_t<F&>>
  Task<R> run(F function);

 protected:
  /// Calls work somewhere, exactly once; `done` is posted by run() itself. Thread: any.
  virtual void post(std::move_only_function<void()> work) = 0;

 private:
  Task<void> run_borrowed(std::move_only_function<void()> work);
};

/// Threads named "shoal-disk-N". Destruction waits for queued work.
std::unique_ptr<Pool> make_thread_pool(unsigned threads);
/// Runs work in place: for simulation and unit tests.
std::unique_ptr<Pool> make_inline_pool();

}  // namespace shoal::base

namespace shoal {
using base::Executor;
using base::Loop;
using base::Pool;
using base::spawn;
using base::Task;
using base::TaskGroup;
using base::Timer;
}  // namespace shoal

#include "base/task_impl.h"
