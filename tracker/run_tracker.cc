// SPDX-License-Identifier: MIT
#include "tracker/run_tracker.h"

#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>

#include "base/daemon.h"
#include "base/file.h"
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

Result<base::LogOptions> read_log_options(const std::string& path) {
  const auto settings = read_settings(path);
  if (!settings) return pass(settings);
  return settings->log;
}

/// What one running tracker consists of.
struct Process {
  Process(const RunOptions& run, wire::Identity key)
      : options(run),
        identity(std::move(key)),
        life(loop, *timer, [this] { return read_log_options(path(kSettingsFile)); }) {}

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
  base::Daemon life;
  std::optional<base::RunFiles> run_files;

  std::string path(std::string_view name) const { return options.dir + "/" + std::string(name); }
};

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

Error database_error(const Error& error) {
  if (error.code() != Errc::corrupt && error.code() != Errc::not_found) return error;
  return Error(error.code(), error.context() +
                                 ": the names of the swarm are in this file, put a good copy of it "
                                 "back and start again");
}

Result<void> open(Process& process) {
  const Settings& settings = process.options.settings;
  auto locked = lock_folder(process);
  if (!locked) return locked;
  process.run_files.emplace(process.options.dir,
                            std::vector<std::string>{"endpoint", "trackerd.pid", "control.sock"});
  auto store = SqliteStore::open(process.path(kDatabaseFile));
  if (!store) return std::unexpected(database_error(store.error()));
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
  if (!core) return std::unexpected(database_error(core.error()));
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
  process.life.start();
  serve(process);
  process.run_files->write("endpoint", process.endpoint.text() + "\n");
  base::log_info("serving endpoint={} tracker={}", process.endpoint.text(),
                 process.identity.id().hex());
  base::sd_notify("READY=1\nSTATUS=serving on " + process.endpoint.text());
  co_await process.life.wait_for_stop();
  base::sd_notify("STOPPING=1");
  co_await process.service->stop();
  co_await process.driver->stop();
  co_await process.life.end();
}

int run(Process& process) {
  auto opened = open(process);
  if (!opened) {
    base::log_error("{}", opened.error().context());
    return base::exit_code_of(opened.error());
  }
  process.run_files->write("trackerd.pid", fmt::format("{}\n", ::getpid()));
  base::run_until_done(process.loop, live(process));
  process.service.reset();
  process.driver.reset();
  process.core.reset();
  process.pool.reset();
  process.network.reset();
  process.run_files.reset();
  base::log_info("stopped");
  return base::kExitOk;
}

}  // namespace

int run_tracker(const RunOptions& options) {
  base::start_process(options.settings.log);
  auto identity = wire::Identity::load(options.dir + "/" + kIdentityFile);
  if (!identity) {
    base::log_error("{}", identity.error().context());
    return base::exit_code_of(identity.error());
  }
  base::log_info("starting {} dir={}", base::version_line(), options.dir);
  Process process(options, std::move(*identity));
  return run(process);
}

}  // namespace shoal::tracker
