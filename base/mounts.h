// SPDX-License-Identifier: MIT
// The kernel's table of mounts, and what can be done about a FUSE mount from outside: ask whether
// somebody stands behind it, end its connection, take it away. Nothing here hangs in a mount.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace shoal::base {

struct Mount {
  std::string point;
  std::string type;     ///< "fuse.shoal", "ext4", ...
  std::string source;   ///< what df shows in its first column
  unsigned device = 0;  ///< minor number; of a FUSE mount, the number of its connection

  bool operator==(const Mount&) const = default;
  bool is_shoal() const { return type == "fuse.shoal"; }
};

/// The mounts in a text like /proc/self/mountinfo, in its order; lines that do not parse are left
/// out. Pure. Source: proc(5).
std::vector<Mount> parse_mountinfo(std::string_view text);
/// Those of this process.
std::vector<Mount> current_mounts();
/// The last mount at exactly this point, which is the one that is seen.
std::optional<Mount> mount_at(const std::vector<Mount>& mounts, std::string_view point);

/// The path of a mount point without links and dots, as the table has it; the mount itself is not
/// asked about anything, only the folder that it lies in.
std::string mount_point_path(std::string_view path);

enum class MountAnswer {
  alive,
  dead,    ///< nobody stands behind it any more
  silent,  ///< no answer within the patience
};
/// Asks with a statfs, which the kernel never answers from memory, in a child process, which may
/// hang in it in our stead. Blocks for as long as patience.
MountAnswer ask_mount(const std::string& point, std::chrono::milliseconds patience);

/// A descriptor that ends the FUSE connection behind a mount when anything is written to it: all
/// requests fail at once, and calls that clear the kernel's caches return. It means this connection
/// for ever, and nothing once that is gone. Errors: unsupported (the kernel's control files can
/// neither be seen nor mounted by this user).
Result<Fd> open_abort(const Mount& mount);
/// Ends the connection behind a mount, however its daemon is. Never blocks. Errors: unsupported.
Result<void> abort_mount(const Mount& mount);

/// Takes the mount at point away even while it is in use. A point that is no mount is fine.
/// Errors: unsupported (no fusermount3), what the system said.
Result<void> detach_mount(const std::string& point);

/// A daemon that was killed cannot end while one of its threads waits in the kernel for a program
/// that in turn waits for the mount. When pid is such a process, the connection of the mount at
/// point is ended, which sets both free. Blocks until the process has ended, some seconds at most.
void let_killed_end(pid_t pid, const std::string& point);

}  // namespace shoal::base
