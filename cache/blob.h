// SPDX-License-Identifier: MIT
// A blob is the local sparse file that holds the bytes of one inode's content, or its working copy,
// on this peer, together with what is known of them: which blocks are there, and their leaf hashes.
//
//        create, follow            last block stored
//   (none) ───────────▶ partial ─────────────────────▶ sealed
//                        │    ▲                        │    ▲
//        begin_working   │    │ follow  ┌──────────────┘    │ seal (publish)
//                        ▼    │         ▼ begin_working     │
//                        working ───────────────────────────┘
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/hash_tree.h"
#include "base/result.h"
#include "base/strong_id.h"

namespace shoal::cache {

/// How a content is cut: see base/hash_tree.h. (The wire has its own record of it.)
struct Shape {
  ContentId content;
  std::uint32_t chunk_bytes = base::kDefaultChunkBytes;
  bool operator==(const Shape&) const = default;
};

enum class BlobState : std::uint8_t {
  partial = 1,  ///< verified blocks of a content, some are absent
  sealed = 2,   ///< all of a content, verified; served whole
  working = 3,  ///< open for change; nothing of it is served
};

/// Why a blob is kept. Ordered: a higher role wins when several apply.
enum class Role : std::uint8_t {
  cached = 1,   ///< may be evicted
  pinned = 2,   ///< the user wants it here
  replica = 3,  ///< the tracker counts on it
  origin = 4,   ///< written here; nobody else may know of it until somebody lowers the role
};

/// A run of whole blocks, numbered from the start of the file.
struct BlockRun {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  bool operator==(const BlockRun&) const = default;
};

/// Leaf hashes of one whole chunk, proven to belong to a content. Only made by verify().
class VerifiedLeaves {
 public:
  /// layer is the content's verified piece layer (empty up to one chunk).
  /// Errors: corrupt (wrong count for the length, or another root).
  static Result<VerifiedLeaves> verify(const Shape& shape, std::span<const Digest> layer,
                                       std::uint64_t chunk, std::vector<Digest> leaves);

  const Shape& shape() const { return shape_; }
  std::uint64_t chunk() const { return chunk_; }
  std::span<const Digest> leaves() const { return leaves_; }

 private:
  VerifiedLeaves() = default;
  Shape shape_;
  std::uint64_t chunk_ = 0;
  std::vector<Digest> leaves_;
};

/// Bytes of consecutive blocks of one chunk, each checked against its leaf. Only made by verify().
class VerifiedBlocks {
 public:
  /// Shape: data are whole blocks from first_block (within the chunk) on; the file's last may be
  /// short. Errors: corrupt (a block does not hash, or the length is wrong) with the block's
  /// number. Thread: pool, hashes all of data.
  static Result<VerifiedBlocks> verify(const VerifiedLeaves& leaves, std::uint32_t first_block,
                                       Bytes data, base::LeafHasher& hasher);

  const Shape& shape() const { return shape_; }
  BlockRun run() const { return run_; }
  ByteView data() const { return data_; }

 private:
  VerifiedBlocks() = default;
  Shape shape_;
  BlockRun run_;  ///< in blocks of the file
  Bytes data_;
};

struct BlobInfo {
  InodeId inode;
  BlobState state = BlobState::partial;
  Role role = Role::cached;
  Shape shape;  ///< working: the published content it came from
  std::uint64_t size = 0;
  std::uint64_t allocated_bytes = 0;
  std::uint64_t blocks_present = 0;
};

/// What seal() made of a working copy.
struct Sealed {
  Shape shape;
  std::vector<Digest> layer;  ///< when larger than a chunk
  std::uint64_t allocated_bytes = 0;
};

/// Bytes and leaves to send to another peer.
struct Served {
  std::vector<Digest> leaves;  ///< of the whole chunk when asked for
  Bytes data;
};

/// One blob. Shared by everybody on this peer who uses the inode; the store keeps it while anyone
/// does. Thread: pool threads and FUSE workers; every call may block on the disk, none on the
/// network; calls from several threads at once are safe. Writes that overlap a seal() are the
/// caller's to prevent (fs holds the inode's write lock across a publish).
class Blob {
 public:
  virtual ~Blob() = default;

  virtual BlobInfo info() const = 0;

  // -- reading ---------------------------------------------------------------------------------

  /// Source: short-read rules of pread(2). Units: bytes. The result is the count, 0 at the end.
  /// Errors: not_found (a block of the range is absent), io.
  virtual Result<std::size_t> read_at(std::uint64_t offset, MutableByteView out) = 0;
  /// The absent blocks that [offset, offset + length) touches, cut at the end of the file.
  virtual std::vector<BlockRun> missing(std::uint64_t offset, std::uint64_t length) const = 0;
  /// lseek(2) with SEEK_DATA or SEEK_HOLE (data = true or false); absent blocks count as data.
  /// Errors: out_of_range (ENXIO).
  virtual Result<std::uint64_t> seek(std::uint64_t offset, bool data) const = 0;

  // -- fetching (partial, or working over a content) -------------------------------------------

  /// The content's verified piece layer, when it is known here; empty vector up to one chunk.
  virtual std::optional<std::vector<Digest>> layer() const = 0;
  /// Errors: corrupt (does not lead to the root), stale (the blob is of another content by now).
  virtual Result<void> put_layer(const Shape& shape, std::vector<Digest> layer) = 0;
  /// The verified leaf hashes of a chunk, when they are known here.
  virtual std::optional<VerifiedLeaves> leaves(std::uint64_t chunk) const = 0;
  /// Keeps them, and marks blocks of zeroes as present without fetching. Errors: stale.
  virtual Result<void> put_leaves(const VerifiedLeaves& leaves) = 0;
  /// Stores blocks that are absent; present ones and ones written since are left alone. The bit
  /// is persisted after the data. Becomes sealed with the last one. Errors: stale, no_space, io.
  virtual Result<void> put(const VerifiedBlocks& blocks) = 0;
  /// Turns to another content of the same inode: keeps the chunks that both have, forgets the
  /// rest. Errors: busy (working), corrupt (the layer).
  virtual Result<void> follow(const Shape& next, std::vector<Digest> layer) = 0;

  // -- writing ---------------------------------------------------------------------------------

  /// partial or sealed -> working; nothing is served from then on. No-op when working.
  /// Survives the daemon's death before it returns; after a power cut, blobs that were touched
  /// since the last clean mark are re-verified anyway.
  virtual Result<void> begin_working() = 0;
  /// The absent blocks that have to be fetched before [offset, offset + length) can be written:
  /// those that the range covers in part.
  virtual std::vector<BlockRun> missing_for_write(std::uint64_t offset,
                                                  std::uint64_t length) const = 0;
  /// Shape: the blob is working. Grows the file as needed. Errors: not_found (see
  /// missing_for_write), no_space, too_large, io.
  virtual Result<void> write_at(std::uint64_t offset, ByteView data) = 0;
  /// ftruncate(2). Shape: working. Errors: not_found (the new last block is absent and is cut).
  virtual Result<void> resize(std::uint64_t size) = 0;
  /// Zeroes a range, giving its space back where whole pages allow (punch) or keeping it. Does not
  /// change the size. Shape: working. Errors: not_found, io.
  virtual Result<void> zero(std::uint64_t offset, std::uint64_t length, bool punch) = 0;
  /// fallocate(2) without flags or with KEEP_SIZE. Errors: no_space, io.
  virtual Result<void> allocate(std::uint64_t offset, std::uint64_t length, bool keep_size) = 0;
  /// fdatasync of the bytes and of what the index knows of them. Errors: io: the blob must then be
  /// treated as not stored; never retried.
  virtual Result<void> sync() = 0;
  /// Hashes the blocks that changed and becomes sealed; as role origin, unless nothing changed: set
  /// another role once the content is published. Durable when `durable`.
  /// Shape: working and nothing missing. Errors: not_found (blocks are missing), io, no_space.
  virtual Result<Sealed> seal(bool durable) = 0;

  // -- written by others, past this object (FUSE passthrough)
  // -----------------------------------------

  /// Makes the file ready for others to write into, and gives it out. From then on look() has to be
  /// called before anything is done that depends on size or bytes. Shape: working, nothing absent.
  /// Errors: unsupported (no file of the system), not_found (blocks are absent), io.
  virtual Result<std::shared_ptr<const base::Fd>> share() = 0;
  /// The file is ours alone again.
  virtual void unshare() = 0;
  struct Look {
    bool is_changed = false;  ///< somebody wrote since the last look, we ourselves perhaps
    std::uint64_t size = 0;
    std::int64_t modified_ns = 0;
  };
  /// Looks at the file, and takes over what others have made of it; nothing unless working.
  virtual Result<Look> look() = 0;

  // -- serving ---------------------------------------------------------------------------------

  /// Blocks of a chunk for another peer. Errors: not_found (another content, or blocks or leaves
  /// are absent), corrupt is never returned for bytes that were verified once.
  virtual Result<Served> serve(const Shape& shape, std::uint64_t chunk, std::uint32_t first_block,
                               std::uint32_t block_count, bool with_leaves) = 0;
  /// One bit a chunk that is wholly present (highest bit of the first byte first); nullopt for a
  /// working blob or another content. A sealed blob: all ones.
  virtual std::optional<Bytes> chunk_map(const ContentId& content) const = 0;
};

}  // namespace shoal::cache
