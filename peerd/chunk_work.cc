// SPDX-License-Identifier: MIT
#include "peerd/chunk_work.h"

#include <algorithm>

#include "base/hash.h"
#include "base/hash_tree.h"
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

const Digest& full_zero_chunk(std::uint32_t chunk_bytes) {
  thread_local std::uint32_t known_bytes = 0;
  thread_local Digest known;
  if (known_bytes != chunk_bytes) {
    known = base::chunk_hash(zero_leaves(chunk_bytes), chunk_bytes);
    known_bytes = chunk_bytes;
  }
  return known;
}

/// Fills a chunk whose hash in the layer is that of zeroes; true when it did.
Result<bool> fill_zero_chunk(cache::Blob& blob, const cache::Shape& shape, const SharedLayer& layer,
                             std::uint64_t chunk) {
  if (!layer || chunk >= layer->size()) return false;
  const std::uint64_t begin = chunk * shape.chunk_bytes;
  const std::uint64_t length =
      std::min<std::uint64_t>(shape.chunk_bytes, shape.content.size - begin);
  if (length != shape.chunk_bytes) return false;  // a short last one is fetched like any other
  if ((*layer)[chunk] != full_zero_chunk(shape.chunk_bytes)) return false;
  auto leaves = cache::VerifiedLeaves::verify(shape, view(layer), chunk, zero_leaves(length));
  if (!leaves) return false;
  auto put = blob.put_leaves(*leaves);
  if (!put) return pass(put);
  return true;
}

}  // namespace

std::vector<Digest> zero_leaves(std::uint64_t bytes) {
  const Bytes zeroes(kBlockBytes);
  std::vector<Digest> leaves(bytes / kBlockBytes, base::sha256(zeroes));
  if (const std::uint64_t rest = bytes % kBlockBytes; rest != 0) {
    leaves.push_back(base::sha256(ByteView(zeroes).first(rest)));
  }
  return leaves;
}

Result<Plan> plan_fetch(const std::shared_ptr<cache::Blob>& blob, cache::BlobStore& store,
                        const cache::Shape& shape, const SharedLayer& layer, std::uint64_t from,
                        std::uint64_t end, std::size_t limit) {
  if (blob->info().shape != shape) return fail(Errc::stale, "the blob holds another content");
  if (layer && !blob->layer()) {
    auto put = blob->put_layer(shape, *layer);
    if (!put) return pass(put);
  }
  Plan plan;
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
      if (!leaves) {
        auto is_filled = fill_zero_chunk(*blob, shape, layer, chunk);
        if (!is_filled) return pass(is_filled);
        if (*is_filled) {
          plan.has_filled = true;
          missing = blob->missing(block * kBlockBytes, (cut - block) * kBlockBytes);
        }
      }
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
  const std::uint64_t bytes = data.size();
  bool are_new = false;
  if (!leaves) {
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
