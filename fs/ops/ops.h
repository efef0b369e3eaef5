// SPDX-License-Identifier: MIT
// The FUSE requests as libfuse hands them to a worker thread. Each function takes the arguments out
// of the kernel's types, answers from memory where it can, and else parks its reply in a task.
#pragma once

#include <fuse_lowlevel.h>

#include <string>

#include "fs/core.h"
#include "fs/reply.h"

namespace shoal::fs::ops {

inline Core& core_of(fuse_req_t request) { return *static_cast<Core*>(fuse_req_userdata(request)); }

/// Names longer than any filesystem has are refused before anybody is asked.
inline constexpr std::size_t kMaxName = 255;
inline bool is_name_too_long(const char* name) {
  return std::char_traits<char>::length(name) > kMaxName;
}

/// Each family enters its functions.
void add_session_ops(fuse_lowlevel_ops& ops);
void add_name_ops(fuse_lowlevel_ops& ops);
void add_removal_ops(fuse_lowlevel_ops& ops);
void add_attribute_ops(fuse_lowlevel_ops& ops);
void add_directory_ops(fuse_lowlevel_ops& ops);
void add_file_ops(fuse_lowlevel_ops& ops);
void add_data_ops(fuse_lowlevel_ops& ops);
void add_lock_ops(fuse_lowlevel_ops& ops);
void add_xattr_ops(fuse_lowlevel_ops& ops);

/// All of them. Locks of directories never come: the kernel keeps them by itself.
fuse_lowlevel_ops make_ops();

}  // namespace shoal::fs::ops
