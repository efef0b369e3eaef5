// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace shoal::cli {

/// $name, or empty.
std::string environment(const char* name);

/// The absolute path without links, "." and ".."; what does not exist is taken as it is written.
Result<std::string> real_path(const std::string& path);

/// Where what this user's tools remember lies: $XDG_STATE_HOME/shoal or ~/.local/state/shoal; empty
/// without a home.
std::string user_state_folder();

/// A path in the swarm in its normal form: begins with '/', no empty, "." or ".." components, no
/// '/' at the end. ".." at the root stays there.
std::string swarm_path(std::string_view path);

/// What a user means by path, as a path in the swarm: a path below the mount point (given whole or
/// relative to folder, the working directory) is meant there, any other from the swarm's root.
/// mount_point is empty when nothing is mounted. All absolute ones normal.
std::string swarm_path_of(std::string_view path, std::string_view folder,
                          std::string_view mount_point);

/// The last component; "/" for the root.
std::string_view base_name(std::string_view path);

}  // namespace shoal::cli
