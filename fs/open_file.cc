// SPDX-License-Identifier: MIT
#include "fs/open_file.h"

#include <fcntl.h>

#include <algorithm>
#include <asio/post.hpp>

#include "base/check.h"
#include "fs/reply.h"

namespace shoal::fs {

OpenFile::OpenFile(InodeId inode, Executor executor)
    : inode_(inode),
      executor_(executor),
      serial_(executor),
      acquiring_(executor),
      acquired_(executor),
      drained_(executor),
      free_(executor),
      reads_released_(std::move(executor)) {}

FileState OpenFile::state() const {
  const base::MutexLock lock(mutex_);
  look();
  return state_;
}

std::shared_ptr<Passage> OpenFile::passage() const {
  const base::MutexLock lock(mutex_);
  return passage_;
}

/// An exclusion that is under way, or came between the choice and now, finds the gate closed.
void OpenFile::take_passage(std::shared_ptr<Passage> passage) {
  const base::MutexLock lock(mutex_);
  passage_ = std::move(passage);
  if (!passage_ || excluded_ != Excluded::nothing) return;
  const bool is_ours = state_.is_delegated && state_.is_working;
  if (is_ours && state_.blob == passage_->blob()) passage_->open_gate();
}

std::shared_ptr<Passage> OpenFile::leave_mode() {
  if (--handles_in_mode_ > 0) return nullptr;
  const base::MutexLock lock(mutex_);
  look();
  return std::exchange(passage_, nullptr);
}

bool OpenFile::is_locked_by_request() const {
  return std::ranges::any_of(lockers_, [](const Reply* reply) { return reply->is_open(); });
}

void OpenFile::look() const {
  if (!passage_ || passage_->blob() != state_.blob) return;
  const auto seen = passage_->blob()->look();
  if (seen && seen->is_changed) note(*seen);
}

void OpenFile::note(const cache::Blob::Look& look) const {
  state_.is_dirty = true;
  state_.is_changed_since_seal = true;
  state_.size = look.size;
  state_.mtime = look.modified_ns;
  state_.change_time = look.modified_ns;
  state_.is_mtime_explicit = false;
}

void OpenFile::notice(const cache::Blob::Look& look) {
  const base::MutexLock lock(mutex_);
  note(look);
}

bool OpenFile::begin_read() {
  const base::MutexLock lock(mutex_);
  if (excluded_ == Excluded::everything) return false;
  ++reads_;
  return true;
}

bool OpenFile::begin_write() {
  const base::MutexLock lock(mutex_);
  if (excluded_ != Excluded::nothing) return false;
  ++writes_;
  return true;
}

void OpenFile::end_read() {
  bool drained = false;
  {
    const base::MutexLock lock(mutex_);
    --reads_;
    drained = excluded_ != Excluded::nothing && is_drained();
  }
  wake_if_drained(drained);
}

void OpenFile::end_write() {
  bool drained = false;
  {
    const base::MutexLock lock(mutex_);
    --writes_;
    drained = excluded_ != Excluded::nothing && is_drained();
  }
  wake_if_drained(drained);
}

bool OpenFile::is_drained() const {
  return writes_ == 0 && (excluded_ == Excluded::writes || reads_ == 0);
}

void OpenFile::wake_if_drained(bool drained) {
  if (drained) {
    asio::post(executor_, [self = shared_from_this()] { self->drained_.pulse(); });
  }
}

Task<void> OpenFile::wait_until_free() {
  for (;;) {
    {
      const base::MutexLock lock(mutex_);
      if (excluded_ == Excluded::nothing) co_return;
      ++free_waiters_;
    }
    const Result<void> woken = co_await free_.wait();
    {
      const base::MutexLock lock(mutex_);
      --free_waiters_;
    }
    if (!woken) co_return;
  }
}

Task<Result<OpenFile::Exclusion>> OpenFile::exclude(Excluded kind) {
  std::shared_ptr<Passage> passage;
  {
    const base::MutexLock lock(mutex_);
    CHECK(excluded_ == Excluded::nothing, "two exclusions of inode {}", inode_);
    excluded_ = kind;
    passage = passage_;
  }
  Exclusion exclusion(shared_from_this());
  if (passage) {
    passage->close_gate();
    co_await passage->drained();
  }
  for (;;) {
    bool drained = false;
    {
      const base::MutexLock lock(mutex_);
      drained = is_drained();
    }
    if (drained) break;
    const Result<void> woken = co_await drained_.wait();
    if (!woken) co_return pass(woken);
  }
  co_return exclusion;
}

std::optional<OpenFile::Exclusion> OpenFile::try_exclude(Excluded kind) {
  {
    const base::MutexLock lock(mutex_);
    CHECK(excluded_ == Excluded::nothing, "two exclusions of inode {}", inode_);
    excluded_ = kind;
    if (!is_drained()) {
      excluded_ = Excluded::nothing;
      return std::nullopt;
    }
  }
  return Exclusion(shared_from_this());
}

void OpenFile::end_exclusion() {
  bool is_awaited = false;
  {
    const base::MutexLock lock(mutex_);
    excluded_ = Excluded::nothing;
    is_awaited = free_waiters_ > 0;
  }
  if (is_awaited) {
    asio::post(executor_, [self = shared_from_this()] { self->free_.pulse(); });
  }
}

void OpenFile::begin_acquiring() {
  is_acquiring_ = true;
  was_recalled_ = false;
}

bool OpenFile::end_acquiring() {
  is_acquiring_ = false;
  acquired_.pulse();
  return !was_recalled_;
}

Task<Result<void>> OpenFile::wait_until_acquired() {
  while (is_acquiring_) {
    Result<void> woken = co_await acquired_.wait();
    if (!woken) co_return woken;
  }
  co_return Result<void>{};
}

void OpenFile::appended(std::uint64_t end, SteadyTime now) {
  constexpr std::uint64_t kPageBytes = 4096;
  constexpr std::chrono::milliseconds kRest{10};
  append_until_ = end % kPageBytes == 0 ? (now + kRest).time_since_epoch().count() : 0;
}

bool OpenFile::expects_more(SteadyTime now) const {
  return now.time_since_epoch().count() < append_until_.load();
}

void OpenFile::hold_reads() { read_holds_.fetch_add(1); }

void OpenFile::release_reads() {
  if (read_holds_.fetch_sub(1) == 1) reads_released_.pulse();
}

Task<void> OpenFile::wait_until_reads_released() {
  while (holds_reads()) {
    const Result<void> woken = co_await reads_released_.wait();
    if (!woken) co_return;
  }
}

void OpenFile::pages_dropping(SteadyTime now) {
  reads_at_drop_ = reads_begun_.load();
  last_drop_ = now.time_since_epoch().count();
}

bool OpenFile::pages_in_doubt(SteadyTime now) const {
  // A write takes this long at most from filling its pages in the kernel to reaching us.
  constexpr std::chrono::seconds kRecent{10};
  const std::int64_t dropped = last_drop_.load();
  if (dropped == 0 || reads_begun_.load() == reads_at_drop_.load()) return false;
  return now - SteadyTime(Duration(dropped)) < kRecent;
}

void OpenFile::set_waiting_write(std::optional<ByteRange> range) {
  const base::MutexLock lock(mutex_);
  waiting_write_ = range;
}

std::optional<ByteRange> OpenFile::waiting_write() const {
  const base::MutexLock lock(mutex_);
  return waiting_write_;
}

FileHandle::FileHandle(std::shared_ptr<OpenFile> file, int flags)
    : file_(std::move(file)), flags_(flags) {
  if ((flags_ & O_ACCMODE) == O_RDWR) file_->count_mappable(1);
}

FileHandle::~FileHandle() {
  if ((flags_ & O_ACCMODE) == O_RDWR) file_->count_mappable(-1);
}

void FileHandle::lose_locks() {
  has_lost_locks_ = true;
  if (const auto passage = file_->passage()) passage->refuse();
}

bool FileHandle::is_writable() const { return (flags_ & O_ACCMODE) != O_RDONLY; }

bool FileHandle::is_appending() const { return (flags_ & O_APPEND) != 0; }

Readahead::Plan FileHandle::on_read(std::uint64_t offset, std::uint64_t length,
                                    std::uint64_t file_bytes, std::uint64_t chunk_bytes) {
  const base::MutexLock lock(mutex_);
  return readahead_.on_read(offset, length, file_bytes, chunk_bytes, kBlockBytes);
}

Deadline FileHandle::read_deadline(const Clock& clock, Duration budget) const {
  constexpr std::chrono::seconds kRightBehind{2};
  constexpr int kKeptBack = 10;  // of the budget, a tenth is for all repetitions together
  constexpr int kRepetitions = 4;
  const Duration kept_back = budget / kKeptBack;
  const bool is_repeated = clock.steady() < unreachable_at_ + kRightBehind;
  return Deadline::after(clock, is_repeated ? kept_back / kRepetitions : budget - kept_back);
}

}  // namespace shoal::fs
