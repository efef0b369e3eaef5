// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "base/task.h"
#include "cache/blob_store.h"
#include "peerd/announcer.h"
#include "peerd/tracker.h"

namespace shoal::peerd {

/// Keeps some of the store free: drops what is only cached, and copies that the swarm can do
/// without, after asking the tracker. Owner: the daemon. Thread: the loop.
class Evictor {
 public:
  /// All outlive it.
  Evictor(Executor executor, Timer& timer, Pool& pool, cache::BlobStore& store,
          Announcer& announcer, Tracker& tracker);
  ~Evictor();  // after stop()

  /// Makes `bytes` available if that can be done. Errors: no_space, canceled.
  Task<Result<void>> make_room(std::uint64_t bytes);
  Task<void> stop() { return group_.stop(); }

 private:
  Task<void> run();
  Task<Result<void>> evict(std::uint64_t bytes);
  Task<Result<std::vector<cache::BlobInfo>>> without_unpublished(
      std::vector<cache::BlobInfo> blobs);
  Task<void> tell_departed();
  Task<Result<std::uint64_t>> drop_with_consent(std::vector<cache::BlobInfo> blobs);

  Timer& timer_;
  Pool& pool_;
  cache::BlobStore& store_;
  Announcer& announcer_;
  Tracker& tracker_;
  base::AsyncMutex turn_;
  TaskGroup group_;
};

/// How many bytes the store should always have available. Pure.
std::uint64_t bytes_to_keep_free(const cache::StoreUsage& usage);

}  // namespace shoal::peerd
