// SPDX-License-Identifier: MIT
// GETATTR, SETATTR, READLINK.
#include "fs/attributes.h"

#include <cerrno>

#include "fs/answers.h"
#include "fs/files.h"
#include "fs/ops/ops.h"
#include "fs/stat.h"

namespace shoal::fs::ops {
namespace {

void getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
  Core& core = core_of(request);
  Reply reply(core, request);
  if (answer_attributes_from_memory(core, reply, InodeId(inode))) return;
  core.launch(get_attributes_task(&core, reply.park(), InodeId(inode)));
}

AttributeChange change_of(const Core& core, const struct stat& wanted, int mask) {
  AttributeChange change;
  if ((mask & FUSE_SET_ATTR_MODE) != 0) change.mode = wanted.st_mode & 07777;
  if ((mask & FUSE_SET_ATTR_UID) != 0) change.uid = wanted.st_uid;
  if ((mask & FUSE_SET_ATTR_GID) != 0) change.gid = wanted.st_gid;
  if ((mask & FUSE_SET_ATTR_SIZE) != 0) change.size = static_cast<std::uint64_t>(wanted.st_size);
  if ((mask & FUSE_SET_ATTR_ATIME_NOW) != 0) {
    change.atime = core.wall_nanoseconds();
  } else if ((mask & FUSE_SET_ATTR_ATIME) != 0) {
    change.atime = nanoseconds_of(wanted.st_atim);
  }
  if ((mask & FUSE_SET_ATTR_MTIME_NOW) != 0) {
    change.mtime = core.wall_nanoseconds();
  } else if ((mask & FUSE_SET_ATTR_MTIME) != 0) {
    change.mtime = nanoseconds_of(wanted.st_mtim);
  }
  // A size sets the time by itself.
  if (change.size && (mask & FUSE_SET_ATTR_MTIME_NOW) != 0) change.mtime.reset();
  return change;
}

void setattr(fuse_req_t request, fuse_ino_t inode, struct stat* wanted, int mask,
             fuse_file_info* info) {
  Core& core = core_of(request);
  Reply reply(core, request);
  const bool cuts = (mask & FUSE_SET_ATTR_SIZE) != 0;
  if (cuts && info != nullptr && handle_of(info->fh)->has_lost_locks()) {
    reply.error(EIO);
    return;
  }
  const AttributeChange change = change_of(core, *wanted, mask);
  if (set_attributes_here(core, reply, InodeId(inode), change)) return;
  core.launch(set_attributes_task(&core, reply.park(), InodeId(inode), change));
}

void readlink(fuse_req_t request, fuse_ino_t inode) {
  Core& core = core_of(request);
  Reply reply(core, request);
  const auto record = core.volume.find_inode(InodeId(inode));
  if (record && record->attributes.kind == wire::FileKind::symlink) {
    reply.target(record->target);
    return;
  }
  core.launch(readlink_task(&core, reply.park(), InodeId(inode)));
}

}  // namespace

void add_attribute_ops(fuse_lowlevel_ops& ops) {
  ops.getattr = getattr;
  ops.setattr = setattr;
  ops.readlink = readlink;
}

}  // namespace shoal::fs::ops
