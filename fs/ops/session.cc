// SPDX-License-Identifier: MIT
// INIT, FORGET, STATFS, and the table of all operations.
#include "fs/ops/ops.h"

namespace shoal::fs::ops {
namespace {

constexpr unsigned kMaxWriteBytes = 1024 * 1024;
/// Requests that the kernel sends without a process waiting: readahead and written mappings.
constexpr unsigned kMaxBackground = 64;

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
void want(fuse_conn_info* connection, std::uint64_t flag) {
  fuse_set_feature_flag(connection, flag);
}
void refuse(fuse_conn_info* connection, std::uint64_t flag) {
  fuse_unset_feature_flag(connection, flag);
}
#else
void want(fuse_conn_info* connection, unsigned flag) {
  if ((connection->capable & flag) != 0) connection->want |= flag;
}
void refuse(fuse_conn_info* connection, unsigned flag) { connection->want &= ~flag; }
#endif

void init(void* userdata, fuse_conn_info* connection) {
  Core& core = *static_cast<Core*>(userdata);
  connection->max_write = kMaxWriteBytes;
  connection->max_background = kMaxBackground;
  connection->congestion_threshold = kMaxBackground * 3 / 4;
  connection->time_gran = 1;
  want(connection, FUSE_CAP_ASYNC_READ);
  want(connection, FUSE_CAP_ATOMIC_O_TRUNC);
  want(connection, FUSE_CAP_EXPORT_SUPPORT);
  want(connection, FUSE_CAP_PARALLEL_DIROPS);
  want(connection, FUSE_CAP_READDIRPLUS);
  want(connection, FUSE_CAP_READDIRPLUS_AUTO);
  want(connection, FUSE_CAP_CACHE_SYMLINKS);
  want(connection, FUSE_CAP_POSIX_LOCKS);
  want(connection, FUSE_CAP_FLOCK_LOCKS);
  // Pages go when an event says so: a file that is written here keeps its own.
  want(connection, FUSE_CAP_EXPLICIT_INVAL_DATA);
  refuse(connection, FUSE_CAP_AUTO_INVAL_DATA);
  // A direct read that is sent asynchronously waits for its answer even when it is being killed.
  refuse(connection, FUSE_CAP_ASYNC_DIO);
  // The kernel drops set-id bits and capabilities itself, by SETATTR and REMOVEXATTR.
  refuse(connection, FUSE_CAP_HANDLE_KILLPRIV);
  // With several writers the kernel must not own size and time of a file.
  refuse(connection, FUSE_CAP_WRITEBACK_CACHE);
  if (core.passthrough) {
    bool can_pass = false;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
    can_pass = fuse_set_feature_flag(connection, FUSE_CAP_PASSTHROUGH);
#endif
    core.passthrough->set_kernel_support(can_pass);
  }
  core.kernel_minor = connection->proto_minor;
  core.on_init();
}

void forget(fuse_req_t request, fuse_ino_t inode, std::uint64_t count) {
  core_of(request).table.forget(InodeId(inode), count);
  fuse_reply_none(request);
}

void forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) {
  for (std::size_t i = 0; i < count; ++i) {
    core_of(request).table.forget(InodeId(forgets[i].ino), forgets[i].nlookup);
  }
  fuse_reply_none(request);
}

void statfs(fuse_req_t request, fuse_ino_t) {
  Core& core = core_of(request);
  Reply(core, request).statfs(core.tracker.totals());
}

}  // namespace

void add_session_ops(fuse_lowlevel_ops& ops) {
  ops.init = init;
  ops.forget = forget;
  ops.forget_multi = forget_multi;
  ops.statfs = statfs;
}

fuse_lowlevel_ops make_ops() {
  fuse_lowlevel_ops ops{};
  add_session_ops(ops);
  add_name_ops(ops);
  add_removal_ops(ops);
  add_attribute_ops(ops);
  add_directory_ops(ops);
  add_file_ops(ops);
  add_data_ops(ops);
  add_lock_ops(ops);
  add_xattr_ops(ops);
  return ops;
}

}  // namespace shoal::fs::ops
