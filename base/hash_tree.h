// SPDX-License-Identifier: MIT
// The BitTorrent v2 hash tree (BEP 52): SHA-256, branching factor two, leaves of 16 KiB. A short
// last leaf is hashed as it is; leaves beyond the end of the file are 32 zero bytes, and a missing
// node above them is the root of an all-zero subtree. The root does not depend on the chunk size.
// Leaves and inner nodes are not told apart by the hash, so a root means nothing without the
// length.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/result.h"

namespace shoal::base {

inline constexpr std::uint32_t kBlockBytes = 16 * 1024;
inline constexpr std::uint32_t kDefaultChunkBytes = 1024 * 1024;
/// Chunk sizes are powers of two in this range; above the upper one a single buffer gets too big.
inline constexpr std::uint32_t kMinChunkBytes = kBlockBytes;
inline constexpr std::uint32_t kMaxChunkBytes = 16 * 1024 * 1024;
/// Largest file: 2^53 bytes keeps every offset exact in JSON and far from overflow.
inline constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 53;

/// One immutable version of a file's bytes. An empty file is {zero, 0}: it has no root.
struct ContentId {
  Digest root;
  std::uint64_t size = 0;

  auto operator<=>(const ContentId&) const = default;
  bool is_empty() const { return size == 0; }
};

/// How many blocks (chunks) cover size bytes; the last may be short. 0 for an empty file.
std::uint64_t block_count(std::uint64_t size);
std::uint64_t chunk_count(std::uint64_t size, std::uint32_t chunk_bytes);
/// Blocks per full chunk.
std::uint32_t blocks_per_chunk(std::uint32_t chunk_bytes);
/// The chunk size that a new content gets: 1 MiB, larger for files whose piece layer would pass
/// 2 MiB (65,536 chunks).
std::uint32_t chunk_bytes_for(std::uint64_t size);
/// True for powers of two between kMinChunkBytes and kMaxChunkBytes.
bool is_valid_chunk_bytes(std::uint32_t chunk_bytes);

/// Leaf hashes of data, 16 KiB each, the last one of what remains.
std::vector<Digest> hash_leaves(ByteView data, LeafHasher& hasher);

/// The root of a subtree whose lowest row is nodes, padded on the right with `padding` up to
/// `width` nodes. Shape: width is a power of two >= nodes.size() >= 1.
Digest subtree_root(std::span<const Digest> nodes, std::uint64_t width, const Digest& padding);

/// The hash of one chunk's leaves as it stands in the piece layer: padded with zero leaves to a
/// full chunk. Shape: 1 <= leaves.size() <= blocks_per_chunk.
Digest chunk_hash(std::span<const Digest> leaves, std::uint32_t chunk_bytes);

/// The content's root out of all its leaf hashes. Shape: leaves.size() == block_count(size) >= 1.
Digest root_of_leaves(std::span<const Digest> leaves);
/// BEP 52 piece layer of all leaves: one hash a chunk; empty for files no larger than a chunk.
std::vector<Digest> piece_layer(std::span<const Digest> leaves, std::uint32_t chunk_bytes);
/// The content's root out of its piece layer. Shape: layer.size() == chunk_count > 1.
Digest root_of_layer(std::span<const Digest> layer, std::uint32_t chunk_bytes);

/// Whether a piece layer from outside belongs to content: right count for the length, right root.
bool verify_layer(const ContentId& content, std::uint32_t chunk_bytes,
                  std::span<const Digest> layer);
/// Whether the leaf hashes of chunk number `chunk` belong to content. For a file of more than one
/// chunk `layer` is its verified piece layer; otherwise it is empty and the leaves lead to the
/// root. Checks the count against the length first.
bool verify_chunk_leaves(const ContentId& content, std::uint32_t chunk_bytes,
                         std::span<const Digest> layer, std::uint64_t chunk,
                         std::span<const Digest> leaves);

}  // namespace shoal::base

namespace shoal {
using base::ContentId;
using base::kBlockBytes;
}  // namespace shoal

template <>
struct std::hash<shoal::base::ContentId> {
  std::size_t operator()(const shoal::base::ContentId& id) const noexcept {
    return std::hash<shoal::base::Digest>{}(id.root) ^ (id.size * 0x9e3779b97f4a7c15u);
  }
};
