// SPDX-License-Identifier: MIT
// Space: what blobs take, and making room.
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "cache/blob_table.h"
#include "cache/local_blob.h"

namespace shoal::cache {

void BlobTable::set_allocated(Entry& entry, std::uint64_t bytes) {
  const std::uint64_t before = entry.record.allocated_bytes;
  space_.add(static_cast<std::int64_t>(bytes - before));
  if (bytes > before) unsettled_bytes_ += bytes - before;
  entry.record.allocated_bytes = bytes;
  eviction_.put(entry.record.inode, bytes, entry.record.role);
}

void BlobTable::add_allocated(const LocalBlob& blob, std::uint64_t bytes) {
  base::MutexLock lock(mutex_);
  if (Entry* entry = entry_of(blob)) {
    set_allocated(*entry, entry->record.allocated_bytes + bytes);
  } else {
    blob.orphaned_bytes += bytes;
    space_.add(static_cast<std::int64_t>(bytes));
  }
}

void BlobTable::set_allocated(const LocalBlob& blob, std::uint64_t bytes) {
  base::MutexLock lock(mutex_);
  if (Entry* entry = entry_of(blob)) {
    set_allocated(*entry, bytes);
  } else {
    space_.add(static_cast<std::int64_t>(bytes - blob.orphaned_bytes));
    blob.orphaned_bytes = bytes;
  }
}

Result<void> BlobTable::reserve(std::uint64_t bytes) {
  if (space_.fits(bytes)) return {};
  BlobStore::Eviction done;
  std::unordered_set<InodeId> tried;
  while (!space_.fits(bytes) && make_room(bytes, done, tried)) {
  }
  {
    base::MutexLock lock(mutex_);
    std::ranges::move(done.dropped, std::back_inserter(dropped_.dropped));
    std::ranges::move(done.punched, std::back_inserter(dropped_.punched));
  }
  if (space_.fits(bytes)) return {};
  return fail(Errc::no_space, "the store has {} bytes of at most {}", space_.used(),
              space_.ceiling());
}

Result<BlobStore::Eviction> BlobTable::evict(std::uint64_t wanted) {
  BlobStore::Eviction done;
  {
    base::MutexLock lock(mutex_);
    done = std::exchange(dropped_, {});
  }
  std::unordered_set<InodeId> tried;
  std::uint64_t available = space_.available();
  while (available < wanted && make_room(wanted - available, done, tried)) {
    available = space_.available();
  }
  if (available >= wanted) return done;
  constexpr std::size_t kAskMax = 1024;  // one question to the tracker
  base::MutexLock lock(mutex_);
  for (const InodeId inode : eviction_.ask(wanted - available, kAskMax)) {
    const Entry& entry = entries_.at(inode);
    if (entry.record.state == BlobState::working || is_in_use(entry)) continue;
    done.ask.push_back(info_of(entry.record));
  }
  return done;
}

/// Drops or shortens one cached blob; false when there is none left.
bool BlobTable::make_room(std::uint64_t wanted, BlobStore::Eviction& done,
                          std::unordered_set<InodeId>& tried) {
  std::optional<Eviction::Victim> victim;
  {
    base::MutexLock lock(mutex_);
    const auto in_use = [&](InodeId inode) REQUIRES(mutex_) {
      const auto entry = entries_.find(inode);
      return tried.contains(inode) || entry == entries_.end() || is_in_use(entry->second) ||
             entry->second.record.state == BlobState::working;
    };
    victim = eviction_.choose(wanted, in_use);
  }
  if (!victim) return false;
  const bool helped = victim->punch_bytes == 0 ? drop_unused(victim->inode, done)
                                               : punch(victim->inode, victim->punch_bytes, done);
  if (!helped) tried.insert(victim->inode);
  return true;
}

bool BlobTable::drop_unused(InodeId inode, BlobStore::Eviction& done) {
  // Only tried: the caller may hold a lock of a blob that whoever holds this one waits for.
  base::Mutex& name = names(inode);
  if (!name.try_lock()) return false;
  bool is_dropped = false;
  std::shared_ptr<LocalBlob> blob;  // nobody's but ours
  BlobRecord record;
  {
    base::MutexLock lock(mutex_);
    const auto found = entries_.find(inode);
    if (found != entries_.end() && !is_in_use(found->second)) {
      is_dropped = true;
      record = found->second.record;
      done.dropped.push_back(info_of(record));
      blob = take_out(inode);
    }
  }
  if (is_dropped) {
    blob.reset();
    auto removed = remove_files(record, false);
    if (!removed) base::log_warning("a dropped blob stays: {}", removed.error().message());
    if (index_) index_->erase(inode);
  }
  name.unlock();
  return is_dropped;
}

bool BlobTable::punch(InodeId inode, std::uint64_t bytes, BlobStore::Eviction& done) {
  std::shared_ptr<LocalBlob> blob;
  {
    base::MutexLock lock(mutex_);
    const auto found = entries_.find(inode);
    if (found == entries_.end() || is_in_use(found->second)) return false;
    blob = live(found->second);
  }
  blob->load();
  auto freed = blob->punch_tail(bytes);
  if (!freed) {
    base::log_warning("punching blob {:016x}: {}", inode.value(), freed.error().message());
    return false;
  }
  if (*freed == 0) return false;
  done.punched.push_back(blob->info());
  return true;
}

StoreUsage BlobTable::usage() {
  StoreUsage usage;
  usage.bytes = space_.used();
  usage.ceiling_bytes = space_.ceiling();
  usage.available_bytes = space_.available();
  base::MutexLock lock(mutex_);
  usage.blobs = entries_.size();
  return usage;
}

}  // namespace shoal::cache
