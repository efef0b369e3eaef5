// SPDX-License-Identifier: MIT
#include "cli/lab_verbs.h"

namespace shoal::cli {

Result<ExitCode> run_lab_kill(const LabDaemonOptions& options, const Output& output) {
  auto dir = lab_dir_of(options.dir);
  if (!dir) return pass(dir);
  const auto lab = load_lab(*dir);
  if (!lab) return pass(lab);
  const auto daemon = lab->daemon(options.daemon);
  if (!daemon) return pass(daemon);
  auto lock = lock_lab(*dir);
  if (!lock) return pass(lock);
  const auto pid = kill_lab_daemon(*daemon);
  if (!pid) return pass(pid);
  output.say(fmt::format("{} (process {}) is killed{}; `shoal lab restart {}` brings it back",
                         daemon->name, *pid, daemon->is_tracker() ? "" : " and its mount is dead",
                         daemon->name));
  return ExitCode::ok;
}

}  // namespace shoal::cli
