// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "cache/blob_files.h"
#include "cache/blob_record.h"
#include "cache/blob_tree.h"
#include "cache/block_bitmap.h"

namespace shoal::cache {

/// Leaf hashes of whole blocks read from a data file of `size` bytes; holes are not read. Errors:
/// io (also when the file is too short). Thread: pool, hashes the run.
Result<std::vector<Digest>> hash_of_blocks(SparseFile& data, std::uint64_t size, BlockRun run);

/// Hashes everything, and when that leads to the content's root keeps leaves and layer. Errors:
/// corrupt, io.
Result<void> rebuild_tree(SparseFile& data, BlobTree& tree, const Shape& shape);

/// Which blocks of the file are blocks of the content, by its leaves as far as they lead to the
/// root, else by whole chunks, else by the whole. Errors: io.
Result<BlockBitmap> verify_blocks(SparseFile& data, BlobTree& tree, const Shape& shape);

}  // namespace shoal::cache
