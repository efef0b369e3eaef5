// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "base/mutex.h"
#include "base/task.h"

struct fuse_req;

namespace shoal::fs {

/// A request that somebody will answer: whoever takes it out of the slot does.
struct ReplySlot {
  std::atomic<fuse_req*> request{nullptr};
  std::uint64_t number = 0;
  int caller = 0;  ///< the thread that waits, 0 when it is none of ours to see
  /// Set by an interrupt at once, if there is one. Thread of its use: the loop.
  std::shared_ptr<base::Signal> interrupted;
};

/// The requests that wait in a task, by number, so that FUSE_INTERRUPT finds them. Thread: any.
class Interrupts {
 public:
  std::shared_ptr<ReplySlot> add(fuse_req* request, int caller,
                                 std::shared_ptr<base::Signal> interrupted);
  void remove(std::uint64_t number);
  /// nullptr when it was answered meanwhile.
  std::shared_ptr<ReplySlot> find(std::uint64_t number) const;
  std::size_t size() const;

 private:
  mutable base::Mutex mutex_;
  std::uint64_t last_ GUARDED_BY(mutex_) = 0;
  std::unordered_map<std::uint64_t, std::shared_ptr<ReplySlot>> slots_ GUARDED_BY(mutex_);
};

/// Whether a thread has been sent a signal that it will not outlive. Blocks on /proc. Thread: pool.
bool is_being_killed(int thread);

}  // namespace shoal::fs
