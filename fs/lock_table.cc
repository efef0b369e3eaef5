// SPDX-License-Identifier: MIT
#include "fs/lock_table.h"

#include <algorithm>

#include "base/log.h"
#include "fs/open_file.h"

namespace shoal::fs {

bool LockTable::holds(const Key& key, wire::LockRange range) const {
  if (count_.load() == 0) return false;
  return !pieces(key, range).empty();
}

std::vector<wire::LockPiece> LockTable::pieces(const Key& key, wire::LockRange range) const {
  std::vector<wire::LockPiece> all;
  const base::MutexLock lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return all;
  for (const auto& piece : found->second.ranges.pieces(range.first, range.last)) {
    all.push_back({{piece.first, piece.last}, piece.value});
  }
  return all;
}

std::vector<LockTable::Key> LockTable::keys_of(const FileHandle& handle) const {
  std::vector<Key> keys;
  if (count_.load() == 0) return keys;
  const base::MutexLock lock(mutex_);
  const InodeId inode = handle.inode();
  for (auto entry = entries_.lower_bound(Key{inode, wire::LockKind::flock, 0});
       entry != entries_.end() && entry->first.inode == inode; ++entry) {
    const auto& handles = entry->second.handles;
    const bool is_its = std::any_of(handles.begin(), handles.end(), [&handle](const auto& each) {
      return each.lock().get() == &handle;
    });
    if (is_its) keys.push_back(entry->first);
  }
  return keys;
}

std::vector<wire::LockClaim> LockTable::claims() const {
  std::vector<wire::LockClaim> all;
  const base::MutexLock lock(mutex_);
  for (const auto& [key, entry] : entries_) {
    for (const auto& piece : entry.ranges.pieces()) {
      all.push_back(
          {key.inode, key.kind, key.owner, entry.pid, {{piece.first, piece.last}, piece.value}});
    }
  }
  return all;
}

void LockTable::granted(const Key& key, std::uint32_t pid, const wire::LockPiece& piece,
                        std::shared_ptr<FileHandle> handle) {
  const base::MutexLock lock(mutex_);
  Entry& entry = entries_[key];
  entry.pid = pid;
  entry.ranges.assign(piece.range.first, piece.range.last, piece.type);
  const bool is_noted = std::any_of(entry.handles.begin(), entry.handles.end(),
                                    [&handle](const auto& each) { return each.lock() == handle; });
  if (!is_noted) {
    std::erase_if(entry.handles, [](const auto& each) { return each.expired(); });
    entry.handles.push_back(handle);
  }
  count_ = entries_.size();
}

void LockTable::released(const Key& key, wire::LockRange range,
                         const std::vector<wire::LockPiece>& keep) {
  const base::MutexLock lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  auto& ranges = found->second.ranges;
  ranges.erase(range.first, range.last);
  for (const wire::LockPiece& piece : keep) {
    ranges.assign(piece.range.first, piece.range.last, piece.type);
  }
  if (ranges.empty()) entries_.erase(found);
  count_ = entries_.size();
}

void LockTable::lose_all() {
  std::vector<std::shared_ptr<FileHandle>> handles;  // let go outside of the lock
  const base::MutexLock lock(mutex_);
  for (const auto& [key, entry] : entries_) {
    for (const auto& each : entry.handles) {
      std::shared_ptr<FileHandle> handle = each.lock();
      if (!handle) continue;
      handle->lose_locks();
      handles.push_back(std::move(handle));
    }
    base::log_warning("a lock was lost with the session inode={} pid={}", key.inode, entry.pid);
  }
  entries_.clear();
  count_ = 0;
}

void LockTable::begin_unlock(const Key& key) {
  const base::MutexLock lock(mutex_);
  ++unlocking_[key];
  ++unlocks_begun_;
}

void LockTable::end_unlock(const Key& key) {
  {
    const base::MutexLock lock(mutex_);
    const auto found = unlocking_.find(key);
    if (--found->second == 0) unlocking_.erase(found);
  }
  unlocked_.pulse();
}

bool LockTable::is_unlocking(const Key& key) const {
  const base::MutexLock lock(mutex_);
  return unlocking_.contains(key);
}

bool LockTable::is_unlocking(InodeId inode) const {
  const base::MutexLock lock(mutex_);
  const auto first = unlocking_.lower_bound(Key{inode, wire::LockKind::flock, 0});
  return first != unlocking_.end() && first->first.inode == inode;
}

Task<Result<void>> LockTable::wait_unlocked(Key key) {
  while (is_unlocking(key)) {
    Result<void> woken = co_await unlocked_.wait();
    if (!woken) co_return woken;
  }
  co_return base::ok();
}

Task<Result<void>> LockTable::wait_all_unlocked(InodeId inode) {
  while (is_unlocking(inode)) {
    Result<void> woken = co_await unlocked_.wait();
    if (!woken) co_return woken;
  }
  co_return base::ok();
}

}  // namespace shoal::fs
