// SPDX-License-Identifier: MIT
// Processes of this machine: which of them are our daemons, starting them, ending them. A number in
// a pid file proves nothing, because numbers are used again: a process counts as a daemon of ours
// only when its executable and its --dir say so, and it is signalled through a pid descriptor that
// was opened before the last look.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file.h"

namespace shoal::cli {

/// What /proc tells of a live process.
struct ProcessFacts {
  pid_t pid = 0;
  std::string program;                 ///< last component of its executable
  std::vector<std::string> arguments;  ///< argv
  std::string folder;                  ///< its working directory
  std::uint64_t start_ticks = 0;       ///< clock ticks after boot; with pid it names a process
};

/// Unset when there is no such process, it is a zombie, or belongs to somebody else.
/// proc: where the proc filesystem is, for tests.
std::optional<ProcessFacts> read_process(pid_t pid, const std::string& proc = "/proc");

/// The folder a daemon works in, absolute and without "." and "..": its --dir. Empty when it has
/// none, and for the verbs that end by themselves (init, join).
std::string daemon_dir(const ProcessFacts& facts);
/// The --mount of a peer daemon, absolute; empty when not given.
std::string daemon_mount(const ProcessFacts& facts);

/// The process number in a file; unset when there is none.
std::optional<pid_t> read_pid_file(const std::string& path);

/// The daemon `program` that works in dir. Looks at pid_file first, then at all processes, because
/// a daemon that has just been started has no pid file yet.
std::optional<ProcessFacts> find_daemon(std::string_view program, const std::string& dir,
                                        const std::string& pid_file,
                                        const std::string& proc = "/proc");
/// All daemons called `program`.
std::vector<ProcessFacts> all_daemons(std::string_view program, const std::string& proc = "/proc");

/// One process, held so that its number cannot come to mean another one.
class ProcessHandle {
 public:
  /// Errors: not_found (it has ended, or the number means another process by now).
  static Result<ProcessHandle> open(const ProcessFacts& facts);

  pid_t pid() const { return pid_; }
  /// Errors: not_found (ended meanwhile), not_permitted.
  Result<void> signal(int number) const;
  /// Whether it ended before the deadline.
  bool wait_ended(Deadline deadline) const;

 private:
  ProcessHandle(pid_t pid, base::Fd fd) : pid_(pid), fd_(std::move(fd)) {}
  pid_t pid_;
  base::Fd fd_;
};

/// Starts a daemon that outlives us: a session of its own, no terminal, output appended to log.
Result<pid_t> start_daemon(const std::vector<std::string>& argv, const std::string& log);
/// For a child of ours: how it ended ("exit status 1", "signal 9"); unset while it runs.
std::optional<std::string> child_ending(pid_t pid);

struct ProgramResult {
  int status = 0;      ///< exit status, 128 + signal
  std::string output;  ///< stdout and stderr together
};
/// Runs a program to its end. Shape: input is at most 4 KiB (it is written at once).
Result<ProgramResult> run_program(const std::vector<std::string>& argv, std::string_view input);

/// Where this program's file lies, without a slash at the end.
std::string own_folder();
/// The absolute path of a program found in $PATH; empty when there is none.
std::string find_in_path(std::string_view program);

/// Asks condition every 20 ms until it says yes; false when the deadline passed or the user
/// interrupted.
bool wait_until(Deadline deadline, const std::function<bool()>& condition);

/// From now on Ctrl-C, SIGTERM and SIGHUP only set a flag, so that what was begun can be undone.
void catch_interrupts();
bool was_interrupted();

}  // namespace shoal::cli
