// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/task.h"
#include "fs/file_system.h"
#include "fs/inode_table.h"
#include "fs/notifier.h"
#include "fs/open_file.h"
#include "fs/reply_gate.h"
#include "fs/stale_retries.h"
#include "fs/volume.h"

namespace shoal::fs {

class Interrupts;

/// What a mount works with besides the tracker; all outlive it. See Environment.
struct Parts {
  Loop& loop;
  Timer& timer;
  Pool& pool;
  cache::BlobStore& store;
  cache::BlobSource& source;
};

/// What all parts of one mount share. Owner: the FileSystem. Requests and tasks keep plain pointers
/// to it: the workers have been joined and the tasks have ended before it goes.
struct Core {
  Core(Parts parts, MountOptions mount_options, TrackerPort& port);
  ~Core();

  Parts env;
  const MountOptions options;
  TrackerPort& tracker;
  Volume volume;
  InodeTable table;
  ReplyGate gate;
  Notifier notifier;
  TaskGroup group;
  std::unique_ptr<Interrupts> interrupts;
  StaleRetries stale_retries;
  std::atomic<std::uint64_t> prefetches{0};        ///< readahead tasks under way
  std::atomic<Duration::rep> store_full_until{0};  ///< steady; see read_aside.h
  unsigned kernel_minor = 0;                       ///< of the FUSE protocol; set before on_init
  std::function<void()> on_init;  ///< called by a worker when the kernel has said hello

  const Clock& clock() const { return env.timer.clock(); }
  std::int64_t wall_nanoseconds() const;
  /// For requests about names and attributes, and for changes.
  Deadline metadata_deadline() const;
  /// For bytes: the mount's read budget.
  Deadline read_deadline() const;

  /// Starts a task on the loop; dropped when the mount is ending. Thread: any.
  void launch(Task<void> task);

  /// The next inode number of this peer's range. Thread: the loop.
  Task<Result<InodeId>> allocate_inode(Deadline deadline);

  /// The file object of an inode, made when there is none. Thread: any.
  std::shared_ptr<OpenFile> file_for(InodeId inode);
  /// The same with a handle counted; see InodeTable::open_file.
  std::shared_ptr<OpenFile> open_file(InodeId inode, bool for_writing);

  /// True while writing the file is our right: delegated in this session, within the lease.
  bool may_write(const FileState& state) const;
  /// Puts what is known only here over a record: size and times of unpublished bytes.
  void apply_local(wire::InodeRecord& record) const;

 private:
  InodeId next_inode_;
  std::uint64_t inodes_left_ = 0;
  base::AsyncMutex allocating_;
};

}  // namespace shoal::fs
