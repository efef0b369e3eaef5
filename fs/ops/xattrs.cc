// SPDX-License-Identifier: MIT
// GETXATTR, LISTXATTR, SETXATTR, REMOVEXATTR.
#include "fs/xattrs.h"

#include <cerrno>

#include "fs/ops/ops.h"

namespace shoal::fs::ops {
namespace {

void getxattr(fuse_req_t request, fuse_ino_t inode, const char* name_text, std::size_t size) {
  Core& core = core_of(request);
  Reply reply(core, request);
  const InodeId id(inode);
  const std::string name(name_text);
  switch (xattr_space(name)) {
    case XattrSpace::refused:
      reply.error(EOPNOTSUPP);
      return;
    case XattrSpace::shoal:
      core.launch(shoal_xattr_task(&core, reply.park(), id, name, size));
      return;
    case XattrSpace::stored:
      break;
  }
  if (answer_xattr_from_memory(core, reply, id, name, size)) return;
  core.launch(get_xattr_task(&core, reply.park(), id, name, size));
}

void listxattr(fuse_req_t request, fuse_ino_t inode, std::size_t size) {
  Core& core = core_of(request);
  Reply reply(core, request);
  const InodeId id(inode);
  const bool is_root = fuse_req_ctx(request)->uid == 0;
  if (answer_xattr_list_from_memory(core, reply, id, size, is_root)) return;
  core.launch(list_xattrs_task(&core, reply.park(), id, size, is_root));
}

/// False, and answered, for names that nobody may set.
bool may_change(Reply& reply, const char* name) {
  switch (xattr_space(name)) {
    case XattrSpace::refused:
      reply.error(EOPNOTSUPP);
      return false;
    case XattrSpace::shoal:
      reply.error(EPERM);
      return false;
    case XattrSpace::stored:
      return true;
  }
  return false;
}

void setxattr(fuse_req_t request, fuse_ino_t inode, const char* name, const char* value,
              std::size_t size, int flags) {
  Core& core = core_of(request);
  Reply reply(core, request);
  if (!may_change(reply, name)) return;
  const ByteView bytes = as_bytes(std::string_view(value, size));
  core.launch(set_xattr_task(&core, reply.park(), InodeId(inode), name,
                             Bytes(bytes.begin(), bytes.end()), flags));
}

void removexattr(fuse_req_t request, fuse_ino_t inode, const char* name) {
  Core& core = core_of(request);
  Reply reply(core, request);
  if (!may_change(reply, name)) return;
  core.launch(remove_xattr_task(&core, reply.park(), InodeId(inode), name));
}

}  // namespace

void add_xattr_ops(fuse_lowlevel_ops& ops) {
  ops.getxattr = getxattr;
  ops.listxattr = listxattr;
  ops.setxattr = setxattr;
  ops.removexattr = removexattr;
}

}  // namespace shoal::fs::ops
