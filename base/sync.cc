// SPDX-License-Identifier: MIT
// Signal, AsyncMutex and Semaphore.
#include "base/check.h"
#include "base/task.h"
#include "base/waiter.h"

namespace shoal::base {

struct Signal::State {
  bool is_set = false;
  WaitQueue waiters;
};

Signal::Signal(Executor) : state_(std::make_unique<State>()) {}

Signal::~Signal() = default;

bool Signal::is_set() const { return state_->is_set; }

void Signal::set() {
  state_->is_set = true;
  state_->waiters.wake_all();
}

void Signal::reset() { state_->is_set = false; }

void Signal::pulse() { state_->waiters.wake_all(); }

Task<Result<void>> Signal::wait() {
  if (state_->is_set) {
    const bool is_canceled = co_await cancel_requested();
    if (is_canceled) co_return fail(Errc::canceled, "canceled");
    co_return ok();
  }
  Result<void> woken = co_await state_->waiters.wait();
  co_return woken;
}

struct AsyncMutex::State {
  bool is_locked = false;
  WaitQueue waiters;
};

AsyncMutex::AsyncMutex(Executor) : state_(std::make_unique<State>()) {}

AsyncMutex::~AsyncMutex() = default;

Task<Result<AsyncMutex::Guard>> AsyncMutex::lock() {
  const bool is_canceled = co_await cancel_requested();
  if (is_canceled) co_return fail(Errc::canceled, "canceled");
  if (!state_->is_locked) {
    state_->is_locked = true;
    co_return Guard(this);
  }
  Result<void> turn = co_await state_->waiters.wait();
  if (!turn) co_return pass(turn);
  co_return Guard(this);  // handed over still locked
}

bool AsyncMutex::is_locked() const { return state_->is_locked; }

void AsyncMutex::unlock() {
  CHECK(state_->is_locked);
  if (state_->waiters.is_empty()) {
    state_->is_locked = false;
  } else {
    state_->waiters.wake_front();
  }
}

struct Semaphore::State {
  explicit State(std::uint64_t permits) : available(permits), total(permits) {
    waiters.on_withdrawn = [this] { serve(); };
  }

  /// In order of arrival: a large request is not overtaken by small ones behind it.
  void serve() {
    while (!waiters.is_empty() && waiters.front_weight() <= available) {
      available -= waiters.front_weight();
      waiters.wake_front();
    }
  }

  std::uint64_t available;
  std::uint64_t total;
  WaitQueue waiters;
};

Semaphore::Semaphore(Executor, std::uint64_t permits) : state_(std::make_unique<State>(permits)) {}

Semaphore::~Semaphore() = default;

Task<Result<void>> Semaphore::acquire(std::uint64_t n) {
  CHECK(n <= state_->total, "{} of {} permits wanted", n, state_->total);
  const bool is_canceled = co_await cancel_requested();
  if (is_canceled) co_return fail(Errc::canceled, "canceled");
  if (state_->waiters.is_empty() && n <= state_->available) {
    state_->available -= n;
    co_return ok();
  }
  Result<void> served = co_await state_->waiters.wait(n);
  co_return served;
}

void Semaphore::release(std::uint64_t n) {
  CHECK(n <= state_->total - state_->available, "more permits released than acquired");
  state_->available += n;
  state_->serve();
}

std::uint64_t Semaphore::available() const { return state_->available; }

}  // namespace shoal::base
