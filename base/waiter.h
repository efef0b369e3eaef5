// SPDX-License-Identifier: MIT
// What all waits in shoal are made of: a coroutine that sleeps until it is woken, and a queue of
// such. For authors of primitives; everybody else uses Signal, AsyncMutex, Semaphore, Timer.
// Thread: the loop, unless noted.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>

#include "base/task.h"

namespace shoal::base {

/// One sleeping coroutine. Owned by whoever may wake it, never by the sleeper's own frame (that
/// would be a cycle). Destroying it while somebody sleeps destroys the sleeper's frames.
class Waiter : public std::enable_shared_from_this<Waiter> {
 public:
  /// Suspends the calling coroutine until wake(), whose argument it returns. While it sleeps, a
  /// cancellation runs on_cancel, which may wake it or not; without on_cancel it sleeps on.
  /// A cancellation from before the call is not noticed: see cancel_requested().
  Task<bool> sleep(std::move_only_function<void()> on_cancel = nullptr);

  /// Lets the sleeper go on, from the loop's queue; nothing when nobody sleeps.
  void wake(bool value);
  bool is_asleep() const { return static_cast<bool>(handler_); }

 private:
  template <class Handler>
  void fall_asleep(Handler handler);

  std::move_only_function<void(bool)> handler_;
  std::move_only_function<void()> on_cancel_;
};

/// First come, first served. A canceled waiter leaves the queue at once; one that was woken before
/// the cancellation reached it has been served, and its wait succeeds.
class WaitQueue {
 public:
  WaitQueue() = default;
  /// Waiters still here end with canceled.
  ~WaitQueue();
  WaitQueue(const WaitQueue&) = delete;
  WaitQueue& operator=(const WaitQueue&) = delete;

  /// Waits to be woken. weight is for the owner, see front_weight().
  /// Errors: canceled. The queue may be gone when this returns.
  Task<Result<void>> wait(std::uint64_t weight = 0);
  /// The same, deaf to cancellation: for waits that must see the end.
  Task<void> wait_through();

  bool is_empty() const { return places_.empty(); }
  std::uint64_t front_weight() const { return places_.front().weight; }
  void wake_front();
  /// Wakes those that wait now.
  void wake_all();

  /// Called after a canceled waiter left, so that the owner can serve those behind it.
  std::move_only_function<void()> on_withdrawn;

 private:
  struct Place {
    std::shared_ptr<Waiter> waiter;
    std::uint64_t weight;
  };
  void withdraw(std::list<Place>::iterator place);
  std::list<Place> places_;
};

}  // namespace shoal::base
