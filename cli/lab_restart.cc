// SPDX-License-Identifier: MIT
#include "cli/lab_verbs.h"

namespace shoal::cli {
namespace {

constexpr std::chrono::seconds kPatience{30};

}  // namespace

Result<ExitCode> run_lab_restart(const LabDaemonOptions& options, const Output& output) {
  auto dir = lab_dir_of(options.dir);
  if (!dir) return pass(dir);
  const auto lab = load_lab(*dir);
  if (!lab) return pass(lab);
  const auto daemon = lab->daemon(options.daemon);
  if (!daemon) return pass(daemon);
  auto lock = lock_lab(*dir);
  if (!lock) return pass(lock);

  if (!daemon->is_tracker() && !lab->tracker().process()) {
    return fail(
        Errc::unreachable,
        "the tracker is down, and no peer can start without it: `shoal lab restart tracker` "
        "first");
  }
  catch_interrupts();
  const auto stopped = stop_lab_daemon(*daemon, kPatience);
  if (!stopped) return pass(stopped);
  if (*stopped) output.say(fmt::format("{} did not end in time and was killed", daemon->name));
  auto started = start_lab_daemon(*daemon);
  if (!started) return pass(started);
  output.say(daemon->is_tracker()
                 ? "the tracker is up again"
                 : fmt::format("{} is up again, mounted at {}", daemon->name, daemon->mount));
  return ExitCode::ok;
}

}  // namespace shoal::cli
