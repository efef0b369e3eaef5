// SPDX-License-Identifier: MIT
// Changing the bytes of a file: under its delegation, in its working blob. Tasks run on the loop.
#pragma once

#include <optional>

#include "fs/core.h"
#include "fs/reply.h"

namespace shoal::fs {

/// The file's serial() together with the delegation. Unpublished bytes from before go on if nobody
/// else changed the file meanwhile, else they are set aside (see conflict.h) and the caller gets
/// conflict, once. A recall that follows a grant waits for the guard: every grant is used once.
Task<Result<Turn::Guard>> lock_to_write(Core* core, std::shared_ptr<OpenFile> file,
                                        Deadline deadline);
/// The delegation alone.
Task<Result<void>> acquire(Core* core, std::shared_ptr<OpenFile> file, Deadline deadline);
/// A working blob. Shape: the caller has the guard of lock_to_write().
Task<Result<void>> begin_working(Core* core, std::shared_ptr<OpenFile> file);

struct Written {
  std::uint64_t offset = 0;  ///< where: for appending not where the kernel thought
  std::size_t count = 0;
  bool is_append = false;
};

/// Writes at once when the delegation, a working blob and all blocks concerned are here; nullopt
/// when something is lacking. appending: at the end, wherever the kernel believes it is.
/// Thread: workers and pool.
std::optional<Result<Written>> write_in_place(Core& core, OpenFile& file, bool appending,
                                              std::uint64_t offset, ByteView data);
/// The answer to a WRITE at offset. Bytes that went elsewhere leave the kernel's pages wrong, which
/// put them at offset: those go.
void answer_write(Core& core, Reply& reply, InodeId inode, std::uint64_t offset,
                  const Result<Written>& written);
Task<void> write_task(Core* core, Reply reply, std::shared_ptr<FileHandle> handle, bool appending,
                      std::uint64_t offset, Bytes data);

/// ftruncate(2). The change is published later.
Task<Result<void>> truncate(Core* core, std::shared_ptr<OpenFile> file, std::uint64_t size,
                            Deadline deadline);

/// fallocate(2) by its mode flags. Errors: unsupported for modes we do not know.
Task<void> fallocate_task(Core* core, Reply reply, std::shared_ptr<FileHandle> handle, int mode,
                          std::uint64_t offset, std::uint64_t length);

/// Records that bytes up to `end` changed just now; the file grows to it.
void note_change(const Core& core, OpenFile& file, std::uint64_t end);

}  // namespace shoal::fs
