// SPDX-License-Identifier: MIT
#include "base/waiter.h"

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include "base/check.h"

namespace shoal::base {

template <class Handler>
void Waiter::fall_asleep(Handler handler) {
  CHECK(!is_asleep(), "two coroutines in one Waiter");
  auto slot = asio::get_associated_cancellation_slot(handler);
  if (on_cancel_ && slot.is_connected()) {
    // weak: the slot belongs to the sleeper's own chain of owners.
    slot.assign([weak = weak_from_this()](asio::cancellation_type) {
      const std::shared_ptr<Waiter> self = weak.lock();
      if (!self || !self->is_asleep() || !self->on_cancel_) return;
      auto on_cancel = std::exchange(self->on_cancel_, nullptr);
      on_cancel();
    });
  }
  handler_ = [handler = std::move(handler)](bool value) mutable {
    auto executor = asio::get_associated_executor(handler);
    asio::post(executor,
               [handler = std::move(handler), value]() mutable { std::move(handler)(value); });
  };
}

Task<bool> Waiter::sleep(std::move_only_function<void()> on_cancel) {
  on_cancel_ = std::move(on_cancel);
  asio::use_awaitable_t<Executor> token;
  const bool value = co_await asio::async_initiate<asio::use_awaitable_t<Executor>, void(bool)>(
      [this](auto handler) { fall_asleep(std::move(handler)); }, token);
  co_return value;  // *this may be gone
}

void Waiter::wake(bool value) {
  on_cancel_ = nullptr;
  if (!handler_) return;
  auto handler = std::exchange(handler_, nullptr);
  handler(value);
}

WaitQueue::~WaitQueue() {
  on_withdrawn = nullptr;
  for (Place& place : places_) place.waiter->wake(false);
}

Task<Result<void>> WaitQueue::wait(std::uint64_t weight) {
  const bool is_canceled = co_await cancel_requested();
  if (is_canceled) co_return fail(Errc::canceled, "canceled");
  const auto place = places_.insert(places_.end(), {std::make_shared<Waiter>(), weight});
  Waiter* const waiter = place->waiter.get();
  const bool served = co_await waiter->sleep([this, place] { withdraw(place); });
  if (!served) co_return fail(Errc::canceled, "canceled");
  co_return Result<void>{};
}

Task<void> WaitQueue::wait_through() {
  const auto place = places_.insert(places_.end(), {std::make_shared<Waiter>(), 0});
  Waiter* const waiter = place->waiter.get();
  (void)co_await waiter->sleep();
}

void WaitQueue::wake_front() {
  CHECK(!places_.empty());
  const std::shared_ptr<Waiter> waiter = std::move(places_.front().waiter);
  places_.pop_front();
  waiter->wake(true);
}

void WaitQueue::wake_all() {
  // Waking only posts, so nobody joins meanwhile.
  while (!places_.empty()) wake_front();
}

void WaitQueue::withdraw(std::list<Place>::iterator place) {
  const std::shared_ptr<Waiter> waiter = std::move(place->waiter);
  places_.erase(place);
  waiter->wake(false);
  if (on_withdrawn) on_withdrawn();
}

}  // namespace shoal::base
