// SPDX-License-Identifier: MIT
// A lab: a tracker and several mounted peers on this machine, in one folder.
//
//   DIR/lab.json            how many peers, wanted copies, mount options
//   DIR/tracker/            the tracker's own folder, its log and trackerd.pid
//   DIR/peerK/              a peer's own folder, its log and peerd.pid
//   DIR/peerK/store/        its blobs
//   DIR/peerK/mnt/          the swarm
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "cli/client.h"
#include "cli/exit_code.h"
#include "cli/process.h"

namespace shoal::cli {

inline constexpr int kMaxLabPeers = 64;

/// One daemon of a lab: where its things are. Nothing is opened or read.
struct LabDaemon {
  std::string name;     ///< "tracker", "peer1", ...; peers go by it in the swarm too
  std::string program;  ///< "trackerd" or "peerd"
  std::string dir;
  std::string mount;               ///< empty for the tracker
  std::string mount_options = {};  ///< what peerd gets behind -o

  bool is_tracker() const { return mount.empty(); }
  std::string log() const { return dir + "/log"; }
  std::string pid_file() const { return dir + "/" + program + ".pid"; }
  std::string control_socket() const { return dir + "/control.sock"; }
  /// What init or join makes last: with it the folder is whole.
  std::string last_file_made() const {
    return dir + (is_tracker() ? "/tracker.db" : "/peerd.toml");
  }

  /// The process that works for it now.
  std::optional<ProcessFacts> process() const { return find_daemon(program, dir, pid_file()); }
  /// What its pid file says, whether that process lives or not.
  std::optional<pid_t> last_pid() const { return read_pid_file(pid_file()); }
};

struct Lab {
  std::string dir;  ///< absolute, without links
  int peer_count = 0;
  int copies = 2;
  std::string mount_options = {};  ///< of every peer, as behind peerd's -o

  LabDaemon tracker() const;
  /// Shape: 1 <= number <= peer_count.
  LabDaemon peer(int number) const;
  std::vector<LabDaemon> peers() const;
  /// "tracker", "2" or "peer2". Errors: invalid, with the names there are.
  Result<LabDaemon> daemon(std::string_view name) const;
};

/// Errors: not_found (no lab in dir), corrupt (lab.json does not parse).
Result<Lab> load_lab(const std::string& dir);
Result<void> save_lab(const Lab& lab);
bool is_lab(const std::string& dir);

/// The lab that is meant: dir if given, else $SHOAL_LAB, else the one started last.
/// Errors: not_found, with what to do.
Result<std::string> lab_dir_of(const std::string& given);
/// Keeps dir as the lab started last, for this user.
void remember_lab(const std::string& dir);

/// Lets one tool at a time change a lab; given up when the result goes away.
/// Errors: busy (another one is at it).
Result<base::Fd> lock_lab(const std::string& dir);

// ---- single daemons -------------------------------------------------------------------------

/// Tells the user what is being done.
using Say = std::function<void(std::string_view)>;

/// Makes the tracker's folder (trackerd init), on a free port of 127.0.0.1 that it keeps.
Result<void> init_tracker(const Lab& lab);
/// Makes a peer's folder (peerd join), with an invitation from the running tracker.
Result<void> join_peer(const Lab& lab, const LabDaemon& peer);

/// Clears a dead mount, starts the daemon and returns when it serves: its control socket answers,
/// and a peer is connected to the tracker and mounted. Errors: the reason in a sentence, followed
/// by the last lines of its log; the process is then gone. canceled (interrupted).
Result<void> start_lab_daemon(const LabDaemon& daemon);
/// SIGTERM, once: a second one makes a daemon leave without publishing. Unset when it does not run.
Result<std::optional<ProcessHandle>> ask_lab_daemon_to_end(const LabDaemon& daemon);
/// Waits until a daemon that was asked has ended, kills it when it has not within `patience`, and
/// clears the mount that may be left. True when it had to be killed.
Result<bool> finish_lab_daemon(const LabDaemon& daemon, const std::optional<ProcessHandle>& process,
                               Duration patience);
/// Both of them.
Result<bool> stop_lab_daemon(const LabDaemon& daemon, Duration patience);
/// SIGKILL, and waits until it is gone. Leaves a dead mount behind. Errors: not_found (not
/// running).
Result<pid_t> kill_lab_daemon(const LabDaemon& daemon);

/// The last lines of a log that was `from` bytes long before, indented, at most 15 of them.
std::string log_tail(const std::string& log, std::uint64_t from);

}  // namespace shoal::cli
