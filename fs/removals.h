// SPDX-License-Identifier: MIT
// Requests that take names away or move them. Tasks run on the loop; core outlives them.
#pragma once

#include <string>

#include "fs/names.h"

namespace shoal::fs {

// Under our delegations of the directories, without waiting for anybody. False, and nothing is
// answered: the task of the same name has to do it. Thread: any.
struct Move;
bool unlink_here(Core& core, Reply& reply, const NameRef& ref);
bool rmdir_here(Core& core, Reply& reply, const NameRef& ref);
bool rename_here(Core& core, Reply& reply, const Move& move);

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
