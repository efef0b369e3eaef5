// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <compare>
#include <map>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "base/range_map.h"
#include "base/task.h"
#include "wire/locks.h"

namespace shoal::fs {

class FileHandle;

/// The locks that programs of this machine hold through the mount, as the tracker has granted them:
/// what to give up when a file is closed, what to claim from a tracker that has restarted, and
/// which handles to close off when the session is lost. Owner: Core. Thread: any, unless noted.
class LockTable {
 public:
  /// Whose locks: the owner is the kernel's name for a process or an open file description.
  struct Key {
    InodeId inode;
    wire::LockKind kind = wire::LockKind::posix;
    std::uint64_t owner = 0;
    auto operator<=>(const Key&) const = default;
  };

  explicit LockTable(Executor executor) : unlocked_(std::move(executor)) {}

  /// Something in the range. Quick when no locks are held at all.
  bool holds(const Key& key, wire::LockRange range = {}) const;
  std::vector<wire::LockPiece> pieces(const Key& key, wire::LockRange range) const;
  /// The owners that hold something that they asked for through the handle.
  std::vector<Key> keys_of(const FileHandle& handle) const;
  std::vector<wire::LockClaim> claims() const;

  // The tracker's answers, in the order in which they come.
  void granted(const Key& key, std::uint32_t pid, const wire::LockPiece& piece,
               std::shared_ptr<FileHandle> handle);
  void released(const Key& key, wire::LockRange range, const std::vector<wire::LockPiece>& keep);
  /// The session is lost and all its locks with it: handles that held some are closed off.
  void lose_all();

  // -- unlocks under way: until they are through, the owner's next lock waits, so that they cannot
  // change places on the way

  void begin_unlock(const Key& key);
  void end_unlock(const Key& key);  ///< Thread: loop
  std::uint64_t unlocks_begun() const { return unlocks_begun_.load(); }
  /// Returns when none is under way for the owner, or for anybody's locks of the inode.
  /// Errors: canceled. Thread: loop.
  Task<Result<void>> wait_unlocked(Key key);
  Task<Result<void>> wait_all_unlocked(InodeId inode);

 private:
  struct Entry {
    std::uint32_t pid = 0;
    base::RangeMap<wire::LockType> ranges;
    std::vector<std::weak_ptr<FileHandle>> handles;  ///< that they were asked for through
  };
  bool is_unlocking(const Key& key) const;
  bool is_unlocking(InodeId inode) const;

  mutable base::Mutex mutex_;
  std::map<Key, Entry> entries_ GUARDED_BY(mutex_);
  std::map<Key, int> unlocking_ GUARDED_BY(mutex_);
  std::atomic<std::size_t> count_{0};  ///< of entries
  std::atomic<std::uint64_t> unlocks_begun_{0};
  base::Signal unlocked_;
};

}  // namespace shoal::fs
