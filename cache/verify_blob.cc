// SPDX-License-Identifier: MIT
#include "cache/verify_blob.h"

#include <algorithm>

#include "base/hash_tree.h"

namespace shoal::cache {
namespace {

/// So many blocks are read at once; one default chunk.
constexpr std::uint64_t kBatchBlocks = 64;

BlockRun blocks_of_chunk(const Shape& shape, std::uint64_t chunk) {
  const std::uint64_t per_chunk = base::blocks_per_chunk(shape.chunk_bytes);
  const std::uint64_t first = chunk * per_chunk;
  return {first, std::min(per_chunk, base::block_count(shape.content.size) - first)};
}

/// Reads what the file has; the rest of out is zero.
Result<void> read_padded(SparseFile& data, std::uint64_t offset, MutableByteView out) {
  auto got = data.read(offset, out);
  if (!got) return pass(got);
  std::ranges::fill(out.subspan(*got), std::byte{0});
  return {};
}

/// Leaves of a batch, taking a file that ends early as zeroes.
Result<void> hash_batch(SparseFile& data, std::uint64_t size, BlockRun run,
                        std::span<Digest> leaves, Bytes& buffer) {
  const std::uint64_t offset = run.first * kBlockBytes;
  const std::uint64_t length = std::min<std::uint64_t>(run.count * kBlockBytes, size - offset);
  auto next = data.seek(offset, true);
  if (!next && next.error().code() != Errc::out_of_range) return pass(next);
  if (!next || *next >= offset + length) {
    std::ranges::copy(zero_leaves(size, run.first, run.count), leaves.begin());
    return {};
  }
  buffer.resize(static_cast<std::size_t>(length));
  auto read = read_padded(data, offset, buffer);
  if (!read) return read;
  std::ranges::copy(base::hash_leaves(buffer, base::thread_leaf_hasher()), leaves.begin());
  return {};
}

}  // namespace

Result<std::vector<Digest>> hash_of_blocks(SparseFile& data, std::uint64_t size, BlockRun run) {
  std::vector<Digest> leaves(run.count);
  Bytes buffer;
  for (std::uint64_t done = 0; done < run.count; done += kBatchBlocks) {
    const BlockRun batch{run.first + done, std::min(kBatchBlocks, run.count - done)};
    auto hashed =
        hash_batch(data, size, batch, std::span(leaves).subspan(done, batch.count), buffer);
    if (!hashed) return pass(hashed);
  }
  return leaves;
}

Result<void> rebuild_tree(SparseFile& data, BlobTree& tree, const Shape& shape) {
  const std::uint64_t chunks = base::chunk_count(shape.content.size, shape.chunk_bytes);
  std::vector<Digest> layer;
  for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) {
    const BlockRun run = blocks_of_chunk(shape, chunk);
    auto leaves = hash_of_blocks(data, shape.content.size, run);
    if (!leaves) return pass(leaves);
    if (chunks == 1 && base::root_of_leaves(*leaves) != shape.content.root) {
      return fail(Errc::corrupt, "the bytes do not lead to the root");
    }
    if (chunks > 1) layer.push_back(base::chunk_hash(*leaves, shape.chunk_bytes));
    auto kept = tree.set_leaves(run.first, *leaves);
    if (!kept) return kept;
  }
  if (!base::verify_layer(shape.content, shape.chunk_bytes, layer)) {
    return fail(Errc::corrupt, "the bytes do not lead to the root");
  }
  return tree.set_layer(shape, std::move(layer));
}

Result<BlockBitmap> verify_blocks(SparseFile& data, BlobTree& tree, const Shape& shape) {
  const std::uint64_t blocks = base::block_count(shape.content.size);
  BlockBitmap good(blocks);
  if (blocks == 0) return good;
  const auto layer = tree.layer(shape);
  if (!layer) {  // all or nothing
    auto rebuilt = rebuild_tree(data, tree, shape);
    if (rebuilt) good.set(0, blocks, true);
    if (!rebuilt && rebuilt.error().code() != Errc::corrupt) return pass(rebuilt);
    return good;
  }
  const std::uint64_t chunks = base::chunk_count(shape.content.size, shape.chunk_bytes);
  for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) {
    const BlockRun run = blocks_of_chunk(shape, chunk);
    auto found = hash_of_blocks(data, shape.content.size, run);
    if (!found) return pass(found);
    if (base::verify_chunk_leaves(shape.content, shape.chunk_bytes, *layer, chunk, *found)) {
      good.set(run.first, run.count, true);
      auto kept = tree.set_leaves(run.first, *found);
      if (!kept) return pass(kept);
      continue;
    }
    auto stored = tree.leaves(run.first, run.count);
    if (!stored ||
        !base::verify_chunk_leaves(shape.content, shape.chunk_bytes, *layer, chunk, *stored)) {
      continue;  // no telling which of its blocks are good
    }
    for (std::uint64_t i = 0; i < run.count; ++i) {
      if ((*found)[i] == (*stored)[i]) good.set(run.first + i, 1, true);
    }
  }
  return good;
}

}  // namespace shoal::cache
