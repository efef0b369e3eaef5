// SPDX-License-Identifier: MIT
// The single daemons of a lab: made, started, stopped, killed.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/config.h"
#include "base/random.h"
#include "cli/lab.h"
#include "cli/mounts.h"

namespace shoal::cli {
namespace {

/// A store that has to be verified again after a kill may take its time.
constexpr std::chrono::minutes kReadyTime{2};
constexpr std::chrono::seconds kGoneTime{10};
/// Without anything in its way a killed process ends at once.
constexpr std::chrono::seconds kKilledTime{1};
constexpr std::chrono::hours kInvitationValid{1};

std::uint64_t file_size(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

bool exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

/// The daemon's program: beside this one, so that both come from the same build.
Result<std::string> program_path(const std::string& program) {
  std::string path = own_folder() + "/" + program;
  if (::access(path.c_str(), X_OK) == 0) return path;
  path = find_in_path(program);
  if (!path.empty()) return path;
  return fail(Errc::not_found, "{} is neither in {} nor in $PATH: build it with scripts/build",
              program, own_folder());
}

bool can_bind(std::uint16_t port) {
  base::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return fd && ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

/// Peers keep the tracker's address from their invitation, so its port has to stay the same. Ports
/// below 32768 are not given to outgoing connections while it is down.
Result<std::uint16_t> free_port() {
  constexpr std::uint16_t kFirst = 20000;
  constexpr std::uint64_t kCount = 12000;
  base::Random random(base::system_seed());
  for (int attempt = 0; attempt < 200; ++attempt) {
    const auto port = static_cast<std::uint16_t>(kFirst + random.below(kCount));
    if (can_bind(port)) return port;
  }
  return fail(Errc::busy, "no free port between {} and {}", kFirst, kFirst + kCount - 1);
}

std::string trimmed(std::string text) {
  text.erase(text.find_last_not_of(" \n\t") + 1);
  return text;
}

/// Why a daemon is not ready; empty when it is.
std::string not_ready_because(const LabDaemon& daemon) {
  auto client = Client::connect(daemon.control_socket());
  if (!client) return "its control socket does not answer";
  if (daemon.is_tracker()) {
    const auto status = client->status();
    return status ? std::string() : status.error().context();
  }
  const auto status = client->peer_status();
  if (!status) return status.error().context();
  if (!status->tracker_connected) return "it has not reached the tracker";
  if (status->mount_point.empty() || !mount_at(current_mounts(), daemon.mount)) {
    return "it has not mounted";
  }
  return {};
}

std::vector<std::string> daemon_command(const std::string& program, const LabDaemon& daemon) {
  std::vector<std::string> command{program, "--dir", daemon.dir};
  if (!daemon.is_tracker()) {
    command.push_back("--mount");
    command.push_back(daemon.mount);
    if (!daemon.mount_options.empty()) {
      command.push_back("-o");
      command.push_back(daemon.mount_options);
    }
  }
  return command;
}

/// After SIGKILL. A peer's threads may wait in the kernel for programs that wait for its mount.
bool wait_killed(const LabDaemon& daemon, const ProcessHandle& process) {
  const base::SystemClock clock;
  if (process.wait_ended(Deadline::after(clock, kKilledTime))) return true;
  if (!daemon.is_tracker()) base::let_killed_end(process.pid(), daemon.mount);
  return process.wait_ended(Deadline::after(clock, kGoneTime));
}

Result<void> clear_dead_mount(const LabDaemon& daemon) {
  if (daemon.is_tracker()) return {};
  // A killed daemon counts as one that does not run, although it may hang.
  const auto last = daemon.last_pid();
  if (last) base::let_killed_end(*last, daemon.mount);
  if (!mount_at(current_mounts(), daemon.mount)) return {};
  if (!is_dead_mount(daemon.mount)) {
    return fail(Errc::busy, "something else is mounted at {}: unmount it first", daemon.mount);
  }
  return detach_mount(daemon.mount);
}

/// Root's mounts are for all users of the machine, who have to get there. What else lies in these
/// folders is private by its own permissions.
Result<void> let_others_through(const LabDaemon& peer) {
  if (::geteuid() != 0) return {};
  constexpr mode_t kPassage = S_IXGRP | S_IXOTH;
  const std::filesystem::path folder(peer.dir);
  for (const std::string& path : {folder.parent_path().string(), peer.dir, peer.mount}) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return base::fail_errno(errno, path);
    const mode_t mode = (status.st_mode & 07777) | kPassage;
    if (mode == (status.st_mode & 07777)) continue;
    if (::chmod(path.c_str(), mode) != 0) return base::fail_errno(errno, path);
  }
  return {};
}

}  // namespace

std::string log_tail(const std::string& log, std::uint64_t from) {
  constexpr std::uint64_t kMaxTailBytes = 16 * 1024;
  constexpr std::size_t kLines = 15;
  const std::uint64_t size = file_size(log);
  const std::uint64_t start = std::max(from, size > kMaxTailBytes ? size - kMaxTailBytes : 0);
  const auto fd = base::open_file(log, O_RDONLY);
  if (!fd || start >= size) return {};
  std::string text(size - start, '\0');
  const auto count = base::read_at(*fd, start, std::as_writable_bytes(std::span(text)));
  text.resize(count ? *count : 0);
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back("\n    " + base::printable(std::string_view(text).substr(at, end - at)));
    at = end + 1;
  }
  std::string tail;
  for (std::size_t i = lines.size() - std::min(lines.size(), kLines); i < lines.size(); ++i) {
    tail += lines[i];
  }
  return tail;
}

Result<void> init_tracker(const Lab& lab) {
  const LabDaemon tracker = lab.tracker();
  if (exists(tracker.last_file_made())) return {};
  auto program = program_path(tracker.program);
  if (!program) return pass(program);
  const auto port = free_port();
  if (!port) return pass(port);
  const std::string name = std::filesystem::path(lab.dir).filename().string();
  const auto result = run_program(
      {*program, "init", "--dir", tracker.dir, "--name", name.empty() ? "lab" : name, "--listen",
       fmt::format("127.0.0.1:{}", *port), "--copies", std::to_string(lab.copies)},
      "");
  if (!result) return pass(result);
  if (result->status == 0) return {};
  return fail(Errc::io, "the tracker could not be made: {}", trimmed(result->output));
}

Result<void> join_peer(const Lab& lab, const LabDaemon& peer) {
  if (exists(peer.last_file_made())) return {};
  auto program = program_path(peer.program);
  if (!program) return pass(program);
  auto tracker = Client::connect(lab.tracker().control_socket());
  if (!tracker) return pass(tracker);
  const auto invitation = tracker->invite(kInvitationValid);
  if (!invitation) return pass(invitation);
  // Through stdin: a secret in argv could be read by every user of the machine.
  const auto result = run_program(
      {*program, "join", "-", "--dir", peer.dir, "--name", peer.name, "--listen", "127.0.0.1:0"},
      invitation->text() + "\n");
  if (!result) return pass(result);
  if (result->status == 0) return {};
  return fail(Errc::io, "{} could not join: {}", peer.name, trimmed(result->output));
}

Result<void> start_lab_daemon(const LabDaemon& daemon) {
  auto program = program_path(daemon.program);
  if (!program) return pass(program);
  auto cleared = clear_dead_mount(daemon);
  if (!cleared) return cleared;
  if (!daemon.is_tracker()) {
    auto folder = base::make_folders(daemon.mount);
    if (folder) folder = let_others_through(daemon);
    if (!folder) return folder;
  }
  const std::uint64_t log_size = file_size(daemon.log());
  auto pid = start_daemon(daemon_command(*program, daemon), daemon.log());
  if (!pid) return pass(pid);

  const base::SystemClock clock;
  std::optional<std::string> ending;
  std::string reason;
  const bool is_ready = wait_until(Deadline::after(clock, kReadyTime), [&] {
    ending = child_ending(*pid);
    if (ending) return true;
    reason = not_ready_because(daemon);
    return reason.empty();
  });
  if (is_ready && !ending) return {};
  if (ending) {
    return fail(Errc::io, "{} ended at once ({}). The end of {}:{}", daemon.name, *ending,
                daemon.log(), log_tail(daemon.log(), log_size));
  }
  (void)stop_lab_daemon(daemon, kGoneTime).has_value();
  if (was_interrupted()) return fail(Errc::canceled, "interrupted");
  return fail(Errc::timed_out, "{} is not ready after {}: {}. The end of {}:{}", daemon.name,
              base::format_duration(kReadyTime), reason, daemon.log(),
              log_tail(daemon.log(), log_size));
}

Result<std::optional<ProcessHandle>> ask_lab_daemon_to_end(const LabDaemon& daemon) {
  const auto facts = daemon.process();
  if (!facts) return std::nullopt;
  auto process = ProcessHandle::open(*facts);
  if (!process && process.error().code() == Errc::not_found) return std::nullopt;
  if (!process) return pass(process);
  auto sent = process->signal(SIGTERM);
  if (!sent && sent.error().code() != Errc::not_found) return pass(sent);
  return std::move(*process);
}

Result<bool> finish_lab_daemon(const LabDaemon& daemon, const std::optional<ProcessHandle>& process,
                               Duration patience) {
  const base::SystemClock clock;
  bool was_killed = false;
  if (process && !process->wait_ended(Deadline::after(clock, patience))) {
    was_killed = true;
    (void)process->signal(SIGKILL).has_value();  // gone by itself meanwhile: as good
    if (!wait_killed(daemon, *process)) {
      return fail(Errc::io, "{} (process {}) does not end, not even when killed", daemon.name,
                  process->pid());
    }
  }
  if (!daemon.is_tracker()) {
    const auto last = daemon.last_pid();
    if (last) base::let_killed_end(*last, daemon.mount);
    auto detached = detach_mount(daemon.mount);
    if (!detached) return pass(detached);
  }
  return was_killed;
}

Result<bool> stop_lab_daemon(const LabDaemon& daemon, Duration patience) {
  const auto process = ask_lab_daemon_to_end(daemon);
  if (!process) return pass(process);
  return finish_lab_daemon(daemon, *process, patience);
}

Result<pid_t> kill_lab_daemon(const LabDaemon& daemon) {
  const auto facts = daemon.process();
  if (!facts) return fail(Errc::not_found, "{} is not running", daemon.name);
  auto process = ProcessHandle::open(*facts);
  if (!process) return pass(process);
  auto sent = process->signal(SIGKILL);
  if (!sent) return pass(sent);
  if (!wait_killed(daemon, *process)) {
    return fail(Errc::io, "{} (process {}) does not end", daemon.name, facts->pid);
  }
  return facts->pid;
}

}  // namespace shoal::cli
