// SPDX-License-Identifier: MIT
// The kernel's table of mounts, and getting rid of a mount whose daemon has died.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace shoal::cli {

struct Mount {
  std::string point;
  std::string type;    ///< "fuse.shoal", "ext4", ...
  std::string source;  ///< what df shows in its first column

  bool operator==(const Mount&) const = default;
  bool is_shoal() const { return type == "fuse.shoal"; }
};

/// The mounts in a text like /proc/self/mountinfo, in its order; lines that do not parse are left
/// out. Source: proc(5).
std::vector<Mount> parse_mountinfo(std::string_view text);
/// Those of this process.
std::vector<Mount> current_mounts();

/// The last mount at exactly this point, which is the one that is seen.
std::optional<Mount> mount_at(const std::vector<Mount>& mounts, std::string_view point);
/// The mount that holds an absolute, normal path: the longest point that is a parent of it or the
/// path itself.
std::optional<Mount> mount_holding(const std::vector<Mount>& mounts, std::string_view path);
/// Whether path is folder or lies in it. Both absolute and normal.
bool is_within(std::string_view path, std::string_view folder);

/// Whether there is a mount at point that no daemon stands behind any more. Waits some seconds at
/// most, for a daemon that does not answer.
bool is_dead_mount(const std::string& point);

/// Takes the mount at point away even while it is in use. A point that is no mount is fine.
/// Errors: what the system or fusermount3 said.
Result<void> detach_mount(const std::string& point);

/// Errors: unsupported or access_denied, with a sentence that says what to do, when nothing can be
/// mounted here.
Result<void> check_can_mount();

}  // namespace shoal::cli
