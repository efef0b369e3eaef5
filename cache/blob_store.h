// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/blob.h"

namespace shoal::cache {

struct StoreUsage {
  std::uint64_t blobs = 0;
  std::uint64_t bytes = 0;            ///< allocated by blobs
  std::uint64_t ceiling_bytes = 0;    ///< bytes never grow past it
  std::uint64_t available_bytes = 0;  ///< what may still be stored: ceiling, free-space floor
};

/// All blobs of this peer. Blobs are found by inode, for the mount, or by content, for other peers.
/// Owner: the daemon's main. Thread: pool and FUSE workers, as for Blob.
/// What survives a crash: see docs/storage.md; blobs that were open for change or for fetching when
/// the daemon died are re-verified at open().
class BlobStore {
 public:
  virtual ~BlobStore() = default;

  /// nullptr when there is none.
  virtual std::shared_ptr<Blob> find(InodeId inode) = 0;
  /// A blob that has this content and is not working, whatever its inode; nullptr if none. Sealed
  /// ones first.
  virtual std::shared_ptr<Blob> find_content(const ContentId& content) = 0;
  /// The inode's blob, made to hold `shape`: created partial, or following to it; a working blob is
  /// returned as it is. The role is raised to `role` if that is higher. An empty content is sealed
  /// at once. Errors: no_space, io, corrupt.
  virtual Result<std::shared_ptr<Blob>> obtain(InodeId inode, const Shape& shape,
                                               std::vector<Digest> layer, Role role) = 0;
  /// A working blob of size zero for a new or truncated file; replaces what the inode had.
  virtual Result<std::shared_ptr<Blob>> create_working(InodeId inode) = 0;
  /// Lowers or raises why the inode's blob is kept; no-op without one.
  virtual Result<void> set_role(InodeId inode, Role role) = 0;
  /// Forgets the inode's blob; its file goes when the last user lets go of it. No-op without one.
  virtual Result<void> remove(InodeId inode) = 0;
  /// Removes the inode's blob if it holds that content, is not being written or unpublished, and
  /// nobody uses it at this moment: nobody can begin to write to what has gone. Whether it did.
  virtual Result<bool> remove_unused(InodeId inode, const ContentId& content) = 0;

  /// Every blob, for announcing after a start and for status. Shape: called without locks held.
  virtual void for_each(const std::function<void(const BlobInfo&)>& visit) = 0;
  /// Blobs whose bytes were not published before the store was closed or the daemon died: left
  /// working, or sealed and still of role origin. All of them are working now; info().shape is the
  /// published content that they came from, empty when that is not known.
  virtual std::vector<InodeId> unpublished() = 0;

  /// Chooses what to evict until `wanted` bytes are available; cached blobs are dropped here, and
  /// returned; replicas and origins are only returned in `ask` for the owner to ask the tracker.
  /// What the store had to drop by itself since the last call, for a write, is returned too.
  struct Eviction {
    std::vector<BlobInfo> dropped;
    std::vector<BlobInfo> punched;  ///< huge ones that gave up a part: as they are now, partial
    std::vector<BlobInfo> ask;
  };
  virtual Result<Eviction> evict(std::uint64_t wanted) = 0;

  /// Contents of which no blob has anything any more since the last call, because files were
  /// overwritten, followed a newer content or went: whoever counts on them should hear of it.
  virtual std::vector<Shape> take_departed() = 0;

  /// Whether the store is new, or lost its index: what others were told that it holds is void.
  /// Stays so over restarts until note_void_told().
  virtual bool began_anew() const = 0;
  virtual Result<void> note_void_told() = 0;

  virtual StoreUsage usage() const = 0;
  /// Persists bits and roles, marks the store clean, closes. No use afterwards.
  virtual Result<void> close() = 0;
};

struct DiskStoreOptions {
  std::string path;
  Bytes swarm;                         ///< a folder of another swarm is refused (conflict)
  std::uint64_t ceiling_bytes = 0;     ///< 0: half of the disk
  std::uint64_t free_floor_bytes = 0;  ///< 0: the smaller of 5% of the disk and 1 GiB
};

/// What open_disk_store found and did, for the log.
struct RecoveryReport {
  bool was_clean = true;
  std::uint64_t blobs_checked = 0;
  std::uint64_t blocks_dropped = 0;
  std::uint64_t blobs_dropped = 0;
  std::uint64_t files_set_aside = 0;  ///< moved or copied to the store's lost+found
};

/// Opens or makes the store in a folder. Errors: busy (another daemon has it open), conflict
/// (another swarm's), corrupt (the index; says which file and how to go on), no_space, io.
Result<std::unique_ptr<BlobStore>> open_disk_store(const DiskStoreOptions& options,
                                                   RecoveryReport* report = nullptr);
/// The same contract without a disk; for simulation and tests.
std::unique_ptr<BlobStore> make_memory_store(std::uint64_t ceiling_bytes);

}  // namespace shoal::cache
