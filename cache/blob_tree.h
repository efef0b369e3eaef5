// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/mutex.h"
#include "cache/blob_files.h"
#include "cache/blob_record.h"

namespace shoal::cache {

/// Leaf hashes and piece layer of one blob. Nothing in here is believed: whatever is read back is
/// checked against the content's root by the caller or here, so what is lost or damaged costs a
/// rehash at most, and no order of writes has to be kept. Thread: any.
class BlobTree {
 public:
  /// files outlives the tree; blocks is what reshape() was last called with.
  BlobTree(BlobFiles& files, InodeId inode, std::uint64_t blocks)
      : inode_(inode), files_(&files), is_small_(blocks <= kSmallBlocks) {}

  /// Leaves as stored; zero where unknown.
  Result<std::vector<Digest>> leaves(std::uint64_t first_block, std::uint64_t count);
  Result<void> set_leaves(std::uint64_t first_block, std::span<const Digest> leaves);
  /// Puts leaves where a blob of so many blocks has them: in memory (and from there in the index)
  /// or in a file. Known leaves move along.
  Result<void> reshape(std::uint64_t blocks);
  /// All leaves of a small blob, for its index row; empty for a large one.
  std::vector<Digest> small_leaves() const;
  /// What the index had of a small blob.
  void load_small(std::vector<Digest> leaves);

  /// The verified layer; nullopt when it is not known. Empty up to one chunk.
  std::optional<std::vector<Digest>> layer(const Shape& shape);
  /// Shape: layer belongs to shape.
  Result<void> set_layer(const Shape& shape, std::vector<Digest> layer);

  /// The blob loses its name: from now on nothing is kept on the disk. Files are left alone.
  void detach();

 private:
  std::optional<std::vector<Digest>> read_layer(const Shape& shape);
  std::shared_ptr<SparseFile> open(FileKind kind);
  /// Nullptr for a small blob.
  std::shared_ptr<SparseFile> leaves_file();

  const InodeId inode_;
  mutable base::Mutex mutex_;
  BlobFiles* files_ GUARDED_BY(mutex_);
  std::unique_ptr<BlobFiles> own_files_ GUARDED_BY(mutex_);  // after detach()
  bool is_small_ GUARDED_BY(mutex_) = true;
  std::vector<Digest> small_ GUARDED_BY(mutex_);
  std::shared_ptr<SparseFile> leaves_file_ GUARDED_BY(mutex_);
  std::shared_ptr<const std::vector<Digest>> layer_ GUARDED_BY(mutex_);
  ContentId layer_of_ GUARDED_BY(mutex_);
};

/// The leaves of a run of zero bytes: blocks [first, first + count) of a file of `size` bytes.
std::vector<Digest> zero_leaves(std::uint64_t size, std::uint64_t first, std::uint64_t count);
/// The leaf hash of a full block of zeroes.
const Digest& zero_leaf();
bool is_all_zero(ByteView data);
/// What a full chunk of zeroes has in the piece layer.
const Digest& zero_chunk(std::uint32_t chunk_bytes);

}  // namespace shoal::cache
