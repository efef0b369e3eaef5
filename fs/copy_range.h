// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "fs/core.h"
#include "fs/reply.h"

namespace shoal::fs {

struct CopyRange {
  std::uint64_t from_offset = 0;
  std::uint64_t to_offset = 0;
  std::uint64_t length = 0;
};

/// copy_file_range(2) of a whole unchanged file into an empty one: the copy is published as the
/// same content, no byte moves. Everything else is EOPNOTSUPP, whereupon the kernel copies by
/// itself. Task on the loop.
Task<void> copy_range_task(Core* core, Reply reply, std::shared_ptr<FileHandle> from,
                           std::shared_ptr<FileHandle> to, CopyRange range);

}  // namespace shoal::fs
