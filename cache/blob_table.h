// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "cache/blob_files.h"
#include "cache/blob_index.h"
#include "cache/blob_record.h"
#include "cache/blob_store.h"
#include "cache/eviction.h"
#include "cache/space.h"

namespace shoal::cache {

class LocalBlob;

/// All blobs of a store by inode and by content: who is in use, what is kept, what is written to
/// the index. Blobs tell it what changed. Owner: the store and its blobs, together. Thread: any.
///
/// Order of locks: names() -> a blob's own -> the table's. Nothing is called out of under the last.
class BlobTable : public std::enable_shared_from_this<BlobTable> {
 public:
  struct Parts {
    std::unique_ptr<BlobFiles> files;
    std::unique_ptr<BlobIndex> index;  ///< null: nothing is persisted
    Space space;
    /// Blobs stay in memory although nobody uses them: their bits are nowhere else.
    bool keeps_blobs = false;
  };
  static std::shared_ptr<BlobTable> make(Parts parts);
  ~BlobTable();

  BlobFiles& files() { return *files_; }
  BlobIndex* index() { return index_.get(); }
  Space& space() { return space_; }

  /// Taken while the files of an inode are made or taken away, one inode at a time.
  base::Mutex& names(InodeId inode) { return names_[inode.value() % names_.size()]; }

  // -- blobs -----------------------------------------------------------------------------------

  /// Counts as a use.
  std::shared_ptr<LocalBlob> find(InodeId inode);
  std::shared_ptr<LocalBlob> find_content(const ContentId& content);
  std::optional<BlobInfo> info(InodeId inode) const;
  /// A blob whose data file was just made; queued for the index. Shape: the inode has none.
  std::shared_ptr<LocalBlob> add(const BlobRecord& record);
  /// An entry as the index had it. Before anybody uses the table.
  void restore(IndexRow row);
  /// Before the bytes of an inode are replaced: its row leaves the database. Errors: as flush.
  Result<void> forget_row(InodeId inode);
  /// Takes the blob away, its files too. Shape: names(inode) is held.
  Result<void> remove(InodeId inode);
  /// The same, but only if it holds that content, is not working and not in use. Shape: as remove.
  Result<bool> remove_unused(InodeId inode, const ContentId& content);
  Result<void> set_role(InodeId inode, Role role, bool only_raise);
  std::vector<BlobInfo> list() const;
  /// The store goes: blobs that it kept go with their last user.
  void let_go();

  // -- what blobs report -----------------------------------------------------------------------

  struct Change {
    std::shared_ptr<const std::vector<Digest>> leaves = {};  ///< unset: as before
    std::optional<Role> role = {};                           ///< unset: as before
    Persist persist = Persist::queued;
    /// Without a row the data file itself says the same, so `committed` needs no commit before the
    /// database may hold an older row.
    bool file_tells = false;
  };
  /// The blob is now as record says (but for role and allocated bytes, which the table keeps).
  /// Errors: those of the index; the entry has changed all the same.
  Result<void> save(const LocalBlob& blob, const BlobRecord& record, Change change);
  /// The blob's bytes are about to change. When the row says that they need no verification, that
  /// is taken back durably first.
  Result<void> unsettle(const LocalBlob& blob);
  /// Bits of the blob have to be saved by save_bits() some time; it stays in memory until then.
  void keep_until_saved(const std::shared_ptr<LocalBlob>& blob);
  struct Kept {
    Role role = Role::cached;
    std::uint64_t allocated_bytes = 0;
  };
  Kept kept(const LocalBlob& blob) const;

  /// Files that others write to: one more, one less.
  void count_shared(int change) { shared_.fetch_add(change); }
  bool has_shared() const { return shared_.load() > 0; }

  // -- space -----------------------------------------------------------------------------------

  /// Makes room for bytes that are about to be stored, dropping cached blobs. Errors: no_space.
  Result<void> reserve(std::uint64_t bytes);
  /// The blob takes so many bytes more of the disk.
  void add_allocated(const LocalBlob& blob, std::uint64_t bytes);
  /// So many it takes in all.
  void set_allocated(const LocalBlob& blob, std::uint64_t bytes);
  /// See BlobStore::evict. Cached blobs that reserve() dropped are in the next answer.
  Result<BlobStore::Eviction> evict(std::uint64_t wanted);
  StoreUsage usage();
  /// See BlobStore::take_departed.
  std::vector<Shape> take_departed();
  /// What was found to be gone when the store was opened.
  void note_departed(const std::vector<Shape>& shapes);

  // -- in the background -----------------------------------------------------------------------

  /// Writes the bits of kept blobs to their map files and lets go of those that nobody uses.
  void save_bits();
  /// Syncs the disk and marks blobs that did not change meanwhile as settled. Errors: io; blobs
  /// that were to be settled then never are.
  Result<void> settle();
  /// How many bytes were stored since settle() began last.
  std::uint64_t unsettled_bytes() const;
  /// For the end: settles what is not being written, and writes every row.
  Result<void> finish();

 private:
  struct Entry {
    BlobRecord record;
    bool is_settled = false;
    bool is_suspect = false;  ///< a sync failed: only verification helps
    bool is_noted = false;    ///< its last use is in the index
    std::int64_t modified_ns = 0;
    std::optional<BlobIndex::Ticket> first;  ///< of its first row; 0: it was loaded
    std::uint64_t changes = 0;
    std::weak_ptr<LocalBlob> blob;
    std::shared_ptr<LocalBlob> kept;
  };
  struct Settling {
    InodeId inode;
    std::uint64_t changes = 0;
    std::int64_t modified_ns = 0;
  };

  explicit BlobTable(Parts parts);
  std::shared_ptr<LocalBlob> live(Entry& entry) REQUIRES(mutex_);
  /// Nullptr when the inode has another blob by now, or none.
  const Entry* entry_of(const LocalBlob& blob) const REQUIRES(mutex_);
  Entry* entry_of(const LocalBlob& blob) REQUIRES(mutex_);
  static bool is_in_use(const Entry& entry);
  void insert(Entry entry) REQUIRES(mutex_);
  /// Takes an entry out of all lists. Its blob, if somebody uses it, goes on without an inode.
  std::shared_ptr<LocalBlob> take_out(InodeId inode) REQUIRES(mutex_);
  void set_allocated(Entry& entry, std::uint64_t bytes) REQUIRES(mutex_);
  void add_content(const BlobRecord& record) REQUIRES(mutex_);
  void drop_content(const BlobRecord& record) REQUIRES(mutex_);
  bool has_content(const ContentId& content) const REQUIRES(mutex_);
  /// The blob no longer holds the content of its old record.
  void note_departed(const BlobRecord& old) REQUIRES(mutex_);
  BlobIndex::Ticket queue(Entry& entry, std::shared_ptr<const std::vector<Digest>> leaves)
      REQUIRES(mutex_);
  bool make_room(std::uint64_t wanted, BlobStore::Eviction& done,
                 std::unordered_set<InodeId>& tried);
  bool drop_unused(InodeId inode, BlobStore::Eviction& done);
  bool punch(InodeId inode, std::uint64_t bytes, BlobStore::Eviction& done);
  Result<void> remove_files(const BlobRecord& record, bool was_used);
  std::vector<Settling> to_settle() const;

  const std::unique_ptr<BlobFiles> files_;
  const std::unique_ptr<BlobIndex> index_;
  Space space_;
  const bool keeps_blobs_;
  std::array<base::Mutex, 64> names_;
  std::atomic<int> shared_{0};

  mutable base::Mutex mutex_;
  std::unordered_map<InodeId, Entry> entries_ GUARDED_BY(mutex_);
  std::set<std::pair<ContentId, InodeId>> contents_ GUARDED_BY(mutex_);
  std::vector<Shape> departed_ GUARDED_BY(mutex_);
  Eviction eviction_ GUARDED_BY(mutex_);
  std::uint64_t unsettled_bytes_ GUARDED_BY(mutex_) = 0;    // stored since the last settle()
  std::unordered_set<InodeId> unsaved_ GUARDED_BY(mutex_);  // kept for the sake of their bits
  BlobStore::Eviction dropped_ GUARDED_BY(mutex_);          // by reserve(), not reported yet
};

}  // namespace shoal::cache
