// SPDX-License-Identifier: MIT
#include <signal.h>

#include "cli/lab_verbs.h"
#include "cli/mounts.h"

namespace shoal::cli {
namespace {

/// A peer publishes what is unsent before it ends.
constexpr std::chrono::seconds kPeerPatience{30};
constexpr std::chrono::seconds kTrackerPatience{20};

/// Peers that stop together do not wait for each other's turn.
void ask_all_to_end(const std::vector<LabDaemon>& daemons) {
  for (const LabDaemon& daemon : daemons) {
    const auto facts = daemon.process();
    if (!facts) continue;
    auto process = ProcessHandle::open(*facts);
    // What cannot be signalled now is reported when its turn comes.
    if (process) (void)process->signal(SIGTERM).has_value();
  }
}

}  // namespace

Result<void> stop_lab(const Lab& lab, const Say& say) {
  Result<void> outcome;
  const auto stop = [&](const LabDaemon& daemon, Duration patience) {
    const bool was_running = daemon.process().has_value();
    const auto stopped = stop_lab_daemon(daemon, patience);
    if (!stopped) {
      say(stopped.error().context());
      if (outcome) outcome = pass(stopped);
    } else if (*stopped) {
      say(fmt::format("{} did not end in time and was killed", daemon.name));
    } else if (was_running) {
      say(fmt::format("{} has stopped", daemon.name));
    }
  };
  ask_all_to_end(lab.peers());
  for (const LabDaemon& peer : lab.peers()) stop(peer, kPeerPatience);
  stop(lab.tracker(), kTrackerPatience);
  return outcome;
}

Result<ExitCode> run_lab_stop(const LabStopOptions& options, const Output& output) {
  auto dir = lab_dir_of(options.dir);
  if (!dir) return pass(dir);
  const auto lab = load_lab(*dir);
  if (!lab) return pass(lab);
  auto lock = lock_lab(*dir);
  if (!lock) return pass(lock);
  auto stopped = stop_lab(*lab, [&](std::string_view line) { output.say(line); });
  if (!stopped) return pass(stopped);
  output.say(
      fmt::format("the lab in {} is stopped; its files stay, `shoal lab start --dir {}` brings "
                  "it back",
                  lab->dir, lab->dir));
  return ExitCode::ok;
}

}  // namespace shoal::cli
