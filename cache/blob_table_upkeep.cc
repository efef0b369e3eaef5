// SPDX-License-Identifier: MIT
// What a store does in the background: bits to their files, finished blobs to stable storage.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "cache/blob_table.h"
#include "cache/local_blob.h"

namespace shoal::cache {

void BlobTable::save_bits() {
  std::vector<std::shared_ptr<LocalBlob>> idle;
  {
    base::MutexLock lock(mutex_);
    for (const InodeId inode : unsaved_) {
      const Entry& entry = entries_.at(inode);
      if (!is_in_use(entry)) idle.push_back(entry.kept);
    }
  }
  for (std::shared_ptr<LocalBlob>& blob : idle) {
    auto saved = blob->save_bits();
    if (!saved) {
      base::log_warning("the map of blob {:016x} is not written: {}", blob->inode().value(),
                        saved.error().message());
      continue;  // tried again
    }
    std::shared_ptr<LocalBlob> last;  // destroyed outside of the lock
    base::MutexLock lock(mutex_);
    Entry* entry = entry_of(*blob);
    if (entry == nullptr || entry->blob.use_count() > 2) continue;  // the table's and ours
    last = std::exchange(entry->kept, nullptr);
    unsaved_.erase(blob->inode());
  }
}

std::vector<BlobTable::Settling> BlobTable::to_settle() const {
  std::vector<Settling> chosen;
  base::MutexLock lock(mutex_);
  for (const auto& [inode, entry] : entries_) {
    if (entry.is_settled || entry.is_suspect) continue;
    const BlobState state = entry.record.state;
    const bool is_still =
        state == BlobState::sealed || (state == BlobState::partial && entry.blob.expired());
    if (is_still) chosen.push_back({inode, entry.changes, 0});
  }
  return chosen;
}

std::uint64_t BlobTable::unsettled_bytes() const {
  base::MutexLock lock(mutex_);
  return unsettled_bytes_;
}

Result<void> BlobTable::settle() {
  if (!index_) return {};
  std::vector<Settling> chosen = to_settle();
  {
    base::MutexLock lock(mutex_);
    unsettled_bytes_ = 0;
  }
  if (chosen.empty()) return {};
  auto synced = files_->sync_all();
  for (Settling& blob : chosen) {
    if (!synced) break;
    auto status = files_->open(blob.inode, FileKind::data)->status();
    blob.modified_ns = status ? status->modified_ns : -1;
  }
  base::MutexLock lock(mutex_);
  for (const Settling& blob : chosen) {
    const auto found = entries_.find(blob.inode);
    if (found == entries_.end() || found->second.changes != blob.changes) continue;
    Entry& entry = found->second;
    if (!synced) {
      entry.is_suspect = true;
      continue;
    }
    if (blob.modified_ns < 0) continue;
    entry.is_settled = true;
    entry.modified_ns = blob.modified_ns;
    queue(entry, nullptr);
  }
  return synced;
}

Result<void> BlobTable::finish() {
  if (!index_) return {};
  save_bits();
  {
    base::MutexLock lock(mutex_);
    for (auto& [inode, entry] : entries_) {
      if (!entry.is_noted) queue(entry, nullptr);  // when it was used last
    }
  }
  auto settled = settle();
  auto flushed = index_->flush_all(true);
  return settled ? flushed : settled;
}

}  // namespace shoal::cache
