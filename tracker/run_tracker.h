// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "tracker/settings.h"

namespace shoal::tracker {

struct RunOptions {
  std::string dir;
  Settings settings;
};

/// Runs the daemon in the foreground until SIGTERM or SIGINT; the exit code (base/daemon.h).
/// In DIR: trackerd.pid, control.sock; endpoint stands there while it serves, with the real port.
int run_tracker(const RunOptions& options);

}  // namespace shoal::tracker
