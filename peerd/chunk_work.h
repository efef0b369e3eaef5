// SPDX-License-Identifier: MIT
// The parts of a fetch that block: looking at what a blob lacks, hashing what came, storing it.
// Thread: pool; everything is handed in.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "cache/blob.h"
#include "cache/blob_store.h"

namespace shoal::peerd {

using SharedLayer = std::shared_ptr<const std::vector<Digest>>;

/// A run of absent blocks within one chunk, at most kMaxRequestBlocks of them.
struct Wanted {
  cache::BlockRun run;
  std::optional<cache::VerifiedLeaves> leaves;  ///< of the chunk, when known here
};

struct Plan {
  std::vector<Wanted> wanted;
  std::uint64_t next = 0;             ///< the first block that was not looked at
  bool has_filled = false;            ///< blocks of zeroes were stored on the way
  bool is_kept = true;                ///< the blob is the store's, others can fetch from it
  std::shared_ptr<cache::Blob> twin;  ///< another blob here with the same content
};

/// What [from, end) of the blob lacks, up to `limit` runs. Blocks that are known to be zeroes are
/// filled on the way. layer may be null when the content has one chunk; a blob that does not know
/// it yet is given it.
/// Errors: stale (the blob is of another content than shape), no_space, io.
Result<Plan> plan_fetch(const std::shared_ptr<cache::Blob>& blob, cache::BlobStore& store,
                        const cache::Shape& shape, const SharedLayer& layer, std::uint64_t from,
                        std::uint64_t end, std::size_t limit);

/// What came of storing an answer.
struct Stored {
  cache::BlobState state = cache::BlobState::partial;
  std::uint64_t bytes = 0;
};

/// Checks leaves and data and puts them into the blob. When leaves are known, new_leaves is empty.
/// Errors: corrupt (the sender's fault, nothing was stored), stale, no_space, io.
Result<Stored> store_answer(const std::shared_ptr<cache::Blob>& blob, const cache::Shape& shape,
                            const SharedLayer& layer, cache::BlockRun run,
                            std::optional<cache::VerifiedLeaves> leaves,
                            std::vector<Digest> new_leaves, Bytes data);

/// The same with the bytes of another local blob. Errors: not_found (it does not have them).
Result<Stored> copy_from_twin(const std::shared_ptr<cache::Blob>& blob,
                              const std::shared_ptr<cache::Blob>& twin, const cache::Shape& shape,
                              const SharedLayer& layer, cache::BlockRun run);

}  // namespace shoal::peerd
