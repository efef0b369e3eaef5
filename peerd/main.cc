// SPDX-License-Identifier: MIT
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>

#include "base/daemon.h"
#include "base/version.h"
#include "fs/guardian.h"
#include "peerd/join.h"
#include "peerd/mount_options.h"
#include "peerd/run_peer.h"

namespace shoal::peerd {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  shoal invite -q | ssh other peerd join - --dir /var/lib/shoal/peer\n"
    "  peerd --dir /var/lib/shoal/peer --mount /mnt/swarm\n"
    "  peerd --dir /var/lib/shoal/peer --no-mount\n"
    "  peerd --dir /var/lib/shoal/peer --check-config\n"
    "\n"
    "Every option can stand in the environment: --mount as SHOAL_MOUNT.\n"
    "Signals: TERM publishes, unmounts and ends; HUP reloads the log settings; USR1 logs "
    "counters.\n"
    "Exit codes: 0 ok, 1 failed, 2 usage or settings, 4 tracker unreachable, 5 not admitted.";

struct CommandLine {
  std::string dir;
  std::string mount;
  bool no_mount = false;
  std::string mount_options;
  std::string log_level;
  bool check_config = false;
  // join
  std::string invitation;
  std::string name;
  std::string listen = "127.0.0.1:0";
};

int complain(const Error& error) {
  std::cerr << "peerd: " << error.context() << '\n';
  return base::exit_code_of(error);
}

int join(const CommandLine& line) {
  std::string text = line.invitation;
  if (text == "-") std::getline(std::cin, text);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const std::size_t last = text.find_last_not_of(" \t\r\n");
  text = first == std::string::npos ? std::string() : text.substr(first, last - first + 1);
  const auto invitation = wire::Invitation::parse(text);
  if (!invitation) return complain(invitation.error());
  auto listen = wire::Endpoint::parse(line.listen);
  if (!listen) return complain(listen.error().with("--listen"));
  const auto joined = join_swarm(*invitation, {line.dir, line.name, std::move(*listen)});
  if (!joined) return complain(joined.error());
  std::cout << "joined swarm " << joined->swarm_name << " as " << joined->name << "\n"
            << "settings: " << line.dir << "/peerd.toml\n"
            << "mount it: peerd --dir " << line.dir << " --mount MOUNTPOINT\n"
            << "or serve: peerd --dir " << line.dir << " --no-mount\n";
  return base::kExitOk;
}

Result<Settings> settings_for(const CommandLine& line) {
  const std::string path = line.dir + "/peerd.toml";
  auto settings = read_settings(path);
  if (!settings && settings.error().code() == Errc::not_found) {
    return fail(Errc::not_found,
                "{} has not joined a swarm: run `peerd join INVITATION --dir {}` first", line.dir,
                line.dir);
  }
  if (!settings) return settings;
  if (!line.mount.empty()) settings->mount_point = line.mount;
  if (line.no_mount) settings->mount_point.clear();
  if (!settings->mount_point.empty()) {
    // The kernel's table and the tools know it by its absolute path only.
    std::error_code error;
    const auto absolute = std::filesystem::absolute(settings->mount_point, error);
    if (!error) settings->mount_point = (absolute / "").lexically_normal().parent_path().string();
  }
  if (!line.log_level.empty()) {
    auto level = base::parse_log_level(line.log_level);
    if (!level) return std::unexpected(level.error().with("--log-level"));
    settings->log.level = *level;
  }
  auto applied = apply_mount_options(line.mount_options, *settings);
  if (!applied) return pass(applied);
  return settings;
}

int run(const CommandLine& line) {
  auto settings = settings_for(line);
  if (!settings) return complain(settings.error());
  if (line.check_config) {
    std::cout << line.dir << "/peerd.toml is fine\n";
    return base::kExitOk;
  }
  return run_peer({line.dir, std::move(*settings)});
}

int parse_and_run(int argc, char** argv) {
  CommandLine line;
  CLI::App app("peerd keeps and serves a peer's share of a swarm, and mounts the swarm.", "peerd");
  app.footer(kExamples);
  app.set_version_flag("--version", std::string(base::version_line()));
  app.add_option("--dir", line.dir, "The peer's folder")->envname("SHOAL_DIR")->required();
  app.add_option("--mount", line.mount, "Mount the swarm here")->envname("SHOAL_MOUNT");
  app.add_flag("--no-mount", line.no_mount, "Only keep and serve; wins over --mount")
      ->envname("SHOAL_NO_MOUNT");
  app.add_option("-o", line.mount_options,
                 "Mount options: allow_other,sync,delegation=off,passthrough=auto,read_budget=10s,"
                 "workers=4")
      ->envname("SHOAL_MOUNT_OPTIONS");
  app.add_option("--log-level", line.log_level, "debug, info, warning or error")
      ->envname("SHOAL_LOG_LEVEL");
  app.add_flag("--check-config", line.check_config, "Check the settings and end");
  auto* verb = app.add_subcommand("join", "Become a member of a swarm");
  verb->fallthrough();
  verb->add_option("INVITATION", line.invitation,
                   "What `shoal invite` printed; - reads it from "
                   "stdin, where other users of this machine do not see it")
      ->required();
  verb->add_option("--name", line.name, "This peer's name for people (default: the machine's)")
      ->envname("SHOAL_NAME");
  verb->add_option("--listen", line.listen,
                   "Where other peers connect to (default 127.0.0.1, a free port)")
      ->envname("SHOAL_LISTEN");
  app.require_subcommand(0, 1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? base::kExitOk : base::kExitUsage;
  }
  while (line.dir.size() > 1 && line.dir.ends_with('/')) line.dir.pop_back();
  return verb->parsed() ? join(line) : run(line);
}

/// A daemon with a mount starts this program once more to watch over it: `peerd guard PROCESS`.
std::optional<pid_t> guarded_process(int argc, char** argv) {
  if (argc != 3 || std::string_view(argv[1]) != "guard") return std::nullopt;
  const std::string_view text(argv[2]);
  pid_t process = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), process);
  if (parsed.ec != std::errc() || process <= 0) return std::nullopt;
  return process;
}

}  // namespace
}  // namespace shoal::peerd

int main(int argc, char** argv) {
  const auto guarded = shoal::peerd::guarded_process(argc, argv);
  if (guarded) return shoal::fs::guard(*guarded);
  return shoal::peerd::parse_and_run(argc, argv);
}
