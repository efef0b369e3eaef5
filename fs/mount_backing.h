// SPDX-License-Identifier: MIT
// What the kernel's FUSE has for passthrough beside the requests.
#pragma once

#include <cstdint>
#include <string>

#include "base/file.h"
#include "base/strong_id.h"

struct fuse_session;

namespace shoal::fs {

/// Whether the library was built with what passthrough needs (libfuse 3.17).
bool library_can_pass_through();
/// Registers an open file as one that FUSE files may be backed by: its number. Errors:
/// access_denied (needs CAP_SYS_ADMIN), unsupported.
Result<std::int32_t> open_backing(fuse_session* session, const base::Fd& file);
void close_backing(fuse_session* session, std::int32_t backing);

/// Returns when no write is in the kernel that had come to the inode before: takes the inode's lock
/// in the kernel once, by a request to our own mount, which the caller must not keep from being
/// answered. False: could not; then nothing is known. Blocks. Thread: one of its own.
bool wait_for_inode_lock(const std::string& mount_point, InodeId inode);

}  // namespace shoal::fs
