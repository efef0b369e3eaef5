// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <unordered_map>

#include "base/clock.h"
#include "base/mutex.h"

namespace shoal::fs {

/// Who was told ESTALE a short while ago. The kernel looks such a caller's path up once more, and
/// gives ESTALE to the program when that is in vain too; so what a retry finds is held in the inode
/// table until it can be used. Thread: any.
class StaleRetries {
 public:
  /// The kernel retries at once; longer only on a machine that is very busy.
  static constexpr Duration kTerm = std::chrono::seconds(5);

  /// caller: the thread's number as the request says it.
  void told(int caller, SteadyTime now);
  /// The caller got what it wanted.
  void ended(int caller);
  bool is_retrying(int caller, SteadyTime now) const;

 private:
  std::atomic<std::size_t> count_{0};  ///< so that nobody else takes the mutex
  mutable base::Mutex mutex_;
  std::unordered_map<int, SteadyTime> until_ GUARDED_BY(mutex_);
};

}  // namespace shoal::fs
