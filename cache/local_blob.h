// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "base/mutex.h"
#include "cache/blob_files.h"
#include "cache/blob_record.h"
#include "cache/blob_table.h"
#include "cache/blob_tree.h"
#include "cache/block_bitmap.h"

namespace shoal::cache {

/// A blob over the files of its store. Owner: its users, and the table while it has unsaved bits.
/// What survives a crash: see docs/storage.md.
///
/// Two locks. io_ is held while bytes are touched: shared by what may run side by side (reads,
/// writes to their own ranges, blocks that are stored), alone by what takes bytes away or changes
/// the state. mutex_ guards the members and is held for moments; it comes second.
class LocalBlob final : public Blob, public std::enable_shared_from_this<LocalBlob> {
 public:
  /// is_new: its data file was just made, and the record is in no index.
  LocalBlob(std::shared_ptr<BlobTable> table, const BlobRecord& record, bool is_new);
  ~LocalBlob() override;

  BlobInfo info() const override;
  Result<std::size_t> read_at(std::uint64_t offset, MutableByteView out) override;
  std::vector<BlockRun> missing(std::uint64_t offset, std::uint64_t length) const override;
  Result<std::uint64_t> seek(std::uint64_t offset, bool data) const override;

  std::optional<std::vector<Digest>> layer() const override;
  Result<void> put_layer(const Shape& shape, std::vector<Digest> layer) override;
  std::optional<VerifiedLeaves> leaves(std::uint64_t chunk) const override;
  Result<void> put_leaves(const VerifiedLeaves& leaves) override;
  Result<void> put(const VerifiedBlocks& blocks) override;
  Result<void> follow(const Shape& next, std::vector<Digest> layer) override;

  Result<void> begin_working() override;
  std::vector<BlockRun> missing_for_write(std::uint64_t offset,
                                          std::uint64_t length) const override;
  Result<void> write_at(std::uint64_t offset, ByteView data) override;
  Result<void> resize(std::uint64_t size) override;
  Result<void> zero(std::uint64_t offset, std::uint64_t length, bool punch) override;
  Result<void> allocate(std::uint64_t offset, std::uint64_t length, bool keep_size) override;
  Result<void> sync() override;
  Result<Sealed> seal(bool durable) override;

  Result<std::shared_ptr<const base::Fd>> share() override;
  void unshare() override;
  Result<Look> look() override;

  Result<Served> serve(const Shape& shape, std::uint64_t chunk, std::uint32_t first_block,
                       std::uint32_t block_count, bool with_leaves) override;
  std::optional<Bytes> chunk_map(const ContentId& content) const override;

  // -- for the store ---------------------------------------------------------------------------

  InodeId inode() const { return inode_; }
  /// Reads bits that are kept in a file; called before anybody else gets the blob, repeats are
  /// cheap. A blob whose bits cannot be read fails all calls with io.
  void load();
  /// Writes the bits of a large partial blob to its map file.
  Result<void> save_bits();
  /// Gives up about so many bytes of a cached blob, from its end, in whole chunks; 0: somebody uses
  /// it. What is left is partial.
  Result<std::uint64_t> punch_tail(std::uint64_t bytes);
  /// The inode no longer has this blob: goes on with the open file. Before the names go.
  void detach();
  /// Bytes that the blob holds although no inode has it. The table's; its mutex guards them.
  mutable std::uint64_t orphaned_bytes = 0;

 private:
  using SharedLock = std::shared_lock<std::shared_mutex>;
  using UniqueLock = std::unique_lock<std::shared_mutex>;

  /// The data file is not what it was: what it lacks is absent from now on. The error to return.
  Error lose(Error cause);

  /// The first offset at or behind `offset` that lies in a present (or absent) block; size: none.
  std::uint64_t next_block(std::uint64_t offset, std::uint64_t size, bool is_present) const;

  // Bits; mutex_ is held.
  std::vector<BlockRun> absent(std::uint64_t first, std::uint64_t count) const REQUIRES(mutex_);
  bool has(std::uint64_t first, std::uint64_t count) const REQUIRES(mutex_);
  std::vector<BlockRun> absent_partly_covered(std::uint64_t offset, std::uint64_t length) const
      REQUIRES(mutex_);
  BlobRecord record() const REQUIRES(mutex_);
  Result<void> usable() const REQUIRES(mutex_);
  Result<void> working() const REQUIRES(mutex_);
  Result<void> holds(const Shape& shape) const REQUIRES(mutex_);

  Result<void> load_size() REQUIRES(mutex_);
  Result<void> load_map() REQUIRES(mutex_);

  // Fetching; io_ is held.
  Result<void> set_length();
  Result<void> put_absent(const VerifiedBlocks& blocks);
  Result<void> store_run(BlockRun run, const VerifiedBlocks& blocks, bool may_be_stale);
  Result<void> note_stored(const std::vector<BlockRun>& runs);
  Result<void> finish_if_complete();
  BlockBitmap blocks_to_keep(const Shape& next, const std::vector<Digest>& layer);
  Result<void> turn_to(const Shape& next, BlockBitmap present, BlockBitmap candidates);
  std::optional<VerifiedLeaves> leaves_of(const Shape& shape, std::uint64_t chunk,
                                          bool may_compute) const;
  std::optional<VerifiedLeaves> stored_leaves(const Shape& shape, std::uint64_t chunk) const;
  std::optional<VerifiedLeaves> computed_leaves(const Shape& shape, std::uint64_t chunk) const;

  // Writing; io_ is held.
  Result<void> mark(std::uint64_t first, std::uint64_t count, BlockMark mark);
  Result<void> write_map();
  void drop_map();
  std::shared_ptr<SparseFile> map();
  Result<void> mark_growth(std::uint64_t size);
  void note_change(std::uint64_t offset, std::uint64_t length);
  void note_written(std::uint64_t offset, std::uint64_t length);
  void refresh_allocated();
  /// Bits of a large partial blob changed; of a small one: its row.
  void note_unsaved();
  Result<void> become_whole();
  Result<void> undo_growth(Error cause);

  // Sealing; io_ is held.
  struct Sealing;
  Result<Sealing> start_sealing();
  bool is_hole(const Sealing& sealing, std::uint64_t chunk) const;
  Result<void> hash_chunk(Sealing& sealing, std::uint64_t chunk, Bytes& buffer);
  Result<void> hash_blocks(const Sealing& sealing, BlockRun run, std::span<Digest> leaves,
                           Bytes& buffer);
  Result<void> hash_chunks(Sealing& sealing);
  Result<void> make_durable();
  Role role_when_sealed(const Shape& shape) const;
  Result<Sealed> become_sealed(Sealing& sealing, bool durable);
  void load_small_leaves() const;
  std::shared_ptr<const std::vector<Digest>> leaves_for_index(std::uint64_t blocks) const;

  const std::shared_ptr<BlobTable> table_;
  const InodeId inode_;
  const std::shared_ptr<SparseFile> data_;
  mutable BlobTree tree_;

  mutable std::shared_mutex io_;
  mutable base::Mutex mutex_;
  BlobState state_ GUARDED_BY(mutex_);
  Shape shape_ GUARDED_BY(mutex_);  // working: what it was when it was opened for change
  Shape base_ GUARDED_BY(mutex_);   // working or unpublished: the published content before
  std::uint64_t size_ GUARDED_BY(mutex_);
  bool is_whole_ GUARDED_BY(mutex_);
  bool is_refetchable_ GUARDED_BY(mutex_);  // as the data file is marked
  /// Which blocks are there; empty when the blob is whole.
  BlockBitmap present_ GUARDED_BY(mutex_);
  /// Working: blocks whose bytes are still those of shape_, so that its leaves hold.
  BlockBitmap clean_ GUARDED_BY(mutex_);
  /// Absent blocks whose bytes of an earlier content, verified, are still in the file; the tree
  /// still has their leaves.
  BlockBitmap candidates_ GUARDED_BY(mutex_);
  /// The file is as long as the content; otherwise that is seen to before blocks are stored.
  bool is_length_right_ GUARDED_BY(mutex_);
  /// Absent blocks may be something else than holes.
  bool may_be_stale_ GUARDED_BY(mutex_) = false;
  bool is_loaded_ GUARDED_BY(mutex_);
  bool has_map_ GUARDED_BY(mutex_) = false;
  std::shared_ptr<SparseFile> map_ GUARDED_BY(mutex_);
  bool is_detached_ GUARDED_BY(mutex_) = false;
  bool is_unsettled_ GUARDED_BY(mutex_) = false;  // this object told the table
  bool is_unsaved_ GUARDED_BY(mutex_) = false;
  bool is_broken_ GUARDED_BY(mutex_) = false;     // its bits could not be read
  bool has_new_name_ GUARDED_BY(mutex_) = false;  // not synced to the folder yet
  bool is_dense_ GUARDED_BY(mutex_);  // written here from the first byte on, without gaps
  bool sync_failed_ GUARDED_BY(mutex_) = false;
  bool is_shared_ GUARDED_BY(mutex_) = false;
  std::int64_t looked_ns_ GUARDED_BY(mutex_) = 0;             // the file's time at the last look()
  mutable bool has_small_leaves_ GUARDED_BY(mutex_) = false;  // asked the index for them
};

}  // namespace shoal::cache
