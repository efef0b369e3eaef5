// SPDX-License-Identifier: MIT
// GETLK, SETLK, SETLKW, and flock(2), which comes as one of them.
#include "fs/locks.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "fs/files.h"
#include "fs/ops/ops.h"

namespace shoal::fs::ops {
namespace {

/// libfuse tells "to the end" as length 0.
LockCall call_of(InodeId inode, const fuse_file_info& info, const struct flock& lock) {
  LockCall call;
  call.key = {inode, wire::LockKind::posix, info.lock_owner};
  call.piece.type = lock.l_type == F_WRLCK ? wire::LockType::write : wire::LockType::read;
  call.piece.range.first = static_cast<std::uint64_t>(lock.l_start);
  if (lock.l_len > 0) {
    call.piece.range.last = call.piece.range.first + static_cast<std::uint64_t>(lock.l_len) - 1;
  }
  call.pid = static_cast<std::uint32_t>(lock.l_pid);
  return call;
}

void start_lock(Core& core, Reply reply, const fuse_file_info& info, const LockCall& call) {
  auto over = std::make_shared<base::Signal>(core.env.loop.get_executor());
  core.launch(lock_task(&core, reply.park(over), handle_of(info.fh), call, over));
}

void start_unlock(Core& core, Reply reply, const LockCall& call) {
  if (!core.locks.holds(call.key, call.piece.range)) {
    reply.ok();
    return;
  }
  unlock(core, call.key, call.piece.range);
  core.launch(unlocked_task(&core, reply.park(), call.key));
}

void getlk(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info, struct flock* lock) {
  Core& core = core_of(request);
  Reply reply(core, request);
  core.launch(test_lock_task(&core, reply.park(), call_of(InodeId(inode), *info, *lock)));
}

void setlk(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info, struct flock* lock,
           int sleep) {
  Core& core = core_of(request);
  Reply reply(core, request);
  LockCall call = call_of(InodeId(inode), *info, *lock);
  call.wait = sleep != 0;
  if (lock->l_type == F_UNLCK) {
    start_unlock(core, std::move(reply), call);
  } else {
    start_lock(core, std::move(reply), *info, call);
  }
}

void flock(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info, int operation) {
  Core& core = core_of(request);
  Reply reply(core, request);
  LockCall call;
  call.key = {InodeId(inode), wire::LockKind::flock, info->lock_owner};
  call.piece.type = (operation & LOCK_EX) != 0 ? wire::LockType::write : wire::LockType::read;
  call.pid = static_cast<std::uint32_t>(fuse_req_ctx(request)->pid);
  call.wait = (operation & LOCK_NB) == 0;
  if ((operation & LOCK_UN) != 0) {
    start_unlock(core, std::move(reply), call);
  } else {
    start_lock(core, std::move(reply), *info, call);
  }
}

}  // namespace

void add_lock_ops(fuse_lowlevel_ops& ops) {
  ops.getlk = getlk;
  ops.setlk = setlk;
  ops.flock = flock;
}

}  // namespace shoal::fs::ops
