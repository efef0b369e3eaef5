// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "tracker/settings.h"

namespace shoal::tracker {

/// Exit codes of the program.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

struct RunOptions {
  std::string dir;
  Settings settings;
};

/// Runs the daemon in the foreground until SIGTERM or SIGINT; the exit code.
/// In DIR: trackerd.pid, control.sock; endpoint stands there while it serves, with the real port.
int run_tracker(const RunOptions& options);

}  // namespace shoal::tracker
