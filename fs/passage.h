// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/mutex.h"
#include "base/task.h"
#include "cache/blob.h"

namespace shoal::fs {

class Passthrough;

/// One inode whose blob's file the kernel writes, from its first open to its last close. Programs
/// get through while its gate is open, which is so only while writing the file is our right and the
/// blob is working; otherwise they wait at the gate and are let in one by one. Owner: its OpenFile.
/// Thread: any, unless noted.
class Passage {
 public:
  Passage(Passthrough& owner, InodeId inode, std::shared_ptr<cache::Blob> blob,
          std::shared_ptr<const base::Fd> file, std::int32_t backing)
      : owner_(owner),
        inode_(inode),
        blob_(std::move(blob)),
        file_(std::move(file)),
        backing_(backing) {}

  InodeId inode() const { return inode_; }
  const std::shared_ptr<cache::Blob>& blob() const { return blob_; }
  const base::Fd& file() const { return *file_; }
  std::int32_t backing() const { return backing_; }

  /// Whoever comes from now on waits. Does not wait for those inside.
  void close_gate();
  /// Shape: what the gate waits for holds, and no exclusion is under way.
  void open_gate();
  /// Somebody is about to be let in although the gate is closed.
  void let_in() { is_empty_ = false; }
  /// Returns when nobody is inside who came before the gate was closed. Thread: loop.
  Task<void> drained();

  /// Nobody gets in any more: EIO.
  void refuse() { is_refused_ = true; }
  bool is_refused() const { return is_refused_.load(); }

  void knocks(int change) { knocking_.fetch_add(change); }

 private:
  bool is_awaited() const { return knocking_.load() > 0; }

  Passthrough& owner_;
  const InodeId inode_;
  const std::shared_ptr<cache::Blob> blob_;
  const std::shared_ptr<const base::Fd> file_;
  const std::int32_t backing_;
  base::Mutex gate_mutex_;  // the flag and the kernel's gate go together
  bool is_open_ GUARDED_BY(gate_mutex_) = false;
  std::atomic<bool> is_empty_{false};
  std::atomic<bool> is_refused_{false};
  std::atomic<int> knocking_{0};
};

}  // namespace shoal::fs
