// SPDX-License-Identifier: MIT
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>
#include <string>

#include "base/daemon.h"
#include "base/version.h"
#include "tracker/init.h"
#include "tracker/run_tracker.h"

namespace shoal::tracker {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  trackerd init --dir /var/lib/shoal/tracker --name home --listen 192.0.2.7:4050\n"
    "  trackerd --dir /var/lib/shoal/tracker\n"
    "  shoal invite --dir /var/lib/shoal/tracker\n"
    "\n"
    "Every option can stand in the environment: --dir as SHOAL_DIR.\n"
    "Signals: TERM ends in order; HUP reloads the log settings; USR1 logs counters.\n"
    "Exit codes: 0 ok, 1 failed, 2 usage or settings.";

struct CommandLine {
  std::string dir;
  std::string log_level;
  bool check_config = false;
  // init
  std::string name = "swarm";
  std::string listen = kDefaultListen;
  std::int64_t copies = 2;
};

int complain(const Error& error) {
  std::cerr << "trackerd: " << error.context() << '\n';
  return base::exit_code_of(error);
}

int init(const CommandLine& line) {
  InitOptions options{line.dir, line.name, {}};
  auto listen = wire::Endpoint::parse(line.listen);
  if (!listen) return complain(listen.error().with("--listen"));
  options.settings.listen = std::move(*listen);
  options.settings.copies = line.copies;
  const auto id = init_tracker(options);
  if (!id) return complain(id.error());
  std::cout << "tracker " << id->hex() << " of swarm " << line.name << " is set up in " << line.dir
            << "\nstart it:       trackerd --dir " << line.dir
            << "\ninvite a peer:  shoal invite --dir " << line.dir << '\n';
  return base::kExitOk;
}

int run(const CommandLine& line) {
  const std::string path = line.dir + "/" + kSettingsFile;
  auto settings = read_settings(path);
  if (!settings && settings.error().code() == Errc::not_found) {
    return complain(
        Error(Errc::not_found,
              line.dir + " holds no tracker: run `trackerd init --dir " + line.dir + "` first"));
  }
  if (!settings) return complain(settings.error());
  if (!line.log_level.empty()) {
    auto level = base::parse_log_level(line.log_level);
    if (!level) return complain(level.error().with("--log-level"));
    settings->log.level = *level;
  }
  if (line.check_config) {
    std::cout << path << " is fine\n";
    return base::kExitOk;
  }
  return run_tracker({line.dir, std::move(*settings)});
}

int parse_and_run(int argc, char** argv) {
  CommandLine line;
  CLI::App app("trackerd keeps the names of a swarm and knows who holds what.", "trackerd");
  app.footer(kExamples);
  app.set_version_flag("--version", std::string(base::version_line()));
  app.add_option("--dir", line.dir, "The tracker's folder")->envname("SHOAL_DIR")->required();
  app.add_option("--log-level", line.log_level, "debug, info, warning or error")
      ->envname("SHOAL_LOG_LEVEL");
  app.add_flag("--check-config", line.check_config, "Check the settings and end");
  auto* verb = app.add_subcommand("init", "Found a swarm: make the tracker's folder");
  verb->fallthrough();
  verb->add_option("--name", line.name, "The swarm's name for people (default: swarm)")
      ->envname("SHOAL_NAME");
  verb->add_option("--listen", line.listen,
                   "Where peers connect to, HOST:PORT (default 127.0.0.1:4050)")
      ->envname("SHOAL_LISTEN");
  verb->add_option("--copies", line.copies, "On how many peers every file shall be (default 2)")
      ->envname("SHOAL_COPIES")
      ->check(CLI::Range(1, 64));
  app.require_subcommand(0, 1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? base::kExitOk : base::kExitUsage;
  }
  while (line.dir.size() > 1 && line.dir.ends_with('/')) line.dir.pop_back();
  return verb->parsed() ? init(line) : run(line);
}

}  // namespace
}  // namespace shoal::tracker

int main(int argc, char** argv) { return shoal::tracker::parse_and_run(argc, argv); }
