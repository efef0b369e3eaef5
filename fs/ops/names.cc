// SPDX-License-Identifier: MIT
// LOOKUP, and the operations that make names.
#include "fs/names.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "fs/answers.h"
#include "fs/ops/ops.h"
#include "fs/stat.h"

namespace shoal::fs::ops {
namespace {

void lookup(fuse_req_t request, fuse_ino_t parent, const char* name_text) {
  Core& core = core_of(request);
  Reply reply(core, request);
  const InodeId directory(parent);
  const std::string name(name_text);
  if (is_name_too_long(name_text)) {
    reply.error(ENAMETOOLONG);
  } else if (name == ".") {
    core.launch(lookup_inode_task(&core, reply.park(), directory));
  } else if (name == "..") {
    core.launch(lookup_parent_task(&core, reply.park(), directory));
  } else if (core.stale_retries.is_retrying(fuse_req_ctx(request)->pid, core.clock().steady())) {
    core.launch(lookup_again_task(&core, reply.park(), directory, name));
  } else if (!answer_name_from_memory(core, reply, directory, name)) {
    core.launch(lookup_task(&core, reply.park(), directory, name));
  }
}

/// The caller's supplementary groups.
std::vector<std::uint32_t> groups_of(fuse_req_t request) {
  constexpr int kMostGroups = 65'536;  // NGROUPS_MAX
  std::vector<gid_t> groups(64);
  int count = fuse_req_getgroups(request, static_cast<int>(groups.size()), groups.data());
  if (count > static_cast<int>(groups.size())) {
    groups.resize(static_cast<std::size_t>(std::min(count, kMostGroups)));
    count = fuse_req_getgroups(request, static_cast<int>(groups.size()), groups.data());
  }
  count = std::clamp(count, 0, static_cast<int>(groups.size()));
  return {groups.begin(), groups.begin() + count};
}

NewInode new_inode(fuse_req_t request, fuse_ino_t parent, const char* name, wire::FileKind kind,
                   mode_t mode) {
  const fuse_ctx* caller = fuse_req_ctx(request);
  NewInode made;
  made.directory = InodeId(parent);
  made.name = name;
  made.kind = kind;
  made.mode = mode & 07777;
  made.uid = caller->uid;
  made.gid = caller->gid;
  return made;
}

void make(fuse_req_t request, NewInode made) {
  Core& core = core_of(request);
  Reply reply(core, request);
  if (is_name_too_long(made.name.c_str())) {
    reply.error(ENAMETOOLONG);
    return;
  }
  if (make_here(core, reply, made)) return;
  DirectoryChange change(core.table, made.directory);
  core.launch(make_task(&core, reply.park(), std::move(change), std::move(made)));
}

void mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t device) {
  NewInode made = new_inode(request, parent, name, kind_of(mode), mode);
  made.rdev = device;
  make(request, std::move(made));
}

void mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  make(request, new_inode(request, parent, name, wire::FileKind::directory, mode));
}

void symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
  NewInode made = new_inode(request, parent, name, wire::FileKind::symlink, 0777);
  made.target = target;
  make(request, std::move(made));
}

void create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
            fuse_file_info* info) {
  Core& core = core_of(request);
  Reply reply(core, request);
  if (is_name_too_long(name)) {
    reply.error(ENAMETOOLONG);
    return;
  }
  NewInode made = new_inode(request, parent, name, wire::FileKind::regular, mode);
  if (create_here(core, reply, made, info->flags)) return;
  made.is_retry = core.stale_retries.is_retrying(fuse_req_ctx(request)->pid, core.clock().steady());
  if (made.is_retry) made.groups = groups_of(request);
  DirectoryChange change(core.table, made.directory);
  core.launch(create_task(&core, reply.park(), std::move(change), std::move(made), info->flags));
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
void tmpfile(fuse_req_t request, fuse_ino_t parent, mode_t mode, fuse_file_info* info) {
  Core& core = core_of(request);
  Reply reply(core, request);
  NewInode made = new_inode(request, parent, "", wire::FileKind::regular, mode);
  DirectoryChange change(core.table, made.directory);
  core.launch(create_task(&core, reply.park(), std::move(change), std::move(made), info->flags));
}
#endif

void link(fuse_req_t request, fuse_ino_t inode, fuse_ino_t parent, const char* name) {
  Core& core = core_of(request);
  Reply reply(core, request);
  if (is_name_too_long(name)) {
    reply.error(ENAMETOOLONG);
    return;
  }
  DirectoryChange change(core.table, InodeId(parent));
  core.launch(
      link_task(&core, reply.park(), std::move(change), InodeId(inode), InodeId(parent), name));
}

}  // namespace

void add_name_ops(fuse_lowlevel_ops& ops) {
  ops.lookup = lookup;
  ops.mknod = mknod;
  ops.mkdir = mkdir;
  ops.symlink = symlink;
  ops.create = create;
  ops.link = link;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
  ops.tmpfile = tmpfile;
#endif
}

}  // namespace shoal::fs::ops
