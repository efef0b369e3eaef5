// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "peerd/settings.h"

namespace shoal::peerd {

/// Exit codes of the program.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnreachable = 4;
inline constexpr int kExitUnauthenticated = 5;

struct RunOptions {
  std::string dir;
  Settings settings;
};

/// Runs the daemon in the foreground until SIGTERM or SIGINT; the exit code.
/// In DIR: peerd.pid, control.sock, members; ready stands there while it serves (and is mounted).
int run_peer(const RunOptions& options);

/// The code for an error that ends the program.
int exit_code_of(const Error& error);

}  // namespace shoal::peerd
