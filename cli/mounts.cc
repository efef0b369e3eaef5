// SPDX-License-Identifier: MIT
#include "cli/mounts.h"

#include <unistd.h>

#include <chrono>

#include "cli/process.h"

namespace shoal::cli {

bool is_within(std::string_view path, std::string_view folder) {
  if (folder == "/") return path.starts_with('/');
  return path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

std::optional<Mount> mount_holding(const std::vector<Mount>& mounts, std::string_view path) {
  std::optional<Mount> best;
  for (const Mount& mount : mounts) {
    if (!is_within(path, mount.point)) continue;
    if (!best || mount.point.size() >= best->point.size()) best = mount;
  }
  return best;
}

bool is_dead_mount(const std::string& point) {
  constexpr std::chrono::seconds kPatience{3};
  return mount_at(current_mounts(), point) &&
         base::ask_mount(point, kPatience) == base::MountAnswer::dead;
}

Result<void> check_can_mount() {
  if (::access("/dev/fuse", F_OK) != 0) {
    return fail(
        Errc::unsupported,
        "there is no /dev/fuse here, so nothing can be mounted: load the kernel's module "
        "(modprobe fuse), or start the container with --device /dev/fuse --cap-add SYS_ADMIN");
  }
  if (::access("/dev/fuse", R_OK | W_OK) != 0) {
    return fail(Errc::access_denied,
                "/dev/fuse may not be opened by this user, so nothing can be mounted: as root, "
                "chmod 666 /dev/fuse (which is what Debian sets), or start the container with "
                "--device /dev/fuse --cap-add SYS_ADMIN");
  }
  if (::geteuid() != 0 && find_in_path("fusermount3").empty()) {
    return fail(Errc::unsupported,
                "fusermount3 is missing, which mounts for users other than root: install the "
                "package fuse3");
  }
  return {};
}

}  // namespace shoal::cli
