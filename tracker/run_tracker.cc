// SPDX-License-Identifier: MIT
#include "tracker/run_tracker.h"

#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <asio/signal_set.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>

#include "base/asio_alias.h"
#include "base/config.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/sd_notify.h"
#include "base/version.h"
#include "tracker/core.h"
#include "tracker/driver.h"
#include "tracker/find.h"
#include "tracker/init.h"
#include "tracker/service.h"
#include "tracker/sqlite_store.h"

namespace shoal::tracker {
namespace {

/// What one running tracker consists of.
struct Process {
  Process(const RunOptions& run, wire::Identity key)
      : options(run),
        identity(std::move(key)),
        stop(loop.get_executor()),
        group(loop.get_executor()) {}

  const RunOptions& options;
  const wire::Identity identity;
  base::SystemClock clock;
  base::Loop loop;
  std::unique_ptr<Timer> timer = base::make_system_timer();
  std::unique_ptr<Pool> pool = base::make_thread_pool(1);  ///< for Find
  base::Fd lock;
  std::unique_ptr<SqliteStore> store;
  std::unique_ptr<wire::Network> network;
  std::unique_ptr<wire::Listener> listener;
  std::unique_ptr<wire::Listener> control;
  std::unique_ptr<Core> core;
  std::unique_ptr<Driver> driver;
  std::unique_ptr<Service> service;
  wire::Endpoint endpoint;
  base::Signal stop;
  TaskGroup group;

  std::string path(std::string_view name) const { return options.dir + "/" + std::string(name); }
};

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) base::log_debug("the descriptor limit stays");
}

void start_log(const Settings& settings) {
  base::LogOptions log;
  log.level = *base::parse_log_level(settings.log_level);
  log.json = settings.log_format == "json";
  base::start_log(log);
}

void reload(const Process& process) {
  base::sd_notify("RELOADING=1");
  auto settings = read_settings(process.path(kSettingsFile));
  if (!settings) {
    base::log_warning("the settings are not reloaded: {}", settings.error().context());
  } else {
    start_log(*settings);
    base::log_info("the log settings are reloaded, others apply at the next start");
  }
  base::sd_notify("READY=1");
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
      for (const auto& [name, value] : base::metrics_snapshot()) {
        base::log_info("{} {}", name, value);
      }
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
  const long long microseconds = text == nullptr ? 0 : std::atoll(text);
  if (microseconds <= 0) co_return;
  for (;;) {
    auto waited = co_await process.timer->wait_for(std::chrono::microseconds(microseconds / 3));
    if (!waited) co_return;
    base::sd_notify("WATCHDOG=1");
  }
}

/// The folder is ours until the process ends, whatever way.
Result<void> lock_folder(Process& process) {
  const std::string path = process.path("lock");
  auto file = base::open_file(path, O_RDWR | O_CREAT);
  if (!file) return pass(file);
  if (::flock(file->get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return base::fail_errno(errno, "locking " + path);
    return fail(Errc::busy, "another trackerd serves {} already", process.options.dir);
  }
  process.lock = std::move(*file);
  return {};
}

Result<void> open(Process& process) {
  const Settings& settings = process.options.settings;
  auto locked = lock_folder(process);
  if (!locked) return locked;
  auto store = SqliteStore::open(process.path(kDatabaseFile));
  if (!store) return pass(store);
  process.store = std::move(*store);
  process.network = wire::make_tls_network(process.loop, *process.timer, process.identity);
  auto listener = process.network->listen(settings.listen);
  if (!listener) {
    return std::unexpected(
        listener.error().with("listening (see `listen` in " + process.path(kSettingsFile) + ")"));
  }
  process.listener = std::move(*listener);
  process.endpoint = process.listener->local();
  auto control = wire::listen_control(process.loop, *process.timer, process.path("control.sock"));
  if (!control) return std::unexpected(control.error().with("the control socket"));
  process.control = std::move(*control);

  CoreOptions core_options;
  core_options.copies = static_cast<std::uint32_t>(settings.copies);
  core_options.holder_grace = settings.holder_grace;
  core_options.endpoint = settings.advertise.host.empty() ? process.endpoint : settings.advertise;
  core_options.tracker_id = process.identity.id();
  core_options.seed = base::system_seed();
  auto core = Core::start(*process.store, std::move(core_options),
                          {process.clock.steady(), process.clock.wall()});
  if (!core) return pass(core);
  process.core = std::move(*core);
  return {};
}

/// Reads the namespace on a connection of its own, beside the core.
Task<Result<Service::Paths>> find_in(Process& process, wire::Find request) {
  const std::string database = process.path(kDatabaseFile);
  auto search = [database, request]() -> Result<Service::Paths> {
    auto store = SqliteStore::open_for_reading(database);
    if (!store) return pass(store);
    FoundPaths found = find_paths(**store, request.pattern, request.limit);
    if ((*store)->error()) return std::unexpected(*(*store)->error());
    return Service::Paths{std::move(found.paths), found.is_truncated};
  };
  auto found = co_await process.pool->run(std::move(search));
  co_return found;
}

void serve(Process& process) {
  process.service = std::make_unique<Service>(
      process.loop.get_executor(), *process.timer,
      [&process](Input input) { process.driver->submit(std::move(input)); },
      [&process](wire::Find request) { return find_in(process, std::move(request)); });
  process.driver = make_threaded_driver(
      process.loop.get_executor(), process.clock, *process.core,
      [&process](std::vector<Output> outputs) { process.service->deliver(std::move(outputs)); });
  process.service->serve(std::move(process.listener), false);
  process.service->serve(std::move(process.control), true);
}

Task<void> live(Process& process) {
  spawn(process.group, watch_signals(process));
  spawn(process.group, feed_watchdog(process));
  serve(process);
  auto written = base::write_whole(process.path("endpoint"), process.endpoint.text() + "\n", 0644);
  if (!written) base::log_warning("{}", written.error().message());
  base::log_info("serving endpoint={} tracker={}", process.endpoint.text(),
                 process.identity.id().hex());
  base::sd_notify("READY=1\nSTATUS=serving on " + process.endpoint.text());
  auto stopped = co_await process.stop.wait();
  static_cast<void>(stopped);
  base::sd_notify("STOPPING=1");
  co_await process.service->stop();
  co_await process.driver->stop();
  co_await process.group.stop();
}

int run(Process& process) {
  auto opened = open(process);
  if (!opened) {
    base::log_error("{}", opened.error().context());
    return opened.error().code() == Errc::invalid ? kExitUsage : kExitFailed;
  }
  auto written = base::write_whole(process.path("trackerd.pid"), fmt::format("{}\n", ::getpid()));
  if (!written) base::log_warning("{}", written.error().message());
  base::run_until_done(process.loop, live(process));
  process.service.reset();
  process.driver.reset();
  process.core.reset();
  process.pool.reset();
  process.network.reset();
  for (const char* name : {"endpoint", "trackerd.pid", "control.sock"}) {
    auto removed = base::remove_file(process.path(name));
    static_cast<void>(removed);
  }
  base::log_info("stopped");
  return kExitOk;
}

}  // namespace

int run_tracker(const RunOptions& options) {
  start_log(options.settings);
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  auto identity = wire::Identity::load(options.dir + "/" + kIdentityFile);
  if (!identity) {
    base::log_error("{}", identity.error().context());
    return kExitFailed;
  }
  base::log_info("starting {} dir={}", base::version_line(), options.dir);
  Process process(options, std::move(*identity));
  return run(process);
}

}  // namespace shoal::tracker
