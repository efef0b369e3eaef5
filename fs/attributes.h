// SPDX-License-Identifier: MIT
// GETATTR and SETATTR where memory does not do. Tasks run on the loop; core outlives them.
#pragma once

#include <optional>

#include "fs/names.h"

namespace shoal::fs {

Task<void> get_attributes_task(Core* core, Reply reply, InodeId inode);

/// What a SETATTR asks for.
struct AttributeChange {
  std::optional<std::uint32_t> mode;
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  std::optional<std::uint64_t> size;
  std::optional<std::int64_t> atime;
  std::optional<std::int64_t> mtime;
};
/// Under our delegation of the directory, without waiting for anybody. False, and nothing is
/// answered: the task has to do it. Thread: any.
bool set_attributes_here(Core& core, Reply& reply, InodeId inode, const AttributeChange& change);
Task<void> set_attributes_task(Core* core, Reply reply, InodeId inode, AttributeChange change);

Task<void> readlink_task(Core* core, Reply reply, InodeId inode);

}  // namespace shoal::fs
