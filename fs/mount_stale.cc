// SPDX-License-Identifier: MIT
// What a daemon that died leaves behind: a mount point that answers ENOTCONN.
#include "base/log.h"
#include "base/mounts.h"
#include "fs/file_system.h"

namespace shoal::fs {

Result<void> clear_stale_mount(const std::string& mount_point) {
  constexpr std::chrono::seconds kPatience{5};
  const std::string path = base::mount_point_path(mount_point);
  const auto mount = base::mount_at(base::current_mounts(), path);
  if (!mount || !mount->type.starts_with("fuse")) return {};
  switch (base::ask_mount(path, kPatience)) {
    case base::MountAnswer::dead:
      break;
    case base::MountAnswer::alive:
      return fail(Errc::busy, "{} is mounted already, by a daemon that is running", path);
    case base::MountAnswer::silent:
      return fail(Errc::busy,
                  "{} is mounted by a daemon that does not answer: end that, or run `shoal umount "
                  "--lazy {}`",
                  path, path);
  }
  // Several daemons may have died on one another; what is below a dead one is not in use.
  auto detached = base::detach_mount(path);
  if (!detached) {
    return fail(detached.error().code(), "the dead mount on {}: {}", path,
                detached.error().context());
  }
  base::log_info("detached the mount of a daemon that died path={}", path);
  return {};
}

}  // namespace shoal::fs
