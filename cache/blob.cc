// SPDX-License-Identifier: MIT
#include "cache/blob.h"

#include "cache/blob_record.h"

namespace shoal::cache {

Result<VerifiedLeaves> VerifiedLeaves::verify(const Shape& shape, std::span<const Digest> layer,
                                              std::uint64_t chunk, std::vector<Digest> leaves) {
  if (!base::is_valid_chunk_bytes(shape.chunk_bytes)) {
    return fail(Errc::corrupt, "a chunk size of {}", shape.chunk_bytes);
  }
  // verify_chunk_leaves looks at layer[chunk]: its length must be right before.
  const std::uint64_t chunks = base::chunk_count(shape.content.size, shape.chunk_bytes);
  const bool layer_fits = chunks <= 1 ? layer.empty() : layer.size() == chunks;
  if (chunk >= chunks || !layer_fits ||
      !base::verify_chunk_leaves(shape.content, shape.chunk_bytes, layer, chunk, leaves)) {
    return fail(Errc::corrupt, "leaves of chunk {} do not lead to the root {}", chunk,
                shape.content.root.hex());
  }
  VerifiedLeaves verified;
  verified.shape_ = shape;
  verified.chunk_ = chunk;
  verified.leaves_ = std::move(leaves);
  return verified;
}

Result<VerifiedBlocks> VerifiedBlocks::verify(const VerifiedLeaves& leaves,
                                              std::uint32_t first_block, Bytes data,
                                              base::LeafHasher& hasher) {
  const std::uint64_t size = leaves.shape().content.size;
  const std::uint64_t start =
      leaves.chunk() * base::blocks_per_chunk(leaves.shape().chunk_bytes) + first_block;
  const std::span<const Digest> all = leaves.leaves();
  if (first_block >= all.size() || data.empty()) {
    return fail(Errc::corrupt, "{} bytes for block {}", data.size(), start);
  }
  std::vector<ByteView> blocks;
  for (std::size_t at = 0; at < data.size();) {
    const std::uint64_t block = start + blocks.size();
    if (first_block + blocks.size() >= all.size() || data.size() - at < block_bytes(size, block)) {
      return fail(Errc::corrupt, "{} bytes from block {} on are no whole blocks", data.size(),
                  start);
    }
    blocks.push_back(ByteView(data).subspan(at, block_bytes(size, block)));
    at += blocks.back().size();
  }
  std::vector<Digest> digests(blocks.size());
  hasher.hash(blocks, digests);
  for (std::size_t i = 0; i < digests.size(); ++i) {
    if (digests[i] != all[first_block + i]) {
      return fail(Errc::corrupt, "block {} does not hash to its leaf", start + i);
    }
  }
  VerifiedBlocks verified;
  verified.shape_ = leaves.shape();
  verified.run_ = BlockRun{start, blocks.size()};
  verified.data_ = std::move(data);
  return verified;
}

}  // namespace shoal::cache
