// SPDX-License-Identifier: MIT
#include "base/daemon.h"

#include <sys/resource.h>

#include <asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>

#include "base/asio_alias.h"
#include "base/file.h"
#include "base/metrics.h"
#include "base/sd_notify.h"

namespace shoal::base {
namespace {

// The run files tell no secrets, and whoever looks at the folder may read them.
constexpr mode_t kRunFileMode = 0644;

// Terminals, sudo and timeout send the same signal twice: that is no second one.
constexpr std::chrono::seconds kImpatience{1};

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) log_debug("the descriptor limit stays");
}

void dump_counters() {
  for (const auto& [name, value] : metrics_snapshot()) log_info("{} {}", name, value);
}

}  // namespace

int exit_code_of(const Error& error) {
  switch (error.code()) {
    case Errc::invalid:
      return kExitUsage;
    case Errc::unauthenticated:
      return kExitUnauthenticated;
    case Errc::unreachable:
    case Errc::timed_out:
      return kExitUnreachable;
    default:
      return kExitFailed;
  }
}

void start_process(const LogOptions& log) {
  start_log(log);
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
}

Daemon::Daemon(Loop& loop, Timer& timer, ReadLogOptions read_log)
    : loop_(loop),
      timer_(timer),
      read_log_(std::move(read_log)),
      stop_(loop.get_executor()),
      tasks_(loop.get_executor()) {}

void Daemon::start() {
  spawn(tasks_, watch_signals());
  spawn(tasks_, feed_watchdog());
}

Task<void> Daemon::wait_for_stop() {
  auto stopped = co_await stop_.wait();
  static_cast<void>(stopped);
}

Task<void> Daemon::end() { co_await tasks_.stop(); }

void Daemon::reload() {
  sd_notify("RELOADING=1");
  const auto options = read_log_();
  if (!options) {
    log_warning("the settings are not reloaded: {}", options.error().context());
  } else {
    start_log(*options);
    log_info("the log settings are reloaded, others apply at the next start");
  }
  sd_notify("READY=1");
}

Task<void> Daemon::watch_signals() {
  asio::signal_set signals(loop_, SIGTERM, SIGINT);
  signals.add(SIGHUP);
  signals.add(SIGUSR1);
  for (;;) {
    auto got = co_await signals.async_wait(use_task);
    const auto [failure, number] = got;
    if (failure) co_return;
    if (number == SIGHUP) {
      reload();
    } else if (number == SIGUSR1) {
      dump_counters();
    } else if (!stop_.is_set()) {
      log_info("stopping signal={}", number);
      stopped_at_ = timer_.clock().steady();
      stop_.set();
    } else if (timer_.clock().steady() - stopped_at_ >= kImpatience) {
      log_warning("told to stop a second time: leaving at once");
      std::_Exit(kExitFailed);
    }
  }
}

/// Tells the service manager from the loop that the loop is alive, when it wants to know.
Task<void> Daemon::feed_watchdog() {
  const char* text = std::getenv("WATCHDOG_USEC");
  const long long microseconds = text == nullptr ? 0 : std::atoll(text);
  if (microseconds <= 0) co_return;
  for (;;) {
    auto waited = co_await timer_.wait_for(std::chrono::microseconds(microseconds / 3));
    if (!waited) co_return;
    sd_notify("WATCHDOG=1");
  }
}

RunFiles::RunFiles(std::string dir, std::vector<std::string> names)
    : dir_(std::move(dir)), names_(std::move(names)) {
  for (const std::string& name : names_) remove(name);
}

RunFiles::~RunFiles() {
  for (const std::string& name : names_) remove(name);
}

void RunFiles::write(std::string_view name, std::string_view text) const {
  const auto written = write_whole(path(name), text, kRunFileMode);
  if (!written) log_warning("{}", written.error().context());
}

void RunFiles::remove(std::string_view name) const {
  const auto removed = remove_file(path(name));
  if (!removed && removed.error().code() != Errc::not_found) {
    log_warning("{}", removed.error().context());
  }
}

}  // namespace shoal::base
