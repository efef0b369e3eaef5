// SPDX-License-Identifier: MIT
#include "fs/mount_backing.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fuse_lowlevel.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace shoal::fs {
namespace {

// Of <linux/fuse.h> since 6.9; the oldest headers that we build with lack them.
struct BackingMap {
  std::int32_t fd = -1;
  std::uint32_t flags = 0;
  std::uint64_t padding = 0;
};
constexpr unsigned kDeviceType = 229;
constexpr unsigned long kBackingOpen = _IOW(kDeviceType, 1, BackingMap);
constexpr unsigned long kBackingClose = _IOW(kDeviceType, 2, std::uint32_t);

/// How FUSE names an inode in a file handle: FILEID_INO64_GEN.
constexpr int kHandleType = 0x81;
/// That reply.cc gives to every inode.
constexpr std::uint32_t kGeneration = 1;

/// An attribute that is refused at once, so that setting it does nothing but take the lock.
constexpr const char* kRefusedXattr = "user.shoal.lock";

}  // namespace

bool library_can_pass_through() { return FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17); }

Result<std::int32_t> open_backing(fuse_session* session, const base::Fd& file) {
  BackingMap map;
  map.fd = file.get();
  const int number = ioctl(fuse_session_fd(session), kBackingOpen, &map);
  if (number <= 0) return base::fail_errno(number < 0 ? errno : EINVAL, "registering a file");
  return number;
}

void close_backing(fuse_session* session, std::int32_t backing) {
  auto number = static_cast<std::uint32_t>(backing);
  const int closed = ioctl(fuse_session_fd(session), kBackingClose, &number);
  (void)closed;  // it goes with the connection
}

bool wait_for_inode_lock(const std::string& mount_point, InodeId inode) {
  // Not O_PATH, which open_by_handle_at(2) does not take; not kept, for it would keep the mount
  // busy.
  const auto root = base::open_file(mount_point, O_RDONLY | O_DIRECTORY);
  if (!root) return false;
  constexpr std::size_t kWords = 3;
  alignas(file_handle) std::array<std::byte, sizeof(file_handle) + kWords * 4> space{};
  auto* handle = reinterpret_cast<file_handle*>(space.data());
  handle->handle_bytes = kWords * 4;
  handle->handle_type = kHandleType;
  const std::array<std::uint32_t, kWords> words{static_cast<std::uint32_t>(inode.value() >> 32),
                                                static_cast<std::uint32_t>(inode.value()),
                                                kGeneration};
  std::memcpy(space.data() + offsetof(file_handle, f_handle), words.data(), sizeof words);
  const base::Fd file(open_by_handle_at(root->get(), handle, O_PATH | O_CLOEXEC));
  if (!file) return false;
  const std::string path = fmt::format("/proc/self/fd/{}", file.get());
  const char value = 0;
  if (setxattr(path.c_str(), kRefusedXattr, &value, 1, 0) == 0) return true;
  return errno == EPERM || errno == EACCES || errno == EOPNOTSUPP;
}

}  // namespace shoal::fs
