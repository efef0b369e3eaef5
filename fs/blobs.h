// SPDX-License-Identifier: MIT
// What reading, writing and publishing share: finding a file's blob and bringing absent blocks.
#pragma once

#include <memory>

#include "fs/core.h"

namespace shoal::fs {

cache::Shape shape_of(const wire::ContentRef& content);
/// Size as programs here see it.
std::uint64_t size_of(const FileState& state);

/// The inode's blob, turned to content where it was of another one. Shape: the caller excludes
/// reads and writes; content is not empty. Errors: as BlobStore::obtain and BlobSource::layer.
Task<Result<std::shared_ptr<cache::Blob>>> obtain_blob(Core* core, InodeId inode,
                                                       wire::ContentRef content);

/// Ends the working state of a blob that was opened for change and not changed, so that it can turn
/// to another content; one that cannot be sealed is dropped, also
/// from the file's state. Shape: the caller holds serial().
Task<void> end_working(Core* core, std::shared_ptr<OpenFile> file,
                       std::shared_ptr<cache::Blob> blob);

/// Fetches what is absent of [offset, offset + length), with the read budget for each piece of it.
Task<Result<void>> fetch_missing(Core* core, std::shared_ptr<cache::Blob> blob,
                                 std::vector<cache::BlockRun> runs, cache::Urgency urgency);

}  // namespace shoal::fs
