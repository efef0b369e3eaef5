// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/task.h"
#include "fs/file_system.h"
#include "fs/inode_table.h"
#include "fs/lock_table.h"
#include "fs/notifier.h"
#include "fs/open_file.h"
#include "fs/outbox.h"
#include "fs/passthrough.h"
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
  std::function<void(wire::Located)> on_located = {};  ///< see Environment
};

/// A content that the tracker took as an inode's, while the blob may say that nobody knows of it.
struct PublishedBlob {
  InodeId inode;
  ContentId content;
};

/// Files with a Publish in the outbox. Thread: any.
class UnsentPublishes {
 public:
  /// The tracker's word on a Publish, once it is there. Thread: the loop.
  using Told = std::shared_ptr<std::optional<Result<void>>>;

  /// version: that the tracker has until the Publish arrives.
  void add(InodeId inode, std::uint64_t version, Told told);
  /// One of them was answered, or was not put into the outbox after all.
  void remove(InodeId inode, bool was_applied);
  bool contains(InodeId inode) const;
  /// Of the file's last Publish; nullptr when none is unsent.
  Told last_told(InodeId inode) const;
  std::vector<wire::Reclaim> all() const;

 private:
  struct Unsent {
    std::uint64_t version = 0;  ///< that the tracker has until the first of them arrives
    std::size_t count = 0;
    Told told;  ///< of the last
  };
  mutable base::Mutex mutex_;
  std::unordered_map<InodeId, Unsent> by_inode_ GUARDED_BY(mutex_);
};

/// What all parts of one mount share. Owner: the FileSystem. Requests and tasks keep plain pointers
/// to it: the workers have been joined and the tasks have ended before it goes.
struct Core {
  Core(Parts parts, MountOptions mount_options, TrackerPort& port,
       std::unique_ptr<Journal> journal = nullptr);
  ~Core();

  Parts env;
  const MountOptions options;
  TrackerPort& tracker;
  TaskGroup group;
  Outbox outbox;
  Volume volume;
  InodeTable table;
  LockTable locks;
  ReplyGate gate;
  Notifier notifier;
  std::unique_ptr<Interrupts> interrupts;
  StaleRetries stale_retries;
  base::Signal removal_ended;  ///< pulsed when a removal is through whose inode somebody holds
  std::unique_ptr<Passthrough> passthrough;  ///< set before the first request; never with a socket
  std::atomic<std::uint64_t> prefetches{0};  ///< readahead tasks under way
  std::atomic<Duration::rep> store_full_until{0};  ///< steady; see read_aside.h
  std::vector<PublishedBlob> published;            ///< to be noted in the store; the loop's
  bool is_noting_published = false;
  UnsentPublishes unsent_publishes;
  unsigned kernel_minor = 0;      ///< of the FUSE protocol; set before on_init
  std::function<void()> on_init;  ///< called by a worker when the kernel has said hello

  const Clock& clock() const { return env.timer.clock(); }
  std::int64_t wall_nanoseconds() const;
  /// For requests about names and attributes, and for changes.
  Deadline metadata_deadline() const;
  /// For bytes: the mount's read budget.
  Deadline read_deadline() const;

  /// Starts a task on the loop; dropped when the mount is ending. Thread: any.
  void launch(Task<void> task);

  /// The next inode number of this peer's ranges. Thread: the loop.
  Task<Result<InodeId>> allocate_inode(Deadline deadline);
  /// The same without waiting; nullopt when none is at hand. Thread: any.
  std::optional<InodeId> take_inode();

  /// The file object of an inode, made when there is none. Thread: any.
  std::shared_ptr<OpenFile> file_for(InodeId inode);
  /// The same with a handle counted; see InodeTable::open_file.
  std::shared_ptr<OpenFile> open_file(InodeId inode, bool for_writing);

  /// The end of InodeTable::begin_removal(); wakes who waits for it. Thread: any.
  void end_removal(InodeId inode, bool was_in_use);

  /// True while writing the file is our right: delegated in this session, within the lease.
  bool may_write(const FileState& state) const;
  /// Puts what is known only here over a record: size and times of unpublished bytes. Shape: inside
  /// the reply gate, the record looked up in the same pass: see become_published().
  void apply_local(wire::InodeRecord& record) const;

 private:
  /// Numbers that the tracker has handed out and nobody has used.
  struct InodeRange {
    std::uint64_t next = 0;
    std::uint64_t left = 0;
  };
  void on_refused(const wire::Operation& operation, const wire::OperationReply& reply);
  Task<Result<void>> fetch_inodes(Deadline deadline);
  Task<void> refill_inodes();

  base::Mutex inodes_mutex_;
  InodeRange inodes_ GUARDED_BY(inodes_mutex_);
  InodeRange spare_inodes_ GUARDED_BY(inodes_mutex_);
  bool is_refilling_ GUARDED_BY(inodes_mutex_) = false;
  base::AsyncMutex allocating_;
};

}  // namespace shoal::fs
