// SPDX-License-Identifier: MIT
// The verbs of `shoal lab`. An error that leaves one is printed by main; its kind gives the status.
#pragma once

#include <optional>
#include <string>

#include "cli/exit_code.h"
#include "cli/lab.h"
#include "cli/output.h"

namespace shoal::cli {

struct LabStartOptions {
  std::string dir;
  int peers = 0;                                  ///< 0: as many as the lab has, or three
  int copies = 0;                                 ///< 0: as the lab has, or two
  std::optional<std::string> mount_options = {};  ///< unset: as the lab has, or none
};
Result<ExitCode> run_lab_start(const LabStartOptions& options, const Output& output);

struct LabStatusOptions {
  std::string dir;
};
Result<ExitCode> run_lab_status(const LabStatusOptions& options, const Output& output);

struct LabDaemonOptions {
  std::string dir;
  std::string daemon;
};
Result<ExitCode> run_lab_kill(const LabDaemonOptions& options, const Output& output);
Result<ExitCode> run_lab_restart(const LabDaemonOptions& options, const Output& output);

struct LabStopOptions {
  std::string dir;
};
Result<ExitCode> run_lab_stop(const LabStopOptions& options, const Output& output);

/// Stops peers first, so that they can publish, then the tracker. Errors: what could not be
/// stopped; the others are stopped all the same.
Result<void> stop_lab(const Lab& lab, const Say& say);

// ---- what a lab looks like -------------------------------------------------------------------

struct LabPeerState {
  LabDaemon daemon;
  std::optional<ProcessFacts> process;
  bool is_mounted = false;  ///< and a daemon stands behind it
  bool has_dead_mount = false;
  bool is_online = false;  ///< as the tracker sees it
  std::optional<wire::PeerStatusReply> status;
};

struct LabState {
  Lab lab;
  std::optional<ProcessFacts> tracker;
  std::string tracker_endpoint;
  std::optional<wire::StatusReply> swarm;  ///< unset while the tracker does not answer
  std::vector<LabPeerState> peers;
};

/// Only healthy gives exit status 0.
enum class LabHealth {
  healthy,
  copying,   ///< all runs, and files wait for their copies, as they do after writing
  degraded,  ///< a daemon is down or not mounted, or files cannot be read
  stopped,
};

LabState look_at_lab(const Lab& lab);
LabHealth health_of(const LabState& state);
Json json_of(const LabState& state);
std::string text_of(const LabState& state, const Output& output);

}  // namespace shoal::cli
