// SPDX-License-Identifier: MIT
#include "fs/turn.h"

#include <asio/post.hpp>

#include "base/mutex.h"
#include "base/waiter.h"

namespace shoal::fs {

struct Turn::Guard::State {
  explicit State(Executor the_executor) : executor(std::move(the_executor)) {}

  bool take() {
    const base::MutexLock lock(mutex);
    if (is_taken) return false;
    is_taken = true;
    return true;
  }
  /// Counts a waiter unless the turn is free, which is taken then.
  bool take_or_wait() {
    const base::MutexLock lock(mutex);
    if (!is_taken) return is_taken = true;
    ++waiting;
    return false;
  }
  void waited() {
    const base::MutexLock lock(mutex);
    --waiting;
  }
  /// False when somebody waits.
  bool give_up() {
    const base::MutexLock lock(mutex);
    if (waiting > 0) return false;
    is_taken = false;
    return true;
  }
  /// To the next one, or to nobody: who waited may have been canceled. Thread: the loop.
  void hand_on() {
    if (!queue.is_empty()) {
      queue.wake_front();
      return;
    }
    const base::MutexLock lock(mutex);
    is_taken = false;
  }

  const Executor executor;
  base::Mutex mutex;
  bool is_taken GUARDED_BY(mutex) = false;
  std::size_t waiting GUARDED_BY(mutex) = 0;  ///< in the queue, or about to be, or just out of it
  base::WaitQueue queue;                      ///< the loop's
};

Turn::Turn(Executor executor) : state_(std::make_shared<Guard::State>(std::move(executor))) {}

Turn::~Turn() = default;

void Turn::Guard::end(std::shared_ptr<State> state) {
  if (state->give_up()) return;
  const Executor executor = state->executor;
  asio::post(executor, [state = std::move(state)] { state->hand_on(); });
}

Task<Result<Turn::Guard>> Turn::lock() {
  const bool is_canceled = co_await base::cancel_requested();
  if (is_canceled) co_return fail(Errc::canceled, "canceled");
  if (state_->take_or_wait()) co_return Guard(state_);
  // The queue owns who sleeps in it, so the sleeper must not own the queue.
  const std::weak_ptr<Guard::State> left = state_;
  Result<void> turn = co_await state_->queue.wait();
  const std::shared_ptr<Guard::State> state = left.lock();
  if (!state) co_return fail(Errc::canceled, "canceled");
  state->waited();
  if (!turn) co_return pass(turn);
  co_return Guard(state);  // handed over still taken
}

std::optional<Turn::Guard> Turn::try_lock() {
  if (!state_->take()) return std::nullopt;
  return Guard(state_);
}

}  // namespace shoal::fs
