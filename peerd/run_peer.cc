// SPDX-License-Identifier: MIT
#include "peerd/run_peer.h"

#include <sys/resource.h>
#include <unistd.h>

#include <asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>

#include "base/asio_alias.h"
#include "base/config.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/sd_notify.h"
#include "base/version.h"
#include "peerd/peer_daemon.h"

namespace shoal::peerd {
namespace {

// How long one attempt to reach the tracker at the start lasts before we look around again, and
// after how many of them we say so.
constexpr std::chrono::seconds kConnectSlice{1};
constexpr int kPatientSlices = 5;

/// What one running peer consists of.
struct Process {
  Process(const RunOptions& run, wire::Identity key)
      : options(run),
        identity(std::move(key)),
        stop(loop.get_executor()),
        group(loop.get_executor()) {}

  const RunOptions& options;
  const wire::Identity identity;
  base::Loop loop;
  std::unique_ptr<Timer> timer = base::make_system_timer();
  std::unique_ptr<Pool> pool;
  std::unique_ptr<wire::Network> network;
  std::unique_ptr<cache::BlobStore> store;
  std::unique_ptr<PeerDaemon> daemon;
  std::unique_ptr<Mount> mount;
  base::Signal stop;
  TaskGroup group;
  int exit_code = kExitOk;

  std::string path(std::string_view name) const { return options.dir + "/" + std::string(name); }
};

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) base::log_debug("the descriptor limit stays");
}

void report(Process& process, const Error& error) {
  base::log_error("{}", error.context());
  process.exit_code = exit_code_of(error);
}

void reload(Process& process) {
  base::sd_notify("RELOADING=1");
  auto settings = read_settings(process.path("peerd.toml"));
  if (!settings) {
    base::log_warning("the settings are not reloaded: {}", settings.error().context());
  } else {
    base::LogOptions log;
    log.level = *base::parse_log_level(settings->log_level);
    log.json = settings->log_format == "json";
    base::start_log(log);
    base::log_info("the log settings are reloaded, others apply at the next start");
  }
  base::sd_notify("READY=1");
}

void dump_state() {
  for (const auto& [name, value] : base::metrics_snapshot()) base::log_info("{} {}", name, value);
}

Task<void> watch_signals(Process& process) {
  asio::signal_set signals(process.loop, SIGTERM, SIGINT);
  signals.add(SIGHUP);
  signals.add(SIGUSR1);
  for (;;) {
    auto got = co_await signals.async_wait(base::use_task);
    const auto [failure, number] = got;
    if (failure) co_return;
    if (number == SIGHUP) {
      reload(process);
    } else if (number == SIGUSR1) {
      dump_state();
    } else if (process.stop.is_set()) {
      base::log_warning("told to stop a second time: leaving at once");
      std::_Exit(kExitFailed);
    } else {
      base::log_info("stopping signal={}", number);
      process.stop.set();
    }
  }
}

/// Tells the service manager from the loop that the loop is alive, when it wants to know.
Task<void> feed_watchdog(Process& process) {
  const char* text = std::getenv("WATCHDOG_USEC");
  if (text == nullptr) co_return;
  const long long microseconds = std::atoll(text);
  if (microseconds <= 0) co_return;
  for (;;) {
    auto waited = co_await process.timer->wait_for(std::chrono::microseconds(microseconds / 3));
    if (!waited) co_return;
    base::sd_notify("WATCHDOG=1");
  }
}

/// True when there is a session or the peer can do without for now; false ends the program.
Task<bool> connect(Process& process) {
  for (int slice = 0; !process.stop.is_set(); ++slice) {
    const Deadline deadline = Deadline::after(process.timer->clock(), kConnectSlice);
    auto connected = co_await process.daemon->connect(deadline);
    if (connected) co_return true;
    if (connected.error().code() != Errc::timed_out) {
      report(process, connected.error());
      co_return false;
    }
    if (slice != kPatientSlices) continue;
    base::log_warning("the tracker at {} cannot be reached, trying on: {}",
                      process.options.settings.tracker.text(), connected.error().context());
    base::sd_notify("STATUS=waiting for the tracker");
    // Who only serves can serve the members it knows.
    if (process.options.settings.mount_point.empty()) co_return true;
  }
  co_return true;
}

Task<void> watch_mount(Process& process) {
  auto gone = co_await process.mount->wait_unmounted();
  if (gone && !process.stop.is_set()) {
    base::log_info("unmounted, serving other peers on mount_point={}",
                   process.mount->mount_point());
  }
}

Task<bool> mount(Process& process) {
  const Settings& settings = process.options.settings;
  const std::vector<InodeId> unpublished =
      co_await process.pool->run([&store = *process.store] { return store.unpublished(); });
  if (settings.mount_point.empty()) {
    if (!unpublished.empty()) {
      base::log_warning(
          "{} files were written here and never published: start with --mount to publish them",
          unpublished.size());
    }
    co_return true;
  }
  const MountEnvironment place{process.loop,   *process.timer,
                               *process.pool,  process.daemon->tracker(),
                               *process.store, process.daemon->fetcher()};
  MountSettings wanted;
  wanted.mount_point = settings.mount_point;
  wanted.swarm_name = settings.swarm_name;
  wanted.peer_name = settings.name;
  wanted.journal = process.path("journal");
  wanted.allow_other = settings.allow_other || ::geteuid() == 0;
  wanted.sync = settings.sync;
  wanted.read_budget = settings.read_budget;
  wanted.workers = static_cast<unsigned>(settings.workers);
  auto mounted = co_await mount_swarm(place, std::move(wanted));
  if (!mounted) {
    report(process, mounted.error());
    co_return false;
  }
  process.mount = std::move(*mounted);
  process.daemon->set_mount(process.mount.get());
  process.mount->connected();
  spawn(process.group, watch_mount(process));
  base::log_info("mounted swarm={} mount_point={} mode={}", settings.swarm_name,
                 settings.mount_point, process.mount->mode());
  co_return true;
}

Result<void> open(Process& process) {
  auto opened = process.daemon->open();
  if (!opened && opened.error().code() == Errc::busy) {
    return fail(Errc::busy, "{} is in use: let another port listen in {}",
                process.options.settings.listen.text(), process.path("peerd.toml"));
  }
  if (!opened) return opened;
  auto control = wire::listen_control(process.loop, *process.timer, process.path("control.sock"));
  if (!control) return std::unexpected(control.error().with("the control socket"));
  process.daemon->serve_control(std::move(*control));
  return {};
}

void announce_ready(Process& process) {
  std::string text = process.options.settings.mount_point.empty()
                         ? "serving\n"
                         : "mounted " + process.options.settings.mount_point + "\n";
  for (const wire::Endpoint& endpoint : process.daemon->endpoints()) text += endpoint.text() + "\n";
  auto written = base::write_whole(process.path("ready"), text);
  if (!written) base::log_warning("{}", written.error().message());
  base::sd_notify("READY=1\nSTATUS=serving");
}

Task<void> drain(Process& process) {
  base::sd_notify("STOPPING=1\nSTATUS=publishing and unmounting");
  auto removed = base::remove_file(process.path("ready"));
  if (!removed) base::log_debug("{}", removed.error().message());
  if (process.mount) {
    auto unmounted = co_await process.daemon->unmount(false);
    if (!unmounted && unmounted.error().code() == Errc::busy) {
      base::log_info("files are open in the mount: detaching it");
      unmounted = co_await process.daemon->unmount(true);
    }
    if (!unmounted) base::log_warning("unmounting failed: {}", unmounted.error().message());
    process.daemon->set_mount(nullptr);
  }
  co_await process.daemon->stop();
  co_await process.group.stop();
  process.mount.reset();
}

Task<void> live(Process& process) {
  spawn(process.group, watch_signals(process));
  spawn(process.group, feed_watchdog(process));
  auto opened = open(process);
  bool is_fine = opened.has_value();
  if (!opened) report(process, opened.error());
  if (is_fine) is_fine = co_await connect(process);
  if (is_fine && !process.stop.is_set()) is_fine = co_await mount(process);
  if (is_fine && !process.stop.is_set()) {
    announce_ready(process);
    auto stopped = co_await process.stop.wait();
    static_cast<void>(stopped);
  }
  co_await drain(process);
}

Result<std::unique_ptr<cache::BlobStore>> open_store(const Process& process) {
  const Settings& settings = process.options.settings;
  cache::DiskStoreOptions options;
  options.path = settings.store.starts_with('/') ? settings.store : process.path(settings.store);
  options.swarm = settings.swarm;
  options.ceiling_bytes = settings.ceiling_bytes;
  options.free_floor_bytes = settings.free_floor_bytes;
  cache::RecoveryReport report;
  auto store = cache::open_disk_store(options, &report);
  if (store && !report.was_clean) {
    base::log_warning(
        "the last stop was not clean: re-verified blobs={} dropped_blocks={} dropped_blobs={}",
        report.blobs_checked, report.blocks_dropped, report.blobs_dropped);
  }
  return store;
}

int run(Process& process) {
  auto store = open_store(process);
  if (!store) {
    report(process, store.error());
    return process.exit_code;
  }
  process.store = std::move(*store);
  // After the store is ours: its lock tells that no other daemon uses the folder.
  auto written = base::write_whole(process.path("peerd.pid"), fmt::format("{}\n", ::getpid()));
  if (!written) base::log_warning("{}", written.error().message());
  const Settings& settings = process.options.settings;
  process.pool = base::make_thread_pool(static_cast<unsigned>(settings.pool_threads));
  process.network = wire::make_tls_network(process.loop, *process.timer, process.identity);
  PeerDaemon::Options options;
  options.name = settings.name;
  options.listen = settings.listen;
  options.advertise = settings.advertise;
  options.tracker = settings.tracker;
  options.tracker_id = settings.tracker_id;
  options.swarm = settings.swarm;
  options.swarm_name = settings.swarm_name;
  options.members_file = process.path("members");
  process.daemon = std::make_unique<PeerDaemon>(
      PeerDaemon::Environment{process.loop, *process.network, *process.timer, *process.pool,
                              *process.store},
      std::move(options));
  base::run_until_done(process.loop, live(process));
  process.daemon.reset();
  process.network.reset();
  process.pool.reset();
  auto closed = process.store->close();
  if (!closed) report(process, closed.error());
  for (const char* name : {"ready", "peerd.pid", "control.sock"}) {
    auto removed = base::remove_file(process.path(name));
    static_cast<void>(removed);
  }
  base::log_info("stopped");
  return process.exit_code;
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

int run_peer(const RunOptions& options) {
  base::LogOptions log;
  log.level = *base::parse_log_level(options.settings.log_level);
  log.json = options.settings.log_format == "json";
  base::start_log(log);
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  auto identity = wire::Identity::load(options.dir + "/identity.pem");
  if (!identity) {
    base::log_error("the key of this peer: {}", identity.error().context());
    return exit_code_of(identity.error());
  }
  base::log_info("starting {} name={} peer={}", base::version_line(),
                 base::printable(options.settings.name), identity->id().short_hex());
  Process process(options, std::move(*identity));
  return run(process);
}

}  // namespace shoal::peerd
