// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/hash_tree.h"
#include "base/random.h"
#include "cache/blob.h"

namespace shoal::cache {

/// Bytes with all their hashes, as a peer that holds them has it.
struct Content {
  Bytes bytes;
  Shape shape;
  std::vector<Digest> leaves;
  std::vector<Digest> layer;

  std::uint64_t blocks() const { return leaves.size(); }
  std::uint64_t chunks() const;
  VerifiedLeaves leaves_of(std::uint64_t chunk) const;
  /// Blocks [first, first + count) of a chunk.
  VerifiedBlocks blocks_of(std::uint64_t chunk, std::uint32_t first, std::uint32_t count) const;
};

Content make_content(Bytes bytes, std::uint32_t chunk_bytes = base::kDefaultChunkBytes);
Bytes random_bytes(std::size_t size, std::uint64_t seed);
inline Content random_content(std::size_t size, std::uint64_t seed,
                              std::uint32_t chunk_bytes = base::kDefaultChunkBytes) {
  return make_content(random_bytes(size, seed), chunk_bytes);
}

/// Stores all of content in blob, chunk by chunk. Errors: as Blob::put.
Result<void> fill(Blob& blob, const Content& content);
/// Everything that is in blob; empty with a failure of the test when it cannot be read.
Bytes read_all(Blob& blob);
/// A seed of its own for each run, printed with the line that replays it. SHOAL_SEED sets it.
std::uint64_t test_seed();

}  // namespace shoal::cache
