// SPDX-License-Identifier: MIT
// A working copy that others write to, past this object.
#include <utility>

#include "base/log.h"
#include "cache/local_blob.h"

namespace shoal::cache {

Result<std::shared_ptr<const base::Fd>> LocalBlob::share() {
  SharedLock io(io_);
  {
    base::MutexLock lock(mutex_);
    auto ok = working();
    if (!ok) return pass(ok);
    if (!is_whole_ && !present_.is_full()) {
      return fail(Errc::not_found, "blob {:016x} lacks blocks", inode_.value());
    }
  }
  // Marks of single blocks can no longer be kept.
  auto whole = become_whole();
  if (!whole) return pass(whole);
  auto file = data_->descriptor();
  if (!file) return file;
  bool is_new = false;
  {
    base::MutexLock lock(mutex_);
    is_new = !std::exchange(is_shared_, true);
  }
  if (is_new) {
    table_->count_shared(1);
    auto marked = data_->set_shared(true);
    if (!marked) return pass(marked);
  }
  auto status = data_->status();
  if (!status) return pass(status);
  base::MutexLock lock(mutex_);
  if (looked_ns_ == 0) looked_ns_ = status->modified_ns;
  is_dense_ = false;
  return file;
}

void LocalBlob::unshare() {
  {
    base::MutexLock lock(mutex_);
    if (!std::exchange(is_shared_, false)) return;
  }
  // The mark counts as a change of the file.
  auto marked = table_->unsettle(*this);
  if (marked) marked = data_->set_shared(false);
  if (!marked) base::log_warning("a blob keeps its mark: {}", marked.error().message());
  table_->count_shared(-1);
}

Result<Blob::Look> LocalBlob::look() {
  // Whoever has it alone is changing the file for us: what it looks like is told afterwards.
  SharedLock io(io_, std::try_to_lock);
  if (!io.owns_lock()) return Look{};
  auto status = data_->status();
  if (!status) return pass(status);
  Look look{.size = status->size, .modified_ns = status->modified_ns};
  {
    base::MutexLock lock(mutex_);
    if (state_ != BlobState::working || looked_ns_ == 0) return look;
    look.is_changed = status->modified_ns != looked_ns_ || status->size != size_;
    if (!look.is_changed) return look;
    looked_ns_ = status->modified_ns;
    size_ = status->size;
    // Which blocks they were is not known.
    clean_ = BlockBitmap();
    is_dense_ = false;
  }
  table_->set_allocated(*this, status->allocated_bytes);
  return look;
}

}  // namespace shoal::cache
