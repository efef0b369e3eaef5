// SPDX-License-Identifier: MIT
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>

#include "base/asio_alias.h"
#include "base/task.h"

namespace shoal::base {
namespace {

class SystemTimer final : public Timer {
 public:
  const Clock& clock() const override { return clock_; }

  Task<Result<void>> wait_until(SteadyTime moment) override {
    const Executor executor = co_await asio::this_coro::executor;
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, Executor>
        timer(executor, moment);
    const auto waited = co_await timer.async_wait(use_task);
    if (std::get<0>(waited)) co_return fail(Errc::canceled, "canceled");
    co_return ok();
  }

 private:
  SystemClock clock_;
};

}  // namespace

std::unique_ptr<Timer> make_system_timer() { return std::make_unique<SystemTimer>(); }

}  // namespace shoal::base
