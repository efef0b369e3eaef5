// SPDX-License-Identifier: MIT
#include "base/hash_tree.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.h"

namespace shoal::base {
namespace {

std::uint64_t divide_up(std::uint64_t value, std::uint64_t by) {
  return value / by + (value % by != 0 ? 1 : 0);
}

/// The root of a tree of `width` zero leaves: what stands for a missing chunk in the upper rows.
Digest zero_tree_root(std::uint64_t width) {
  Digest node;
  for (; width > 1; width /= 2) node = sha256_pair(node, node);
  return node;
}

/// How many leaves chunk number `chunk` of a content has; 0 beyond its end.
std::uint64_t leaves_in_chunk(std::uint64_t size, std::uint32_t chunk_bytes, std::uint64_t chunk) {
  const std::uint64_t blocks = block_count(size);
  const std::uint64_t per_chunk = blocks_per_chunk(chunk_bytes);
  if (chunk >= chunk_count(size, chunk_bytes)) return 0;
  return std::min(per_chunk, blocks - chunk * per_chunk);
}

/// Replaces a row of even length by the row above it.
void hash_row(std::vector<Digest>& row) {
  constexpr std::size_t kLongRow = 8;  // pairs; with fewer, preparing a batch costs what it saves
  const std::size_t pairs = row.size() / 2;
  if (pairs < kLongRow) {
    for (std::size_t i = 0; i < pairs; ++i) row[i] = sha256_pair(row[2 * i], row[2 * i + 1]);
    row.resize(pairs);
    return;
  }
  static_assert(sizeof(Digest) == Digest::kBytes, "two digests in a row are one message");
  const ByteView bytes = std::as_bytes(std::span(row));
  std::vector<ByteView> messages(pairs);
  for (std::size_t i = 0; i < pairs; ++i) {
    messages[i] = bytes.subspan(2 * i * Digest::kBytes, 2 * Digest::kBytes);
  }
  std::vector<Digest> above(pairs);  // not in place: a hasher may still read what it would replace
  thread_leaf_hasher().hash(messages, above);
  row = std::move(above);
}

}  // namespace

std::uint64_t block_count(std::uint64_t size) { return divide_up(size, kBlockBytes); }

std::uint64_t chunk_count(std::uint64_t size, std::uint32_t chunk_bytes) {
  DCHECK(is_valid_chunk_bytes(chunk_bytes), "{}", chunk_bytes);
  return divide_up(size, chunk_bytes);
}

std::uint32_t blocks_per_chunk(std::uint32_t chunk_bytes) { return chunk_bytes / kBlockBytes; }

std::uint32_t chunk_bytes_for(std::uint64_t size) {
  constexpr std::uint64_t kMaxChunks = 65'536;  // a piece layer of 2 MiB
  std::uint32_t chunk_bytes = kDefaultChunkBytes;
  while (chunk_bytes < kMaxChunkBytes && chunk_count(size, chunk_bytes) > kMaxChunks) {
    chunk_bytes *= 2;
  }
  return chunk_bytes;
}

bool is_valid_chunk_bytes(std::uint32_t chunk_bytes) {
  return std::has_single_bit(chunk_bytes) && chunk_bytes >= kMinChunkBytes &&
         chunk_bytes <= kMaxChunkBytes;
}

std::vector<Digest> hash_leaves(ByteView data, LeafHasher& hasher) {
  std::vector<ByteView> leaves;
  leaves.reserve(block_count(data.size()));
  for (std::size_t at = 0; at < data.size(); at += kBlockBytes) {
    leaves.push_back(data.subspan(at, std::min<std::size_t>(kBlockBytes, data.size() - at)));
  }
  std::vector<Digest> digests(leaves.size());
  hasher.hash(leaves, digests);
  return digests;
}

Digest subtree_root(std::span<const Digest> nodes, std::uint64_t width, const Digest& padding) {
  CHECK(!nodes.empty() && std::has_single_bit(width) && width >= nodes.size(), "{} nodes in {}",
        nodes.size(), width);
  std::vector<Digest> row(nodes.begin(), nodes.end());
  const bool is_padded = row.size() < width;
  Digest missing = padding;  // what an absent node of the present row hashes to
  for (; width > 1; width /= 2) {
    if (row.size() % 2 != 0) row.push_back(missing);
    hash_row(row);
    if (is_padded) missing = sha256_pair(missing, missing);
  }
  return row.front();
}

Digest chunk_hash(std::span<const Digest> leaves, std::uint32_t chunk_bytes) {
  return subtree_root(leaves, blocks_per_chunk(chunk_bytes), Digest{});
}

Digest root_of_leaves(std::span<const Digest> leaves) {
  return subtree_root(leaves, std::bit_ceil(leaves.size()), Digest{});
}

std::vector<Digest> piece_layer(std::span<const Digest> leaves, std::uint32_t chunk_bytes) {
  const std::size_t per_chunk = blocks_per_chunk(chunk_bytes);
  if (leaves.size() <= per_chunk) return {};
  std::vector<Digest> layer;
  layer.reserve(leaves.size() / per_chunk + 1);
  for (std::size_t at = 0; at < leaves.size(); at += per_chunk) {
    const std::size_t count = std::min(per_chunk, leaves.size() - at);
    layer.push_back(chunk_hash(leaves.subspan(at, count), chunk_bytes));
  }
  return layer;
}

Digest root_of_layer(std::span<const Digest> layer, std::uint32_t chunk_bytes) {
  return subtree_root(layer, std::bit_ceil(layer.size()),
                      zero_tree_root(blocks_per_chunk(chunk_bytes)));
}

bool verify_layer(const ContentId& content, std::uint32_t chunk_bytes,
                  std::span<const Digest> layer) {
  if (!is_valid_chunk_bytes(chunk_bytes) || content.size > kMaxFileBytes) return false;
  const std::uint64_t chunks = chunk_count(content.size, chunk_bytes);
  if (chunks <= 1) return layer.empty();
  return layer.size() == chunks && root_of_layer(layer, chunk_bytes) == content.root;
}

bool verify_chunk_leaves(const ContentId& content, std::uint32_t chunk_bytes,
                         std::span<const Digest> layer, std::uint64_t chunk,
                         std::span<const Digest> leaves) {
  if (!is_valid_chunk_bytes(chunk_bytes) || content.size > kMaxFileBytes) return false;
  const std::uint64_t chunks = chunk_count(content.size, chunk_bytes);
  const std::uint64_t expected = leaves_in_chunk(content.size, chunk_bytes, chunk);
  if (expected == 0 || leaves.size() != expected) return false;
  if (chunks == 1) return layer.empty() && root_of_leaves(leaves) == content.root;
  return layer.size() == chunks && chunk_hash(leaves, chunk_bytes) == layer[chunk];
}

}  // namespace shoal::base
