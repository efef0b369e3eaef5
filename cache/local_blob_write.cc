// SPDX-License-Identifier: MIT
// Changes of a working copy.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "cache/local_blob.h"

namespace shoal::cache {
namespace {

Result<void> check_range(std::uint64_t offset, std::uint64_t length) {
  if (offset > base::kMaxFileBytes || length > base::kMaxFileBytes - offset) {
    return fail(Errc::too_large, "{} bytes at {}", length, offset);
  }
  return {};
}

BlockRun touched(std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return {};
  const std::uint64_t first = offset / kBlockBytes;
  return {first, (offset + length - 1) / kBlockBytes - first + 1};
}

}  // namespace

Result<void> LocalBlob::begin_working() {
  UniqueLock io(io_);
  BlobRecord now;
  bool file_tells = false;
  bool is_whole = true;
  {
    base::MutexLock lock(mutex_);
    auto ok = usable();
    if (!ok) return ok;
    if (state_ == BlobState::working) return {};
    is_whole = is_whole_;
    file_tells = is_whole_ && !is_refetchable_;
  }
  if (!is_whole) {
    auto saved = set_length();
    if (saved) saved = write_map();
    if (!saved) return saved;
  }
  const bool is_origin = table_->kept(*this).role == Role::origin;
  BlobState before;
  {
    base::MutexLock lock(mutex_);
    // Opened again before it was published: it still comes from what was published before.
    if (state_ == BlobState::partial || !is_origin) base_ = shape_;
    before = std::exchange(state_, BlobState::working);
    looked_ns_ = 0;  // what we stored meanwhile is no news
    const std::uint64_t blocks = base::block_count(size_);
    clean_ = BlockBitmap(blocks, is_whole_);
    for (const BlockRun& run : present_.runs(0, present_.size(), true)) {
      clean_.set(run.first, run.count, true);
    }
    candidates_ = BlockBitmap();
    is_unsettled_ = true;
    now = record();
  }
  auto saved = table_->save(*this, now, {.persist = Persist::committed, .file_tells = file_tells});
  if (saved) return {};
  {
    base::MutexLock lock(mutex_);
    state_ = before;
    now = record();
  }
  (void)table_->save(*this, now, {}).has_value();  // back to what it was, in time
  return saved;
}

std::vector<BlockRun> LocalBlob::absent_partly_covered(std::uint64_t offset,
                                                       std::uint64_t length) const {
  std::vector<BlockRun> runs;
  if (is_whole_ || length == 0) return runs;
  const std::uint64_t end = offset + length;
  const BlockRun run = touched(offset, length);
  for (const std::uint64_t block : {run.first, run.first + run.count - 1}) {
    if (block >= present_.size() || present_.test(block)) continue;
    const std::uint64_t start = block * kBlockBytes;
    const bool is_covered = offset <= start && end >= start + block_bytes(size_, block);
    if (is_covered || (!runs.empty() && runs.back().first == block)) continue;
    runs.push_back({block, 1});
  }
  return runs;
}

std::vector<BlockRun> LocalBlob::missing_for_write(std::uint64_t offset,
                                                   std::uint64_t length) const {
  if (!check_range(offset, length)) return {};
  base::MutexLock lock(mutex_);
  return absent_partly_covered(offset, length);
}

/// Marks blocks in the map of a blob that has absent ones; the mark is there when this returns.
Result<void> LocalBlob::mark(std::uint64_t first, std::uint64_t count, BlockMark mark) {
  {
    base::MutexLock lock(mutex_);
    if (is_whole_ || count == 0) return {};
  }
  const auto map = this->map();
  constexpr std::uint64_t kPiece = 64 * 1024;
  for (std::uint64_t done = 0; done < count; done += kPiece) {
    const Bytes marks(std::min(kPiece, count - done), static_cast<std::byte>(mark));
    auto written = map->write(first + done, marks);
    if (!written) return written;
  }
  return {};
}

/// The file is about to have `size` bytes: what is new of it is present, and zero.
Result<void> LocalBlob::mark_growth(std::uint64_t size) {
  std::uint64_t blocks = 0;
  {
    base::MutexLock lock(mutex_);
    if (size <= size_) return {};
    blocks = base::block_count(size_);
  }
  // Before the file grows: a block that is new must not be taken for one of the old content.
  const std::uint64_t blocks_then = base::block_count(size);
  return blocks_then > blocks ? mark(blocks, blocks_then - blocks, BlockMark::written)
                              : Result<void>();
}

/// Blocks of the range are about to change, and with a growing file its last one.
void LocalBlob::note_change(std::uint64_t offset, std::uint64_t length) {
  base::MutexLock lock(mutex_);
  const BlockRun run = touched(offset, length);
  clean_.set(run.first, run.count, false);
  if (offset + length > size_ && size_ % kBlockBytes != 0) {
    clean_.set(size_ / kBlockBytes, 1, false);
  }
}

void LocalBlob::note_written(std::uint64_t offset, std::uint64_t length) {
  base::MutexLock lock(mutex_);
  size_ = std::max(size_, offset + length);
  if (is_whole_) return;
  present_.resize(base::block_count(size_), true);
  const BlockRun run = touched(offset, length);
  present_.set(run.first, run.count, true);
}

Result<void> LocalBlob::write_at(std::uint64_t offset, ByteView data) {
  auto ok = check_range(offset, data.size());
  if (!ok || data.empty()) return ok;
  SharedLock io(io_);
  std::uint64_t growth = 0;
  bool is_whole = true;
  {
    base::MutexLock lock(mutex_);
    ok = working();
    if (!ok) return ok;
    if (!absent_partly_covered(offset, data.size()).empty()) {
      return fail(Errc::not_found, "a block at {} of blob {:016x} is absent", offset,
                  inode_.value());
    }
    is_whole = is_whole_;
    const std::uint64_t end = offset + data.size();
    growth = end > size_ ? std::min<std::uint64_t>(data.size(), end - size_) : 0;
    if (offset > size_) is_dense_ = false;
  }
  if (growth != 0) {
    ok = table_->reserve(growth);
    if (!ok) return ok;
  }
  ok = mark_growth(offset + data.size());
  if (!ok) return ok;
  note_change(offset, data.size());
  auto written = data_->write(offset, data);
  if (!written) {
    io.unlock();
    return undo_growth(std::move(written).error());
  }
  note_written(offset, data.size());
  if (growth != 0) table_->add_allocated(*this, growth);
  if (is_whole) return {};
  const BlockRun run = touched(offset, data.size());
  ok = mark(run.first, run.count, BlockMark::written);
  return ok ? become_whole() : ok;
}

/// A write that failed half-way may have made the file longer; what lies behind the end must be
/// zero when it grows again.
Result<void> LocalBlob::undo_growth(Error cause) {
  UniqueLock io(io_);
  std::uint64_t size = 0;
  {
    base::MutexLock lock(mutex_);
    size = size_;
    may_be_stale_ = true;
    is_dense_ = false;
  }
  auto status = data_->status();
  if (status && status->size > size) {
    auto cut = data_->resize(size);
    if (!cut)
      base::log_error("blob {:016x} cannot be cut: {}", inode_.value(), cut.error().message());
  }
  refresh_allocated();
  return std::unexpected(std::move(cause));
}

/// When nothing is absent any more the map is not needed: noted before the marks stop.
Result<void> LocalBlob::become_whole() {
  BlobRecord now;
  {
    base::MutexLock lock(mutex_);
    if (is_whole_ || state_ != BlobState::working || !present_.is_full()) return {};
    now = record();
  }
  now.is_whole = true;
  auto saved = table_->save(*this, now, {.persist = Persist::committed});
  if (!saved) return saved;
  {
    base::MutexLock lock(mutex_);
    if (is_whole_ || !present_.is_full()) return {};
    is_whole_ = true;
    present_ = BlockBitmap();
  }
  drop_map();
  return {};
}

Result<void> LocalBlob::resize(std::uint64_t size) {
  auto ok = check_range(size, 0);
  if (!ok) return ok;
  UniqueLock io(io_);
  std::uint64_t before = 0;
  {
    base::MutexLock lock(mutex_);
    ok = working();
    if (!ok) return ok;
    before = size_;
    const bool cuts_block = size < size_ && size % kBlockBytes != 0;
    if (cuts_block && !has(size / kBlockBytes, 1)) {
      return fail(Errc::not_found, "the new last block of blob {:016x} is absent", inode_.value());
    }
    if (size != size_) is_dense_ = false;
  }
  if (size == before) return {};
  if (size > before) {
    ok = mark_growth(size);
    if (!ok) return ok;
    note_change(size, 0);
  }
  ok = data_->resize(size);
  if (!ok) return ok;
  {
    base::MutexLock lock(mutex_);
    size_ = size;
    if (size < before) clean_.set(size / kBlockBytes, clean_.size(), false);
    if (!is_whole_) present_.resize(base::block_count(size), true);
  }
  if (size < before) {
    refresh_allocated();
    if (size % kBlockBytes != 0) {
      ok = mark(size / kBlockBytes, 1, BlockMark::written);
      if (!ok) return ok;
    }
  }
  return become_whole();
}

Result<void> LocalBlob::zero(std::uint64_t offset, std::uint64_t length, bool punch) {
  auto ok = check_range(offset, length);
  if (!ok) return ok;
  UniqueLock io(io_);
  {
    base::MutexLock lock(mutex_);
    ok = working();
    if (!ok) return ok;
    if (offset >= size_) return {};
    length = std::min(length, size_ - offset);
    is_dense_ = false;
    if (!absent_partly_covered(offset, length).empty()) {
      return fail(Errc::not_found, "a block at {} of blob {:016x} is absent", offset,
                  inode_.value());
    }
  }
  if (length == 0) return {};
  note_change(offset, length);
  ok = data_->zero(offset, length, punch);
  if (!ok) return ok;
  note_written(offset, length);
  refresh_allocated();
  const BlockRun run = touched(offset, length);
  ok = mark(run.first, run.count, BlockMark::written);
  return ok ? become_whole() : ok;
}

Result<void> LocalBlob::allocate(std::uint64_t offset, std::uint64_t length, bool keep_size) {
  auto ok = check_range(offset, length);
  if (!ok || length == 0) return ok;
  UniqueLock io(io_);
  {
    base::MutexLock lock(mutex_);
    ok = working();
    if (!ok) return ok;
    is_dense_ = false;
  }
  ok = table_->reserve(length);
  if (!ok) return ok;
  if (!keep_size) {
    ok = mark_growth(offset + length);
    if (!ok) return ok;
    note_change(offset + length, 0);
  }
  ok = data_->allocate(offset, length, keep_size);
  if (!ok) {
    io.unlock();
    return undo_growth(std::move(ok).error());
  }
  if (!keep_size) note_written(offset + length, 0);
  refresh_allocated();
  return {};
}

void LocalBlob::refresh_allocated() {
  const auto status = data_->status();
  if (status) table_->set_allocated(*this, status->allocated_bytes);
}

}  // namespace shoal::cache
