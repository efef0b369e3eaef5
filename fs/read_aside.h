// SPDX-License-Identifier: MIT
// Reading while the store has no room: blocks are fetched into memory, verified, shown and
// forgotten.
#pragma once

#include <memory>

#include "fs/core.h"

namespace shoal::fs {

/// Bytes of the content that blob holds a part of; what it has is used. out: as many bytes as the
/// content has from offset on, at most. Errors: as BlobSource::fetch. Thread: the loop.
Task<Result<std::size_t>> read_aside(Core* core, std::shared_ptr<cache::Blob> blob,
                                     std::uint64_t offset, MutableByteView out, Deadline deadline);

/// Whether the store was full a moment ago, so that storing is not worth a try.
bool is_store_full(const Core& core);
void note_full_store(Core& core);

}  // namespace shoal::fs
