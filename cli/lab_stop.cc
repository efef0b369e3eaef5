// SPDX-License-Identifier: MIT
#include "cli/lab_verbs.h"

namespace shoal::cli {
namespace {

/// A peer publishes what is unsent before it ends.
constexpr std::chrono::seconds kPeerPatience{30};
constexpr std::chrono::seconds kTrackerPatience{20};

/// Stops some daemons together, so that they do not wait for each other's turn.
Result<void> stop_together(const std::vector<LabDaemon>& daemons, Duration patience,
                           const Say& say) {
  Result<void> outcome;
  const auto failed = [&](const Error& error) {
    say(error.context());
    if (outcome) outcome = std::unexpected(error);
  };
  std::vector<std::optional<ProcessHandle>> processes;
  for (const LabDaemon& daemon : daemons) {
    auto process = ask_lab_daemon_to_end(daemon);
    if (!process) failed(process.error());
    processes.push_back(process ? std::move(*process) : std::nullopt);
  }
  for (std::size_t i = 0; i < daemons.size(); ++i) {
    const auto stopped = finish_lab_daemon(daemons[i], processes[i], patience);
    if (!stopped) {
      failed(stopped.error());
    } else if (*stopped) {
      say(fmt::format("{} did not end in time and was killed", daemons[i].name));
    } else if (processes[i]) {
      say(fmt::format("{} has stopped", daemons[i].name));
    }
  }
  return outcome;
}

}  // namespace

Result<void> stop_lab(const Lab& lab, const Say& say) {
  auto peers = stop_together(lab.peers(), kPeerPatience, say);
  auto tracker = stop_together({lab.tracker()}, kTrackerPatience, say);
  return peers ? tracker : peers;
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
