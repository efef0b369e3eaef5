// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/task.h"
#include "cache/blob.h"
#include "fs/notifier.h"
#include "fs/passage.h"
#include "fs/readahead.h"
#include "fs/turn.h"
#include "wire/records.h"

namespace shoal::fs {

class Reply;

/// What is known of a regular file while something of it is open, or unpublished.
struct FileState {
  std::shared_ptr<cache::Blob> blob;  ///< nullptr: empty, or not looked for yet
  /// The committed content that blob holds or, while it is working, started from.
  wire::ContentRef content;
  std::uint64_t version = 0;
  bool has_content = false;  ///< content and version are set

  bool is_delegated = false;     ///< writing it is our right ...
  std::uint64_t generation = 0;  ///< ... in this session
  bool is_working = false;       ///< blob is open for change
  bool is_dirty = false;         ///< bytes or size differ from content
  bool is_flushed = false;       ///< somebody closed it since the last change
  bool is_removed = false;       ///< its last name went while nobody had it open
  bool is_conflicted = false;    ///< another peer's version won; our bytes cannot be published

  // As programs here see them while is_dirty:
  std::uint64_t size = 0;
  std::int64_t mtime = 0;
  std::int64_t change_time = 0;
  bool is_mtime_explicit = false;     ///< set by utimensat since the last write
  std::optional<std::int64_t> atime;  ///< set explicitly, not told yet

  /// What the working copy was last sealed as, while it is not known whether that was published.
  std::optional<wire::ContentRef> sealed_as;
  bool is_changed_since_seal = false;

  std::optional<Error> write_error;  ///< of publishing in the background: the next close gets it

  /// Whether content is what we sealed last: then that was published and only the answer was lost.
  bool is_published_as(const wire::ContentRef& published) const {
    return sealed_as && sealed_as->id == published.id;
  }
};

/// A regular file that is in use: its state, and the rule that publishing excludes writes and that
/// turning to another content excludes reads too. Shared by its handles and by tasks.
/// Thread: any, unless noted. No thread ever waits in here; tasks do.
class OpenFile : public std::enable_shared_from_this<OpenFile> {
 public:
  OpenFile(InodeId inode, Executor executor);

  InodeId inode() const { return inode_; }

  /// With what the kernel has written past us up to now.
  FileState state() const;
  /// Changes the state under the lock. Shape: change(FileState&) neither blocks nor calls out.
  template <class Change>
  auto update(Change change) {
    const base::MutexLock lock(mutex_);
    look();
    return change(state_);
  }

  // -- how the kernel reaches the bytes: see Passthrough
  // -------------------------------------------

  /// Held while a handle's mode is chosen or ends; comes before all other locks.
  base::Mutex& modes() { return modes_; }
  /// One more handle. begin() makes a passage for the first, if it can be passed through; nullptr:
  /// mediated. Shape: modes() is held.
  template <class Begin>
  std::shared_ptr<Passage> enter_mode(bool may_begin, Begin begin) {
    if (handles_in_mode_++ > 0 || !may_begin) return passage();
    take_passage(begin());
    return passage();
  }
  /// One less; the passage when that was the last one. Shape: modes() is held.
  std::shared_ptr<Passage> leave_mode();
  std::shared_ptr<Passage> passage() const;
  /// A request that keeps the inode's lock in the kernel until it is answered: as long as it is
  /// not, nobody is in the middle of a write past us. Shape: reply outlives the pair of calls.
  /// Thread: loop.
  void add_locker(const Reply& reply) { lockers_.push_back(&reply); }
  void remove_locker(const Reply& reply) { std::erase(lockers_, &reply); }
  bool is_locked_by_request() const;
  /// The blob's file was found changed. Thread: any.
  void notice(const cache::Blob::Look& look);

  // -- shared use: brief, never across a wait for the network
  // ---------------------------------------

  /// False while reads are excluded.
  bool begin_read();
  void end_read();
  /// False while writes are excluded.
  bool begin_write();
  void end_write();
  /// Returns when reads (and writes) are no longer excluded; somebody may be quicker. Thread: loop.
  Task<void> wait_until_free();

  // -- exclusive use; only by the holder of serial(). Thread: loop
  // ----------------------------------

  enum class Excluded { nothing, writes, everything };
  class [[nodiscard]] Exclusion {
   public:
    explicit Exclusion(std::shared_ptr<OpenFile> file) : file_(std::move(file)) {}
    Exclusion(Exclusion&& other) noexcept = default;
    Exclusion& operator=(Exclusion&&) = delete;
    ~Exclusion() {
      if (file_) file_->end_exclusion();
    }

   private:
    std::shared_ptr<OpenFile> file_;
  };
  /// Keeps new users of the kind out and returns when those inside have ended; they are at the
  /// disk only. Errors: canceled.
  Task<Result<Exclusion>> exclude(Excluded kind);
  /// The same when nobody is inside; nullopt otherwise. Thread: any.
  std::optional<Exclusion> try_exclude(Excluded kind);
  /// One at a time: beginning to write, publishing, truncating, turning to another content. Never
  /// held while the tracker is asked for the delegation: reads wait for it, and the tracker may
  /// wait for their pages. A worker may take it for what needs no wait.
  Turn& serial() { return serial_; }

  // -- acquiring the delegation. Thread: loop
  // --------------------------------------------------------

  /// One request for it at a time.
  base::AsyncMutex& acquiring() { return acquiring_; }
  void begin_acquiring();
  /// False when what was granted is void: see void_acquisition().
  bool end_acquiring();
  bool is_acquiring() const { return is_acquiring_; }
  /// Returns when no request is under way. Errors: canceled.
  Task<Result<void>> wait_until_acquired();
  /// The tracker is told that nothing is held here; a grant that is on its way must not count.
  void void_acquisition() { was_recalled_ = true; }

  /// The kernel cuts what a program appends at the end of a page that it does not have, and sends
  /// the rest right behind: the delegation should stay that long, or the program's line gets torn.
  /// end: where the kernel thinks that the bytes end. Thread: any.
  void appended(std::uint64_t end, SteadyTime now);
  bool expects_more(SteadyTime now) const;

  // -- what the kernel's pages may hold: see pages.h
  // ------------------------------------------------

  /// Reads that arrive from now on wait, until release_reads(). Thread: loop.
  void hold_reads();
  void release_reads();
  /// Thread: any; the wait: loop.
  bool holds_reads() const { return read_holds_.load() > 0; }
  Task<void> wait_until_reads_released();
  void read_begins() { reads_begun_.fetch_add(1); }

  /// The kernel is being told to drop pages.
  void pages_dropping(SteadyTime now);
  /// Whether a read may have brought back a page, as it was before a write that is being answered
  /// now: pages went a short while ago, and something was read since.
  bool pages_in_doubt(SteadyTime now) const;

  /// A drop that is stuck behind a page of an unanswered write; the next one need not repeat it.
  /// Thread: loop.
  std::shared_ptr<Notifier::Pending> stuck_drop;

  /// A write that is not answered, so that its last page may be locked in the kernel.
  void set_waiting_write(std::optional<ByteRange> range);
  std::optional<ByteRange> waiting_write() const;

  /// Handles that a shared mapping can be written through.
  void count_mappable(int change) { mappable_.fetch_add(change); }
  bool may_be_mapped() const { return mappable_.load() > 0; }

 private:
  void take_passage(std::shared_ptr<Passage> passage);
  void look() const REQUIRES(mutex_);
  void note(const cache::Blob::Look& look) const REQUIRES(mutex_);
  void end_exclusion();
  bool is_drained() const REQUIRES(mutex_);
  void wake_if_drained(bool drained);

  const InodeId inode_;
  const Executor executor_;
  Turn serial_;
  base::AsyncMutex acquiring_;
  base::Signal acquired_;
  bool is_acquiring_ = false;
  bool was_recalled_ = false;
  base::Signal drained_;
  base::Signal free_;
  base::Signal reads_released_;
  std::atomic<int> read_holds_{0};
  std::atomic<int> mappable_{0};
  std::vector<const Reply*> lockers_;
  std::atomic<std::uint64_t> reads_begun_{0};
  std::atomic<std::uint64_t> reads_at_drop_{0};
  std::atomic<std::int64_t> append_until_{0};
  std::atomic<std::int64_t> last_drop_{0};  ///< steady nanoseconds; 0: never

  base::Mutex modes_;
  int handles_in_mode_ = 0;  // modes_ guards it

  mutable base::Mutex mutex_;
  mutable FileState state_ GUARDED_BY(mutex_);  // brought up to date when it is looked at
  std::shared_ptr<Passage> passage_ GUARDED_BY(mutex_);
  int reads_ GUARDED_BY(mutex_) = 0;
  int writes_ GUARDED_BY(mutex_) = 0;
  Excluded excluded_ GUARDED_BY(mutex_) = Excluded::nothing;
  std::size_t free_waiters_ GUARDED_BY(mutex_) = 0;
  std::optional<ByteRange> waiting_write_ GUARDED_BY(mutex_);
};

/// See OpenFile::add_locker(). Thread: loop.
class KernelLock {
 public:
  KernelLock(std::shared_ptr<OpenFile> file, const Reply& reply)
      : file_(std::move(file)), reply_(reply) {
    if (file_) file_->add_locker(reply_);
  }
  ~KernelLock() {
    if (file_) file_->remove_locker(reply_);
  }
  KernelLock(const KernelLock&) = delete;
  KernelLock& operator=(const KernelLock&) = delete;

 private:
  const std::shared_ptr<OpenFile> file_;
  const Reply& reply_;
};

/// Ends a begin_read() or begin_write() at the end of a scope.
class SharedUse {
 public:
  enum class Kind { read, write };
  SharedUse(OpenFile& file, Kind kind) : file_(file), kind_(kind) {}
  SharedUse(const SharedUse&) = delete;
  SharedUse& operator=(const SharedUse&) = delete;
  ~SharedUse() {
    if (kind_ == Kind::read) {
      file_.end_read();
    } else {
      file_.end_write();
    }
  }

 private:
  OpenFile& file_;
  Kind kind_;
};

/// One open(2) of a regular file.
class FileHandle {
 public:
  FileHandle(std::shared_ptr<OpenFile> file, int flags);
  ~FileHandle();
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;

  const std::shared_ptr<OpenFile>& file() const { return file_; }
  InodeId inode() const { return file_->inode(); }
  bool is_writable() const;
  bool is_appending() const;
  int flags() const { return flags_; }
  /// It was given to the kernel in the inode's mode. Shape: its file's modes() is held.
  void set_in_mode(bool is_in_mode) { is_in_mode_ = is_in_mode; }
  bool is_in_mode() const { return is_in_mode_.load(); }
  /// It held locks of a session that was lost: others may have changed what they guarded, so
  /// nothing is read or written through it any more (EIO, as NFS does). Thread: any.
  void lose_locks();
  bool has_lost_locks() const { return has_lost_locks_.load(); }

  /// See Readahead. Thread: any.
  Readahead::Plan on_read(std::uint64_t offset, std::uint64_t length, std::uint64_t file_bytes,
                          std::uint64_t chunk_bytes);

  /// Until when a read that begins now may wait. The kernel asks again and again for a page that
  /// could not be read: a part of the budget is kept back for those, so that all together stay
  /// within it. Thread: the loop.
  Deadline read_deadline(const Clock& clock, Duration budget) const;
  void set_unreachable(SteadyTime now) { unreachable_at_ = now; }

 private:
  const std::shared_ptr<OpenFile> file_;
  const int flags_;  // of open(2)
  std::atomic<bool> has_lost_locks_{false};
  std::atomic<bool> is_in_mode_{false};
  base::Mutex mutex_;
  Readahead readahead_ GUARDED_BY(mutex_);
  SteadyTime unreachable_at_ = SteadyTime::min();
};

}  // namespace shoal::fs
