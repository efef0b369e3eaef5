// SPDX-License-Identifier: MIT
// Opening, closing and flushing regular files.
#pragma once

#include <memory>

#include "fs/core.h"
#include "fs/reply.h"

namespace shoal::fs {

/// Counts a handle; nullptr when the inode is going away (see InodeTable::open_file). Thread: any.
std::shared_ptr<FileHandle> make_handle(Core& core, InodeId inode, int flags);
/// The handle as a number for the kernel; owned by it until take_handle().
OpenOut open_out(Core& core, std::shared_ptr<FileHandle> handle);
std::shared_ptr<FileHandle>& handle_of(std::uint64_t number);
std::shared_ptr<FileHandle> take_handle(std::uint64_t number);
/// The end of a handle, by RELEASE or because it never reached the kernel. Thread: any.
void close_handle(Core& core, std::shared_ptr<FileHandle> handle);
/// The same, and what a close brings with it at once where that needs no wait. Thread: a worker.
void close_handle_here(Core& core, std::shared_ptr<FileHandle> handle);

/// Keeps an inode as if it were open. Thread: the loop.
class [[nodiscard]] InodeHold {
 public:
  InodeHold(Core& core, InodeId inode) : core_(core), inode_(inode) { core.table.hold(inode); }
  InodeHold(const InodeHold&) = delete;
  InodeHold& operator=(const InodeHold&) = delete;
  ~InodeHold();

 private:
  Core& core_;
  InodeId inode_;
};

/// The record of an inode that is held, once a removal that was answered before is through: it can
/// be opened here. Errors: not_found (it is gone, or has no name and lives for others only).
Task<Result<wire::InodeRecord>> get_held_inode(Core* core, InodeId inode, Deadline deadline);

/// What open(2) does besides opening, as its flags say: cuts the file, gets the right to write.
Task<Result<void>> make_ready(Core* core, std::shared_ptr<FileHandle> handle, int flags,
                              Deadline deadline);

/// Open when the record is not in memory, or the open cuts the file or is for writing only.
Task<void> open_task(Core* core, Reply reply, InodeId inode, int flags);
/// close(2) of a file with unpublished bytes, by an owner whose unlocks may be under way.
Task<void> flush_task(Core* core, Reply reply, std::shared_ptr<FileHandle> handle,
                      LockTable::Key owner);
Task<void> fsync_task(Core* core, Reply reply, std::shared_ptr<FileHandle> handle);

}  // namespace shoal::fs
