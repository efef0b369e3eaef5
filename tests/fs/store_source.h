// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <vector>

#include "base/task.h"
#include "cache/blob_source.h"
#include "cache/blob_store.h"

namespace shoal::test {

/// Fetches blocks out of other stores in the same process, verified as if they came from a network.
class StoreSource final : public cache::BlobSource {
 public:
  StoreSource(Pool& pool, Timer& timer, std::vector<cache::BlobStore*> stores)
      : pool_(pool), timer_(timer), stores_(std::move(stores)) {}

  Task<Result<void>> fetch(std::shared_ptr<cache::Blob> blob, cache::BlockRun run,
                           cache::Urgency urgency, Deadline deadline) override;
  Task<Result<std::vector<Digest>>> layer(cache::Shape shape, Deadline deadline) override;

  /// While it is on, fetches wait for their deadline and end with unreachable.
  std::atomic<bool> is_cut{false};
  std::atomic<std::uint64_t> blocks_fetched{0};

 private:
  Result<void> fetch_chunk(cache::Blob& blob, const cache::Shape& shape, std::uint64_t chunk,
                           std::uint32_t first, std::uint32_t count);

  Pool& pool_;
  Timer& timer_;
  const std::vector<cache::BlobStore*> stores_;
};

}  // namespace shoal::test
