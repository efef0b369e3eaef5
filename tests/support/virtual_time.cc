// SPDX-License-Identifier: MIT
#include "tests/support/virtual_time.h"

#include <algorithm>

#include "base/check.h"

namespace shoal::test {

VirtualTime::VirtualTime()
    : now_(std::chrono::hours(1)), wall_(std::chrono::sys_days(std::chrono::January / 1 / 2026)) {}

Task<Result<void>> VirtualTime::wait_until(SteadyTime moment) {
  const bool is_canceled = co_await base::cancel_requested();
  if (is_canceled) co_return fail(Errc::canceled, "canceled");
  const Place place(moment, next_number_++);
  const auto inserted = waits_.emplace(place, std::make_shared<base::Waiter>()).first;
  base::Waiter* const waiter = inserted->second.get();
  const bool came = co_await waiter->sleep([this, place] {
    const auto node = waits_.extract(place);
    node.mapped()->wake(false);
  });
  if (!came) co_return fail(Errc::canceled, "canceled");
  co_return ok();
}

void VirtualTime::advance(Duration duration) {
  CHECK(duration >= Duration::zero());
  now_ += duration;
  wall_ += duration;
  wake_due();
}

bool VirtualTime::advance_to_next() {
  const std::optional<SteadyTime> moment = next();
  if (!moment || *moment == SteadyTime::max()) return false;
  advance(std::max(Duration::zero(), *moment - now_));
  return true;
}

std::optional<SteadyTime> VirtualTime::next() const {
  if (waits_.empty()) return std::nullopt;
  return waits_.begin()->first.first;
}

void VirtualTime::wake_due() {
  while (!waits_.empty() && waits_.begin()->first.first <= now_) {
    const auto node = waits_.extract(waits_.begin());
    node.mapped()->wake(true);
  }
}

bool run_virtual(Loop& loop, VirtualTime& time, const std::function<bool()>& is_done,
                 Duration limit) {
  const SteadyTime end = time.steady() + limit;
  while (!is_done()) {
    loop.restart();
    if (loop.poll_one() > 0) continue;
    const std::optional<SteadyTime> next = time.next();
    if (!next || *next > end || !time.advance_to_next()) return false;
  }
  return true;
}

namespace {

Task<void> then_set(Task<void> task, bool* is_done) {
  co_await std::move(task);
  *is_done = true;
}

}  // namespace

void run_virtual_until_done(Loop& loop, VirtualTime& time, Task<void> task) {
  base::TaskGroup group(loop.get_executor());
  bool is_done = false;
  base::spawn(group, then_set(std::move(task), &is_done));
  const bool ended = run_virtual(loop, time, [&] { return is_done && group.size() == 0; });
  CHECK(ended, "the task waits for something that nothing can bring about");
}

void run_ready(Loop& loop) {
  loop.restart();
  while (loop.poll_one() > 0) {
  }
}

}  // namespace shoal::test
