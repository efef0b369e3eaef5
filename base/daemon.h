// SPDX-License-Identifier: MIT
// What the daemons have in common: how they start, hear signals, tell the service manager and end.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/task.h"

namespace shoal::base {

/// Exit codes of the daemons; cli/exit_code.h has the same numbers for the same things.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnreachable = 4;
inline constexpr int kExitUnauthenticated = 5;

/// The code for an error that ends a daemon.
int exit_code_of(const Error& error);

/// Before threads start: the log, as many descriptors as the system allows, and SIGPIPE ignored, so
/// that a reader who went away is an error of the write.
void start_process(const LogOptions& log);

/// A daemon in the foreground, from its loop's start to its end: the first SIGTERM or SIGINT stops
/// it in order, one that comes later (terminals and wrappers send it twice) ends the process at
/// once; SIGHUP reloads the log settings, SIGUSR1 logs the counters; the service manager hears what
/// it asked for. Thread: the loop.
class Daemon {
 public:
  /// The log settings as they stand in the configuration now.
  using ReadLogOptions = std::function<Result<LogOptions>()>;

  /// loop and timer outlive it.
  Daemon(Loop& loop, Timer& timer, ReadLogOptions read_log);

  /// Signals are heard from here on.
  void start();
  bool is_stopping() const { return stop_.is_set(); }
  /// Until the signal to stop.
  Task<void> wait_for_stop();
  /// Cancels the daemon's own tasks and those in tasks(), and waits for them.
  Task<void> end();
  /// For what runs as long as the daemon.
  TaskGroup& tasks() { return tasks_; }

 private:
  void reload();
  Task<void> watch_signals();
  Task<void> feed_watchdog();

  Loop& loop_;
  Timer& timer_;
  const ReadLogOptions read_log_;
  Signal stop_;
  SteadyTime stopped_at_{};
  TaskGroup tasks_;
};

/// Files in a daemon's folder that others know it by while it runs, such as its process's number.
/// What a crash left of them goes at the start; removed at the end. Thread: the loop.
class RunFiles {
 public:
  /// Shape: the folder is this process's alone by now.
  RunFiles(std::string dir, std::vector<std::string> names);
  ~RunFiles();
  RunFiles(const RunFiles&) = delete;
  RunFiles& operator=(const RunFiles&) = delete;

  /// A failure is logged; the daemon can do without. Shape: name is one of the names.
  void write(std::string_view name, std::string_view text) const;
  void remove(std::string_view name) const;

 private:
  std::string path(std::string_view name) const { return dir_ + "/" + std::string(name); }

  const std::string dir_;
  const std::vector<std::string> names_;
};

}  // namespace shoal::base
