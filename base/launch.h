// SPDX-License-Identifier: MIT
// The only place where coroutines are handed to Asio. Internal to base.
#pragma once

#include <asio/cancellation_signal.hpp>
#include <functional>

#include "base/task.h"

namespace shoal::base::detail {

/// Runs task on executor: at once when called on the loop, else from its queue. A cancellation
/// emitted into slot is the task's. on_end is called on the loop once the task's frames are gone,
/// never within launch(). The slot's signal must live until then. An exception that leaves task is
/// logged, then abort.
void launch(const Executor& executor, asio::cancellation_slot slot, Task<void> task,
            std::move_only_function<void()> on_end);

}  // namespace shoal::base::detail
