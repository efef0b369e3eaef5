// SPDX-License-Identifier: MIT
// Which mount a path is in, and whether one can be made; the mounts themselves are in base.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mounts.h"
#include "base/result.h"

namespace shoal::cli {

using base::current_mounts;
using base::detach_mount;
using base::Mount;
using base::mount_at;
using base::parse_mountinfo;

/// The mount that holds an absolute, normal path: the longest point that is a parent of it or the
/// path itself.
std::optional<Mount> mount_holding(const std::vector<Mount>& mounts, std::string_view path);
/// Whether path is folder or lies in it. Both absolute and normal.
bool is_within(std::string_view path, std::string_view folder);

/// Whether there is a mount at point that no daemon stands behind any more. Waits some seconds at
/// most, for a daemon that does not answer.
bool is_dead_mount(const std::string& point);

/// Errors: unsupported or access_denied, with a sentence that says what to do, when nothing can be
/// mounted here.
Result<void> check_can_mount();

}  // namespace shoal::cli
