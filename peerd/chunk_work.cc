// SPDX-License-Identifier: MIT
#include "peerd/chunk_work.h"

#include <algorithm>

#include "base/hash.h"
#include "base/hash_tree.h"
#include "base/metrics.h"
#include "peerd/limits.h"

namespace shoal::peerd {
namespace {

std::span<const Digest> view(const SharedLayer& layer) {
  return layer ? std::span<const Digest>(*layer) : std::span<const Digest>();
}

std::uint64_t chunk_of(const cache::Shape& shape, std::uint64_t block) {
  return block / base::blocks_per_chunk(shape.chunk_bytes);
}

/// Where a run that begins at block has to be cut: the chunk's end, or a full request.
std::uint64_t segment_end(const cache::Shape& shape, std::uint64_t block, std::uint64_t end) {
  const std::uint64_t per_chunk = base::blocks_per_chunk(shape.chunk_bytes);
  const std::uint64_t per_request = std::min<std::uint64_t>(per_chunk, kMaxRequestBlocks);
  return std::min(end, (block / per_request + 1) * per_request);
}

const Digest& zero_block_leaf() {
  static const Digest leaf = base::sha256(Bytes(kBlockBytes));
  return leaf;
}

/// Whether one of the runs has a block that its leaf shows to be zeroes.
bool has_zero_blocks(const cache::VerifiedLeaves& leaves,
                     const std::vector<cache::BlockRun>& runs) {
  const std::uint64_t first = leaves.chunk() * base::blocks_per_chunk(leaves.shape().chunk_bytes);
  for (const cache::BlockRun& run : runs) {
    for (std::uint64_t block = run.first; block < run.first + run.count; ++block) {
      if (leaves.leaves()[block - first] == zero_block_leaf()) return true;
    }
  }
  return false;
}

}  // namespace

Result<Plan> plan_fetch(const std::shared_ptr<cache::Blob>& blob, cache::BlobStore& store,
                        const cache::Shape& shape, const SharedLayer& layer, std::uint64_t from,
                        std::uint64_t end, std::size_t limit) {
  if (blob->info().shape != shape) return fail(Errc::stale, "the blob holds another content");
  if (layer && !blob->layer()) {
    auto put = blob->put_layer(shape, *layer);
    if (!put) return pass(put);
  }
  Plan plan;
  plan.is_kept = store.find(blob->info().inode) == blob;
  std::optional<cache::VerifiedLeaves> leaves;
  std::optional<std::uint64_t> leaves_chunk;
  std::uint64_t block = from;
  while (block < end && plan.wanted.size() < limit) {
    const std::uint64_t chunk = chunk_of(shape, block);
    const std::uint64_t cut = segment_end(shape, block, end);
    auto missing = blob->missing(block * kBlockBytes, (cut - block) * kBlockBytes);
    if (!missing.empty() && leaves_chunk != chunk) {
      leaves = blob->leaves(chunk);
      leaves_chunk = chunk;
    }
    if (!missing.empty() && leaves && has_zero_blocks(*leaves, missing)) {
      auto filled = blob->put_leaves(*leaves);
      if (!filled) return pass(filled);
      plan.has_filled = true;
      missing = blob->missing(block * kBlockBytes, (cut - block) * kBlockBytes);
    }
    for (const cache::BlockRun& run : missing) plan.wanted.push_back({run, leaves});
    block = cut;
  }
  plan.next = block;
  if (!plan.wanted.empty()) {
    auto twin = store.find_content(shape.content);
    if (twin != blob) plan.twin = std::move(twin);
  }
  return plan;
}

Result<Stored> store_answer(const std::shared_ptr<cache::Blob>& blob, const cache::Shape& shape,
                            const SharedLayer& layer, cache::BlockRun run,
                            std::optional<cache::VerifiedLeaves> leaves,
                            std::vector<Digest> new_leaves, Bytes data) {
  const std::uint64_t chunk = chunk_of(shape, run.first);
  const std::uint64_t chunk_first = chunk * base::blocks_per_chunk(shape.chunk_bytes);
  static base::Counter& hashed = base::counter("shoal_fetch_hashed_bytes_total");
  const std::uint64_t bytes = data.size();
  hashed.add(bytes);
  bool are_new = false;
  if (!leaves) {
    hashed.add(2 * Digest::kBytes * base::blocks_per_chunk(shape.chunk_bytes));  // inner nodes
    auto verified = cache::VerifiedLeaves::verify(shape, view(layer), chunk, std::move(new_leaves));
    if (!verified) return fail(Errc::corrupt, "{}", verified.error().context());
    leaves = std::move(*verified);
    are_new = true;
  }
  auto blocks =
      cache::VerifiedBlocks::verify(*leaves, static_cast<std::uint32_t>(run.first - chunk_first),
                                    std::move(data), base::thread_leaf_hasher());
  if (!blocks) return fail(Errc::corrupt, "{}", blocks.error().context());
  if (blocks->run() != run) {
    return fail(Errc::corrupt, "{} blocks came where {} were asked for", blocks->run().count,
                run.count);
  }
  if (are_new) {
    auto kept = blob->put_leaves(*leaves);
    if (!kept) return pass(kept);
  }
  auto put = blob->put(*blocks);
  if (!put) return pass(put);
  return Stored{blob->info().state, bytes};
}

Result<Stored> copy_from_twin(const std::shared_ptr<cache::Blob>& blob,
                              const std::shared_ptr<cache::Blob>& twin, const cache::Shape& shape,
                              const SharedLayer& layer, cache::BlockRun run) {
  const std::uint64_t chunk = chunk_of(shape, run.first);
  const std::uint64_t chunk_first = chunk * base::blocks_per_chunk(shape.chunk_bytes);
  auto served = twin->serve(shape, chunk, static_cast<std::uint32_t>(run.first - chunk_first),
                            static_cast<std::uint32_t>(run.count), true);
  if (!served) return pass(served);
  auto stored = store_answer(blob, shape, layer, run, std::nullopt, std::move(served->leaves),
                             std::move(served->data));
  return stored;
}

}  // namespace shoal::peerd
