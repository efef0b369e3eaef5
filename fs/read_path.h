// SPDX-License-Identifier: MIT
// Reading the bytes of a file. Tasks run on the loop.
#pragma once

#include <optional>

#include "fs/core.h"
#include "fs/reply.h"

namespace shoal::fs {

/// The bytes that a read may use at this moment.
struct ReadView {
  std::shared_ptr<cache::Blob> blob;  ///< nullptr when size is 0
  std::uint64_t size = 0;
  std::uint32_t chunk_bytes = base::kDefaultChunkBytes;
};

/// nullopt when the tracker has to be asked for the current content first. Thread: any.
std::optional<ReadView> view_in_memory(const Core& core, const OpenFile& file);
/// The same after asking. with_refresh: what memory says has proved to be out of date.
Task<Result<ReadView>> make_view(Core* core, std::shared_ptr<OpenFile> file, bool with_refresh,
                                 Deadline deadline);

/// Bytes that are present, into out; nullopt when something has to be waited for. Starts readahead
/// when it is due. Thread: workers.
std::optional<Result<std::size_t>> read_in_place(Core& core, FileHandle& handle,
                                                 std::uint64_t offset, MutableByteView out);
Task<void> read_task(Core* core, Reply reply, std::shared_ptr<FileHandle> handle,
                     std::uint64_t offset, std::size_t size);

/// lseek(2) with SEEK_DATA or SEEK_HOLE.
Task<void> seek_task(Core* core, Reply reply, std::shared_ptr<FileHandle> handle,
                     std::uint64_t offset, bool data);

}  // namespace shoal::fs
