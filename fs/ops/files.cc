// SPDX-License-Identifier: MIT
// OPEN, FLUSH, RELEASE, FSYNC.
#include "fs/files.h"

#include <fcntl.h>

#include <cerrno>

#include "fs/locks.h"
#include "fs/ops/ops.h"

namespace shoal::fs::ops {
namespace {

bool is_passed_through(const Core& core, InodeId inode) {
  const std::shared_ptr<OpenFile> file = core.table.find_file(inode);
  return file && file->passage();
}

/// A file of which all is known here. In one pass of the gate: a directory that is let go for
/// somebody else has none of its files opened behind that. nullptr: the tracker has to be asked.
std::shared_ptr<FileHandle> open_known(Core& core, InodeId inode, int flags) {
  const ReplyGate::Pass pass = core.gate.enter();
  if (!core.volume.find_inode(inode)) return nullptr;
  return make_handle(core, inode, flags);
}

void open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  Core& core = core_of(request);
  Reply reply(core, request);
  const InodeId id(inode);
  const int access = info->flags & O_ACCMODE;
  const bool may_be_passed = access == O_RDWR && core.options.passthrough == PassthroughOption::on;
  const bool changes_at_once = access == O_WRONLY || (info->flags & O_TRUNC) != 0 || may_be_passed;
  if (!changes_at_once && !is_passed_through(core, id)) {
    if (auto handle = open_known(core, id, info->flags)) {
      const OpenOut out = open_out(core, std::move(handle));
      if (!reply.opened(out)) close_handle(core, take_handle(out.handle));
      return;
    }
  }
  core.launch(open_task(&core, reply.park(), id, info->flags));
}

/// Nothing to publish and nothing to tell.
bool is_settled(const OpenFile& file) {
  const FileState state = file.state();
  return !state.is_dirty && !state.write_error;
}

/// Published under its delegation after the last close, without anybody waiting: until then,
/// whoever wants the bytes recalls them.
bool can_wait(const Core& core, const OpenFile& file) {
  const FileState state = file.state();
  return core.options.delegation && !core.options.sync && !state.write_error &&
         core.may_write(state);
}

void flush(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  Core& core = core_of(request);
  Reply reply(core, request);
  const std::shared_ptr<FileHandle> handle = handle_of(info->fh);
  if (handle->is_writable()) {
    handle->file()->update([](FileState& state) { state.is_flushed = true; });
  }
  // POSIX: when a process closes a file, by any of its descriptors, all its locks on it go.
  const LockTable::Key owner{InodeId(inode), wire::LockKind::posix, info->lock_owner};
  const bool has_locks = core.locks.holds(owner);
  if (has_locks) unlock(core, owner);
  const bool is_clean =
      !handle->is_writable() || is_settled(*handle->file()) || can_wait(core, *handle->file());
  if (!is_clean) {
    core.launch(flush_task(&core, reply.park(), handle, owner));
  } else if (has_locks) {
    core.launch(unlocked_task(&core, reply.park(), owner));
  } else {
    reply.ok();
  }
}

void release(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  Core& core = core_of(request);
  Reply reply(core, request);
  std::shared_ptr<FileHandle> handle = take_handle(info->fh);
  unlock_handle(core, *handle);
  close_handle_here(core, std::move(handle));
  reply.ok();
}

void fsync(fuse_req_t request, fuse_ino_t, int, fuse_file_info* info) {
  Core& core = core_of(request);
  Reply reply(core, request);
  core.launch(fsync_task(&core, reply.park(), handle_of(info->fh)));
}

}  // namespace

void add_file_ops(fuse_lowlevel_ops& ops) {
  ops.open = open;
  ops.flush = flush;
  ops.release = release;
  ops.fsync = fsync;
}

}  // namespace shoal::fs::ops
