// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "base/task.h"
#include "cache/blob.h"

namespace shoal::cache {

/// Who waits, most urgent first.
enum class Urgency : std::uint8_t { reader = 1, readahead = 2, replica = 3 };

/// Where absent blocks come from. fs and the replicator use it; peerd::Fetcher implements it over
/// the swarm.
class BlobSource {
 public:
  virtual ~BlobSource() = default;

  /// Fetches the blocks of `run` that are absent from blob, verifies and stores them. The blob may
  /// be one of another store than the peer's: then nobody is told of it. Requests of
  /// several callers for the same blocks are joined. Returns when all are present.
  /// Errors: stale (the content is no longer obtainable because the inode moved on: resolve it
  /// again), unreachable (no holder of a block is connected), timed_out, no_space, io, canceled.
  /// Thread: the loop.
  virtual Task<Result<void>> fetch(std::shared_ptr<Blob> blob, BlockRun run, Urgency urgency,
                                   Deadline deadline) = 0;

  /// The piece layer of a content larger than a chunk, from the tracker; verified. Errors: as
  /// fetch.
  virtual Task<Result<std::vector<Digest>>> layer(Shape shape, Deadline deadline) = 0;
};

}  // namespace shoal::cache
