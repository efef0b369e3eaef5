// SPDX-License-Identifier: MIT
#include "tests/fs/store_source.h"

#include <algorithm>

namespace shoal::test {

Task<Result<std::vector<Digest>>> StoreSource::layer(cache::Shape shape, Deadline) {
  auto found = co_await pool_.run([this, shape]() -> Result<std::vector<Digest>> {
    for (cache::BlobStore* store : stores_) {
      const auto blob = store->find_content(shape.content);
      auto layer = blob ? blob->layer() : std::nullopt;
      if (layer) return std::move(*layer);
    }
    return fail(Errc::unreachable, "nobody knows the layer");
  });
  co_return found;
}

Result<void> StoreSource::fetch_chunk(cache::Blob& blob, const cache::Shape& shape,
                                      std::uint64_t chunk, std::uint32_t first,
                                      std::uint32_t count) {
  for (cache::BlobStore* store : stores_) {
    const auto holder = store->find_content(shape.content);
    if (!holder || holder.get() == &blob) continue;
    auto layer = holder->layer();
    auto served = holder->serve(shape, chunk, first, count, true);
    if (!served || !layer) continue;
    Result<void> put = blob.put_layer(shape, *layer);
    if (!put) return put;
    auto leaves = cache::VerifiedLeaves::verify(shape, *layer, chunk, std::move(served->leaves));
    if (!leaves) return pass(std::move(leaves));
    put = blob.put_leaves(*leaves);
    if (!put) return put;
    auto blocks = cache::VerifiedBlocks::verify(*leaves, first, std::move(served->data),
                                                base::thread_leaf_hasher());
    if (!blocks) return pass(std::move(blocks));
    blocks_fetched += count;
    return blob.put(*blocks);
  }
  return fail(Errc::unreachable, "nobody holds the content");
}

Task<Result<void>> StoreSource::fetch(std::shared_ptr<cache::Blob> blob, cache::BlockRun run,
                                      cache::Urgency, Deadline deadline) {
  if (is_cut) {
    const Result<void> waited = co_await timer_.wait_until(deadline.at);
    if (!waited) co_return waited;
    co_return fail(Errc::unreachable, "no holder is connected");
  }
  auto done = co_await pool_.run([this, blob, run]() -> Result<void> {
    const cache::Shape shape = blob->info().shape;
    const std::uint32_t per_chunk = base::blocks_per_chunk(shape.chunk_bytes);
    std::uint64_t at = run.first;
    while (at < run.first + run.count) {
      const auto first = static_cast<std::uint32_t>(at % per_chunk);
      const auto count = static_cast<std::uint32_t>(
          std::min<std::uint64_t>(per_chunk - first, run.first + run.count - at));
      Result<void> fetched = fetch_chunk(*blob, shape, at / per_chunk, first, count);
      if (!fetched) return fetched;
      at += count;
    }
    return {};
  });
  co_return done;
}

}  // namespace shoal::test
