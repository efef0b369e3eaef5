// SPDX-License-Identifier: MIT
#include "peerd/run_peer.h"

#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <optional>

#include "base/daemon.h"
#include "base/hash.h"
#include "base/mounts.h"
#include "base/sd_notify.h"
#include "base/version.h"
#include "peerd/peer_daemon.h"

namespace shoal::peerd {
namespace {

// How long one attempt to reach the tracker at the start lasts before we look around again, and
// after how many of them we say so.
constexpr std::chrono::seconds kConnectSlice{1};
constexpr int kPatientSlices = 5;

Result<base::LogOptions> read_log_options(const std::string& path) {
  const auto settings = read_settings(path);
  if (!settings) return pass(settings);
  return settings->log;
}

/// What one running peer consists of.
struct Process {
  Process(const RunOptions& run, wire::Identity key)
      : options(run),
        identity(std::move(key)),
        life(loop, *timer, [this] { return read_log_options(path("peerd.toml")); }) {}

  const RunOptions& options;
  const wire::Identity identity;
  base::Loop loop;
  std::unique_ptr<Timer> timer = base::make_system_timer();
  std::unique_ptr<Pool> pool;
  std::unique_ptr<wire::Network> network;
  std::unique_ptr<cache::BlobStore> store;
  std::unique_ptr<PeerDaemon> daemon;
  std::unique_ptr<Mount> mount;
  base::Daemon life;
  std::optional<base::RunFiles> run_files;
  int exit_code = base::kExitOk;

  std::string path(std::string_view name) const { return options.dir + "/" + std::string(name); }
};

void report(Process& process, const Error& error) {
  base::log_error("{}", error.context());
  process.exit_code = base::exit_code_of(error);
}

/// True when there is a session or the peer can do without for now; false ends the program.
Task<bool> connect(Process& process) {
  for (int slice = 0; !process.life.is_stopping(); ++slice) {
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
  if (gone && !process.life.is_stopping()) {
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
  const MountEnvironment place{process.loop,
                               *process.timer,
                               *process.pool,
                               process.daemon->tracker(),
                               *process.store,
                               process.daemon->fetcher(),
                               [&fetcher = process.daemon->fetcher()](wire::Located located) {
                                 fetcher.note(std::move(located));
                               }};
  MountSettings wanted;
  wanted.mount_point = settings.mount_point;
  wanted.swarm_name = settings.swarm_name;
  wanted.peer_name = settings.name;
  wanted.journal = process.path("journal");
  wanted.allow_other = settings.allow_other || ::geteuid() == 0;
  wanted.sync = settings.sync;
  wanted.delegation = settings.delegation;
  wanted.read_budget = settings.read_budget;
  wanted.passthrough = settings.passthrough;
  wanted.workers = static_cast<unsigned>(settings.workers);
  auto mounted = co_await mount_swarm(place, std::move(wanted));
  if (!mounted) {
    report(process, mounted.error());
    co_return false;
  }
  process.mount = std::move(*mounted);
  process.daemon->set_mount(process.mount.get());
  process.mount->connected();
  spawn(process.life.tasks(), watch_mount(process));
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
  process.run_files->write("ready", text);
  base::sd_notify("READY=1\nSTATUS=serving");
}

Task<void> drain(Process& process) {
  base::sd_notify("STOPPING=1\nSTATUS=publishing and unmounting");
  process.run_files->remove("ready");
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
  co_await process.life.end();
  process.mount.reset();
}

Task<void> live(Process& process) {
  process.life.start();
  auto opened = open(process);
  bool is_fine = opened.has_value();
  if (!opened) report(process, opened.error());
  if (is_fine) is_fine = co_await connect(process);
  if (is_fine && !process.life.is_stopping()) is_fine = co_await mount(process);
  if (is_fine && !process.life.is_stopping()) {
    announce_ready(process);
    co_await process.life.wait_for_stop();
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
  if (store && (!report.was_clean || report.blobs_checked > 0)) {
    base::log_warning("{}: re-verified blobs={} dropped_blocks={} dropped_blobs={}",
                      report.was_clean
                          ? "part of the store was open for change or touched since it was closed"
                          : "the last stop was not clean",
                      report.blobs_checked, report.blocks_dropped, report.blobs_dropped);
  }
  return store;
}

/// The daemon before us may hang in its own mount, killed but not gone, and keep the store locked.
void free_last_daemon(const Process& process) {
  const auto text = base::read_whole(process.path("peerd.pid"), 64);
  const int pid = text ? std::atoi(text->c_str()) : 0;
  const std::string& point = process.options.settings.mount_point;
  if (pid > 0 && !point.empty()) base::let_killed_end(pid, base::mount_point_path(point));
}

int run(Process& process) {
  free_last_daemon(process);
  auto store = open_store(process);
  if (!store) {
    report(process, store.error());
    return process.exit_code;
  }
  process.store = std::move(*store);
  // After the store is ours: its lock tells that no other daemon uses the folder.
  process.run_files.emplace(process.options.dir,
                            std::vector<std::string>{"ready", "peerd.pid", "control.sock"});
  process.run_files->write("peerd.pid", fmt::format("{}\n", ::getpid()));
  const Settings& settings = process.options.settings;
  process.pool = base::make_thread_pool(static_cast<unsigned>(settings.pool_threads));
  process.network = wire::make_tls_network(process.loop, *process.timer, process.identity);
  PeerDaemon::Options options;
  options.name = settings.name;
  options.upload_rate = settings.upload_rate;
  options.download_rate = settings.download_rate;
  options.listen = settings.listen;
  options.advertise = settings.advertise;
  options.tracker = settings.tracker;
  options.tracker_id = settings.tracker_id;
  options.swarm = settings.swarm;
  options.swarm_name = settings.swarm_name;
  options.members_file = process.path("members");
  options.hasher = base::make_leaf_hasher()->name();  // measured here: the loop does not wait
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
  process.run_files.reset();
  base::log_info("stopped");
  return process.exit_code;
}

}  // namespace

int run_peer(const RunOptions& options) {
  base::start_process(options.settings.log);
  auto identity = wire::Identity::load(options.dir + "/identity.pem");
  if (!identity) {
    base::log_error("the key of this peer: {}", identity.error().context());
    return base::exit_code_of(identity.error());
  }
  base::log_info("starting {} name={} peer={}", base::version_line(),
                 base::printable(options.settings.name), identity->id().short_hex());
  Process process(options, std::move(*identity));
  return run(process);
}

}  // namespace shoal::peerd
