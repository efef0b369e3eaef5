// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "peerd/settings.h"

namespace shoal::peerd {

struct RunOptions {
  std::string dir;
  Settings settings;
};

/// Runs the daemon in the foreground until SIGTERM or SIGINT; the exit code (base/daemon.h).
/// In DIR: peerd.pid, control.sock, members; ready stands there while it serves (and is mounted).
int run_peer(const RunOptions& options);

}  // namespace shoal::peerd
