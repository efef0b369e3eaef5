// SPDX-License-Identifier: MIT
// UNLINK, RMDIR, RENAME.
#include "fs/removals.h"

#include <cerrno>
#include <cstdio>

#include "fs/ops/ops.h"

namespace shoal::fs::ops {
namespace {

using RemovalHere = bool (*)(Core&, Reply&, const NameRef&);
using RemovalTask = Task<void> (*)(Core*, Reply, DirectoryChange, InodeId, std::string);

void remove_name(fuse_req_t request, fuse_ino_t parent, const char* name, RemovalHere here,
                 RemovalTask task) {
  Core& core = core_of(request);
  Reply reply(core, request);
  if (is_name_too_long(name)) {
    reply.error(ENAMETOOLONG);
    return;
  }
  if (here(core, reply, {InodeId(parent), name})) return;
  DirectoryChange change(core.table, InodeId(parent));
  core.launch(task(&core, reply.park(), std::move(change), InodeId(parent), name));
}

void unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  remove_name(request, parent, name, unlink_here, unlink_task);
}

void rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
  remove_name(request, parent, name, rmdir_here, rmdir_task);
}

void rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
            const char* new_name, unsigned flags) {
  Core& core = core_of(request);
  Reply reply(core, request);
  if (is_name_too_long(name) || is_name_too_long(new_name)) {
    reply.error(ENAMETOOLONG);
    return;
  }
  Move move{{InodeId(parent), name}, {InodeId(new_parent), new_name}, 0};
  if ((flags & RENAME_NOREPLACE) != 0) move.flags |= wire::Rename::kNoReplace;
  if ((flags & RENAME_EXCHANGE) != 0) move.flags |= wire::Rename::kExchange;
  if ((flags & ~static_cast<unsigned>(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) {
    reply.error(EINVAL);
    return;
  }
  if (rename_here(core, reply, move)) return;
  DirectoryChange change(core.table, InodeId(parent), InodeId(new_parent));
  core.launch(rename_task(&core, reply.park(), std::move(change), std::move(move)));
}

}  // namespace

void add_removal_ops(fuse_lowlevel_ops& ops) {
  ops.unlink = unlink;
  ops.rmdir = rmdir;
  ops.rename = rename;
}

}  // namespace shoal::fs::ops
