// SPDX-License-Identifier: MIT
// Extended attributes: user., security. and trusted. as stored by the tracker; user.shoal.* tell
// about the file and are not listed; ACLs are refused until they are whole.
#pragma once

#include <string>

#include "fs/names.h"

namespace shoal::fs {

enum class XattrSpace { stored, shoal, refused };
/// Who answers for a name.
XattrSpace xattr_space(std::string_view name);

/// size 0 asks for the length. Thread: workers; false: memory does not know.
bool answer_xattr_from_memory(Core& core, Reply& reply, InodeId inode, const std::string& name,
                              std::size_t size);
bool answer_xattr_list_from_memory(Core& core, Reply& reply, InodeId inode, std::size_t size,
                                   bool is_root);
Task<void> get_xattr_task(Core* core, Reply reply, InodeId inode, std::string name,
                          std::size_t size);
Task<void> list_xattrs_task(Core* core, Reply reply, InodeId inode, std::size_t size, bool is_root);
/// flags: XATTR_CREATE, XATTR_REPLACE.
Task<void> set_xattr_task(Core* core, Reply reply, InodeId inode, std::string name, Bytes value,
                          int flags);
Task<void> remove_xattr_task(Core* core, Reply reply, InodeId inode, std::string name);
/// user.shoal.root, user.shoal.cached, user.shoal.holders
Task<void> shoal_xattr_task(Core* core, Reply reply, InodeId inode, std::string name,
                            std::size_t size);

}  // namespace shoal::fs
