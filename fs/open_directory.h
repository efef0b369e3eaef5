// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "base/mutex.h"
#include "fs/core.h"

namespace shoal::fs {

/// One opendir(3): the names as they stood when it was read from the start, so that positions mean
/// the same until rewinddir(3), whatever happens to the directory. Thread: any.
class OpenDirectory {
 public:
  OpenDirectory(InodeId inode, InodeId parent) : inode_(inode), parent_(parent) {}

  InodeId inode() const { return inode_; }
  InodeId parent() const { return parent_ ? parent_ : inode_; }

  std::shared_ptr<const Listing> snapshot() const {
    const base::MutexLock lock(mutex_);
    return snapshot_;
  }
  void set_snapshot(std::shared_ptr<const Listing> snapshot) {
    const base::MutexLock lock(mutex_);
    snapshot_ = std::move(snapshot);
  }

 private:
  const InodeId inode_;
  const InodeId parent_;
  mutable base::Mutex mutex_;
  std::shared_ptr<const Listing> snapshot_ GUARDED_BY(mutex_);
};

}  // namespace shoal::fs
