// SPDX-License-Identifier: MIT
// READ, WRITE, FALLOCATE, LSEEK, COPY_FILE_RANGE.
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "fs/copy_range.h"
#include "fs/files.h"
#include "fs/ops/ops.h"
#include "fs/pages.h"
#include "fs/read_path.h"
#include "fs/write_path.h"

namespace shoal::fs::ops {
namespace {

/// The kernel asks for less; a bound on what a request can make us allocate.
constexpr std::size_t kMaxReadBytes = 16 * 1024 * 1024;

void read(fuse_req_t request, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* info) {
  Core& core = core_of(request);
  Reply reply(core, request);
  const std::shared_ptr<FileHandle>& handle = handle_of(info->fh);
  handle->file()->read_begins();  // before anything is looked up: see events.cc
  thread_local Bytes buffer;
  size = std::min(size, kMaxReadBytes);
  if (buffer.size() < size) buffer.resize(size);
  const auto at = static_cast<std::uint64_t>(offset);
  const MutableByteView out = MutableByteView(buffer).first(size);
  if (handle->has_lost_locks()) {
    reply.error(EIO);
    return;
  }
  if (handle->file()->holds_reads()) {
    core.launch(read_task(&core, reply.park(), handle, at, size));
    return;
  }
  const auto got = read_in_place(core, *handle, at, out);
  if (!got) {
    core.launch(read_task(&core, reply.park(), handle, at, size));
  } else if (*got) {
    reply.bytes(out.first(**got));
  } else {
    reply.fail(got->error());
  }
}

void write(fuse_req_t request, fuse_ino_t, const char* data, std::size_t size, off_t offset,
           fuse_file_info* info) {
  Core& core = core_of(request);
  Reply reply(core, request);
  const std::shared_ptr<FileHandle>& handle = handle_of(info->fh);
  // What a mapping holds may have been written by anybody, while the locks were held too.
  if (handle->has_lost_locks() && info->writepage == 0) {
    reply.error(EIO);
    return;
  }
  const auto at = static_cast<std::uint64_t>(offset);
  const ByteView bytes = as_bytes(std::string_view(data, size));
  // Pages written by the kernel from a mapping have their place, whatever the handle's mode.
  const bool appends = handle->is_appending() && info->writepage == 0;
  const auto written = write_in_place(core, *handle->file(), appends, at, bytes);
  if (!written) {
    core.launch(
        write_task(&core, reply.park(), handle, appends, at, Bytes(bytes.begin(), bytes.end())));
  } else if (info->writepage != 0) {
    answer_write(core, reply, handle->inode(), at, *written);
  } else if (handle->file()->pages_in_doubt(core.clock().steady())) {
    finish_write(core, reply.park(), handle->file(), at, *written);
  } else {
    answer_write(core, reply, handle->inode(), at, *written);
  }
}

void fallocate(fuse_req_t request, fuse_ino_t, int mode, off_t offset, off_t length,
               fuse_file_info* info) {
  Core& core = core_of(request);
  Reply reply(core, request);
  if (handle_of(info->fh)->has_lost_locks()) {
    reply.error(EIO);
    return;
  }
  core.launch(fallocate_task(&core, reply.park(), handle_of(info->fh), mode,
                             static_cast<std::uint64_t>(offset),
                             static_cast<std::uint64_t>(length)));
}

void lseek(fuse_req_t request, fuse_ino_t, off_t offset, int whence, fuse_file_info* info) {
  Core& core = core_of(request);
  Reply reply(core, request);
  if (whence != SEEK_DATA && whence != SEEK_HOLE) {
    reply.error(EINVAL);
    return;
  }
  if (offset < 0) {
    reply.error(ENXIO);
    return;
  }
  core.launch(seek_task(&core, reply.park(), handle_of(info->fh),
                        static_cast<std::uint64_t>(offset), whence == SEEK_DATA));
}

void copy_file_range(fuse_req_t request, fuse_ino_t, off_t from_offset, fuse_file_info* from,
                     fuse_ino_t, off_t to_offset, fuse_file_info* to, std::size_t length, int) {
  Core& core = core_of(request);
  Reply reply(core, request);
  if (handle_of(from->fh)->has_lost_locks() || handle_of(to->fh)->has_lost_locks()) {
    reply.error(EIO);
    return;
  }
  const CopyRange range{static_cast<std::uint64_t>(from_offset),
                        static_cast<std::uint64_t>(to_offset), length};
  core.launch(copy_range_task(&core, reply.park(), handle_of(from->fh), handle_of(to->fh), range));
}

}  // namespace

void add_data_ops(fuse_lowlevel_ops& ops) {
  ops.read = read;
  ops.write = write;
  ops.fallocate = fallocate;
  ops.lseek = lseek;
  ops.copy_file_range = copy_file_range;
}

}  // namespace shoal::fs::ops
