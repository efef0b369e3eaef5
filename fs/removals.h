// SPDX-License-Identifier: MIT
// Requests that take names away or move them. Tasks run on the loop; core outlives them.
#pragma once

#include <string>

#include "fs/names.h"

namespace shoal::fs {

Task<void> unlink_task(Core* core, Reply reply, DirectoryChange change, InodeId directory,
                       std::string name);
Task<void> rmdir_task(Core* core, Reply reply, DirectoryChange change, InodeId directory,
                      std::string name);

struct Move {
  NameRef from;
  NameRef to;
  std::uint32_t flags = 0;  ///< wire::Rename's
};
Task<void> rename_task(Core* core, Reply reply, DirectoryChange change, Move move);

}  // namespace shoal::fs
