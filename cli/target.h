// SPDX-License-Identifier: MIT
// Which daemon a verb talks to when the user did not say it in full.
#pragma once

#include <string>
#include <vector>

#include "cli/client.h"

namespace shoal::cli {

struct Target {
  std::string dir;  ///< the daemon's folder
  bool is_tracker = false;

  bool operator==(const Target&) const = default;
  std::string control_socket() const { return dir + "/control.sock"; }
};

enum class Wanted {
  anyone,  ///< answers about the swarm: a peer, or else a tracker
  peer,
  tracker,
};

struct TargetQuery {
  std::string dir;  ///< --dir, empty when not given: a peer's, a tracker's or a lab's folder
  /// Absolute: the path or mount point the verb is about. When it is in no mount of a swarm, the
  /// working directory counts instead.
  std::string path;
  Wanted wanted = Wanted::anyone;
};

/// The candidates in the order to try them: --dir; $SHOAL_DIR; the daemon of the mount that holds
/// path; $SHOAL_LAB; the user's and the system's standard folders; the lab started last. With --dir
/// or $SHOAL_DIR there are no others. Errors: not_found (dir holds no daemon's files).
Result<std::vector<Target>> find_targets(const TargetQuery& query);

struct Connected {
  Target target;
  Client client;
};
/// Connects to the first candidate that answers. Errors: unreachable, with what to do.
Result<Connected> connect_target(const TargetQuery& query);

/// The folder of the peer daemon that mounts at `point`; empty when none is found.
std::string peer_dir_of_mount(const std::string& point);

}  // namespace shoal::cli
