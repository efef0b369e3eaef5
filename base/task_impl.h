// SPDX-License-Identifier: MIT
// The templates of task.h. Nobody includes this directly.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

namespace shoal::base::detail {

enum class DeadlineOutcome { ended, timed_out, canceled };

/// Runs body until it ends, canceling it when the deadline passes or cancellation comes from
/// outside. The body has ended, or was never started, when this returns.
Task<DeadlineOutcome> run_with_deadline(Timer& timer, Deadline deadline, Task<void> body);

Error deadline_error(DeadlineOutcome outcome);

template <class T>
Task<void> keep_result(Task<Result<T>> task, std::optional<Result<T>>* place) {
  Result<T> result = co_await std::move(task);
  place->emplace(std::move(result));
}

}  // namespace shoal::base::detail

namespace shoal::base {

template <class T>
Task<Result<T>> with_deadline(Timer& timer, Deadline deadline, Task<Result<T>> task) {
  std::optional<Result<T>> result;
  const detail::DeadlineOutcome outcome = co_await detail::run_with_deadline(
      timer, deadline, detail::keep_result<T>(std::move(task), &result));
  if (!result) co_return std::unexpected(detail::deadline_error(outcome));
  const bool gave_up = !result->has_value() && result->error().code() == Errc::canceled;
  if (gave_up && outcome == detail::DeadlineOutcome::timed_out) {
    co_return std::unexpected(detail::deadline_error(outcome));
  }
  co_return std::move(*result);
}

template <class F, class R>
Task<R> Pool::run(F function) {
  // Function and result stay in this frame, which lives until the work is done: the pool thread
  // only borrows them, and both are destroyed on the loop.
  if constexpr (std::is_void_v<R>) {
    co_await run_borrowed([&function] { function(); });
  } else {
    std::optional<R> result;
    co_await run_borrowed([&function, &result] { result.emplace(function()); });
    co_return std::move(*result);
  }
}

}  // namespace shoal::base
