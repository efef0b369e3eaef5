// SPDX-License-Identifier: MIT
#include "fs/stat.h"

namespace shoal::fs {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

}  // namespace

mode_t kind_bits(wire::FileKind kind) {
  switch (kind) {
    case wire::FileKind::regular:
      return S_IFREG;
    case wire::FileKind::directory:
      return S_IFDIR;
    case wire::FileKind::symlink:
      return S_IFLNK;
    case wire::FileKind::fifo:
      return S_IFIFO;
    case wire::FileKind::socket:
      return S_IFSOCK;
    case wire::FileKind::char_device:
      return S_IFCHR;
    case wire::FileKind::block_device:
      return S_IFBLK;
  }
  return S_IFREG;
}

wire::FileKind kind_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return wire::FileKind::directory;
    case S_IFLNK:
      return wire::FileKind::symlink;
    case S_IFIFO:
      return wire::FileKind::fifo;
    case S_IFSOCK:
      return wire::FileKind::socket;
    case S_IFCHR:
      return wire::FileKind::char_device;
    case S_IFBLK:
      return wire::FileKind::block_device;
    default:
      return wire::FileKind::regular;
  }
}

timespec time_of(std::int64_t nanoseconds) {
  timespec time{};
  time.tv_sec = nanoseconds / kSecond;
  time.tv_nsec = nanoseconds % kSecond;
  if (time.tv_nsec < 0) {  // before 1970
    time.tv_nsec += kSecond;
    --time.tv_sec;
  }
  return time;
}

std::int64_t nanoseconds_of(const timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * kSecond + time.tv_nsec;
}

struct stat stat_of(const wire::InodeRecord& record) {
  const wire::Attributes& attributes = record.attributes;
  struct stat out{};
  out.st_ino = record.inode.value();
  out.st_mode = kind_bits(attributes.kind) | (attributes.mode & 07777);
  out.st_nlink = attributes.nlink;
  out.st_uid = attributes.uid;
  out.st_gid = attributes.gid;
  out.st_rdev = attributes.rdev;
  out.st_size = static_cast<off_t>(attributes.size);
  out.st_blksize = 1024 * 1024;
  out.st_blocks = static_cast<blkcnt_t>((attributes.allocated_bytes + 511) / 512);
  out.st_atim = time_of(attributes.atime);
  out.st_mtim = time_of(attributes.mtime);
  out.st_ctim = time_of(attributes.ctime);
  return out;
}

}  // namespace shoal::fs
