// SPDX-License-Identifier: MIT
#include "cli/command_line.h"

#include <fmt/ranges.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <vector>

#include "base/version.h"
#include "cli/lab_verbs.h"
#include "cli/suggest.h"
#include "cli/swarm_verbs.h"

namespace shoal::cli {
namespace {

constexpr const char* kExitCodes =
    "Exit status: 0 done, 1 failed, 2 wrong usage, 3 degraded, 4 unreachable, 5 not let in,\n"
    "6 not found, 130 interrupted.";

constexpr const char* kAbout =
    "shoal makes a swarm of computers look like one shared directory.\n"
    "This tool looks around in a swarm, and runs a whole one on this machine to try things out.";

constexpr const char* kFirstSteps =
    "First steps:\n"
    "  shoal lab start --peers 3 --dir /tmp/lab     a swarm of three mounts on this machine\n"
    "  cp -a ~/docs /tmp/lab/peer1/mnt/             copy something in on the first\n"
    "  ls /tmp/lab/peer2/mnt/docs                   it is there on the second\n"
    "  shoal lab status                             who runs, what is stored\n"
    "  shoal lab stop                               ends all of it\n"
    "\n"
    "`shoal VERB --help` explains a verb, with examples.\n";

/// The tree of verbs, and the options that its parsing fills.
class Grammar {
 public:
  Grammar();
  CLI::App& app() { return app_; }
  Invocation invocation(bool color_terminal);
  /// The verbs; behind `lab` those of lab.
  std::vector<std::string> words_here() const;

 private:
  using Run = std::function<Result<ExitCode>(const Output&)>;

  /// A verb with what all verbs have. options live as long as the verb's run function.
  template <class Options>
  CLI::App* add(CLI::App* parent, const std::string& name, const std::string& about,
                const std::string& examples, std::shared_ptr<Options> options,
                Result<ExitCode> (*verb)(const Options&, const Output&));
  void add_talk(CLI::App* app);
  void add_dir(CLI::App* verb, std::string& dir, const std::string& about);
  void add_lab();
  void add_lab_changes(CLI::App* lab);
  void add_looking();
  void add_moving();

  CLI::App app_{kAbout, "shoal"};
  Output::Options output_;
  std::string color_ = "auto";
  std::string dir_;                          // --dir before the verb
  std::vector<std::string*> dirs_of_verbs_;  // --dir behind it, in options that the callbacks own
  Run run_;
};

void Grammar::add_talk(CLI::App* app) {
  app->add_flag("--json", output_.json, "Print JSON (\"schema\":1) on stdout")
      ->envname("SHOAL_JSON");
  app->add_flag("-q,--quiet", output_.quiet, "Say nothing but data and errors")
      ->envname("SHOAL_QUIET");
  app->add_option("--color", color_, "auto, always or never; auto honours NO_COLOR")
      ->envname("SHOAL_COLOR")
      ->type_name("WHEN")
      ->check(CLI::IsMember({"auto", "always", "never"}, CLI::ignore_case));
}

template <class Options>
CLI::App* Grammar::add(CLI::App* parent, const std::string& name, const std::string& about,
                       const std::string& examples, std::shared_ptr<Options> options,
                       Result<ExitCode> (*verb)(const Options&, const Output&)) {
  CLI::App* app = parent->add_subcommand(name, about);
  app->footer("Examples:\n" + examples + "\n" + kExitCodes);
  add_talk(app);
  app->callback([this, options, verb] {
    run_ = [options, verb](const Output& output) { return verb(*options, output); };
  });
  return app;
}

void Grammar::add_dir(CLI::App* verb, std::string& dir, const std::string& about) {
  verb->add_option("--dir", dir, about)->type_name("DIR");
  dirs_of_verbs_.push_back(&dir);
}

constexpr const char* kDaemonDir = "Folder of a peer, a tracker or a lab; mostly found by itself";
constexpr const char* kLabDir = "The lab's folder; else $SHOAL_LAB, or the lab started last";

void Grammar::add_lab() {
  CLI::App* lab = app_.add_subcommand("lab", "A whole swarm on this machine, to try things out");
  lab->require_subcommand(1);
  lab->footer(
      "A lab is a tracker and some peers, each mounted at DIR/peerK/mnt. Its daemons go on when "
      "this\n"
      "tool ends. Several labs can run at once.\n\n"
      "Examples:\n"
      "  shoal lab start --peers 3 --dir /tmp/lab\n"
      "  shoal lab kill 1 && shoal lab restart 1\n"
      "  shoal lab stop");
  add_talk(lab);
  lab->add_option("--dir", dir_, kLabDir)->type_name("DIR");

  auto start = std::make_shared<LabStartOptions>();
  CLI::App* verb =
      add(lab, "start", "Start a lab, or an existing one again; returns when all is mounted",
          "  shoal lab start --peers 3 --dir /tmp/lab\n"
          "  shoal lab start --peers 5 --copies 3 --dir ~/swarm --json\n",
          start, run_lab_start);
  add_dir(verb, start->dir, kLabDir);
  verb->add_option("--peers", start->peers, "How many peers; 3 for a new lab")
      ->envname("SHOAL_PEERS")
      ->type_name("N")
      ->check(CLI::Range(1, kMaxLabPeers));
  verb->add_option("--copies", start->copies,
                   "On how many peers each file shall be; 2 for a new lab")
      ->envname("SHOAL_COPIES")
      ->type_name("C")
      ->check(CLI::Range(1, kMaxLabPeers));

  verb->add_option("-o", start->mount_options,
                   "Mount options of every peer, such as delegation=off; kept for later starts")
      ->envname("SHOAL_LAB_OPTIONS")
      ->type_name("OPTIONS");

  auto status = std::make_shared<LabStatusOptions>();
  verb = add(lab, "status", "What runs, what is mounted, and whether all files have their copies",
             "  shoal lab status\n"
             "  shoal lab status --json | python3 -c 'import json, sys; "
             "print(json.load(sys.stdin)[\"health\"])'\n",
             status, run_lab_status);
  add_dir(verb, status->dir, kLabDir);

  add_lab_changes(lab);
}

void Grammar::add_lab_changes(CLI::App* lab) {
  auto kill = std::make_shared<LabDaemonOptions>();
  CLI::App* verb = add(lab, "kill", "Kill a daemon hard (SIGKILL), as a crash would",
                       "  shoal lab kill 1\n"
                       "  shoal lab kill tracker\n",
                       kill, run_lab_kill);
  add_dir(verb, kill->dir, kLabDir);
  verb->add_option("daemon", kill->daemon, "A peer (1, peer1) or tracker")->required();

  auto restart = std::make_shared<LabDaemonOptions>();
  verb = add(lab, "restart", "Stop a daemon if it runs, clear its dead mount, and start it again",
             "  shoal lab restart 1\n"
             "  shoal lab restart tracker\n",
             restart, run_lab_restart);
  add_dir(verb, restart->dir, kLabDir);
  verb->add_option("daemon", restart->daemon, "A peer (1, peer1) or tracker")->required();

  auto stop = std::make_shared<LabStopOptions>();
  verb = add(lab, "stop", "Stop all daemons and unmount; the lab's files stay",
             "  shoal lab stop\n"
             "  shoal lab stop --dir /tmp/lab && rm -r /tmp/lab\n",
             stop, run_lab_stop);
  add_dir(verb, stop->dir, kLabDir);
}

void Grammar::add_looking() {
  auto status = std::make_shared<StatusOptions>();
  CLI::App* verb = add(&app_, "status", "The swarm and this peer: members, files, copies, space",
                       "  shoal status\n"
                       "  shoal status --dir /var/lib/shoal --json\n",
                       status, run_status);
  add_dir(verb, status->dir, kDaemonDir);

  auto peers = std::make_shared<StatusOptions>();
  verb = add(&app_, "peers", "The swarm's members: online or not, what they store, where they are",
             "  shoal peers\n"
             "  shoal peers --json\n",
             peers, run_peers);
  add_dir(verb, peers->dir, kDaemonDir);

  auto find = std::make_shared<FindOptions>();
  verb = add(&app_, "find", "Search names: path, size, who holds it",
             "  shoal find report              names that contain it\n"
             "  shoal find '*.pdf'             a pattern, as the shell has them\n"
             "  shoal find '/docs/2026/*'      with a slash: on the whole path\n",
             find, run_find);
  add_dir(verb, find->dir, kDaemonDir);
  verb->add_option("pattern", find->pattern, "Part of a name, or a pattern with *, ? or [...]")
      ->required();
  verb->add_option("--limit", find->limit, "At most so many")
      ->envname("SHOAL_LIMIT")
      ->type_name("N")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();

  auto conflicts = std::make_shared<ConflictsOptions>();
  verb = add(&app_, "conflicts", "What was kept beside a change of another peer: whose, and when",
             "  shoal conflicts\n"
             "  shoal conflicts --json\n",
             conflicts, run_conflicts);
  add_dir(verb, conflicts->dir, kDaemonDir);

  auto info = std::make_shared<InfoOptions>();
  verb = add(&app_, "info", "One file: its root, chunks, holders and health",
             "  shoal info /docs/report.pdf            a path in the swarm\n"
             "  shoal info /tmp/lab/peer1/mnt/a.txt    a path in the mount\n"
             "  cd /mnt/swarm && shoal info a.txt\n",
             info, run_info);
  add_dir(verb, info->dir, kDaemonDir);
  verb->add_option("path", info->path, "A path in the swarm, or one inside a mount of it")
      ->required();
}

void Grammar::add_moving() {
  auto invite = std::make_shared<InviteOptions>();
  CLI::App* verb = add(&app_, "invite", "Print an invitation with which one machine can join",
                       "  shoal invite --dir /var/lib/shoal/tracker\n"
                       "  shoal invite -q | ssh other peerd join - --dir /var/lib/shoal/peer\n",
                       invite, run_invite);
  add_dir(verb, invite->dir, "The tracker's folder, or a lab's");
  verb->add_option("--valid", invite->valid, "How long it can be used, such as 90min, 24h")
      ->envname("SHOAL_VALID")
      ->type_name("TIME")
      ->capture_default_str();

  auto get = std::make_shared<GetOptions>();
  verb = add(&app_, "get",
             "Fetch one file out of the swarm, with progress; goes on after an interruption",
             "  shoal get /films/holiday.mkv ~/Videos/\n"
             "  shoal get --progress=plain /films/holiday.mkv holiday.mkv\n"
             "  shoal get /backup.tar - | tar -tf -\n",
             get, run_get);
  add_dir(verb, get->dir, kDaemonDir);
  verb->add_option("path", get->path, "A path in the swarm, or one inside a mount of it")
      ->required();
  verb->add_option("destination", get->destination, "A file, a folder, or - for stdout; else here");
  verb->add_option("--progress", get->progress, "auto, bar, plain (a line every 5 s), json or none")
      ->envname("SHOAL_PROGRESS")
      ->type_name("HOW")
      ->check(CLI::IsMember({"auto", "bar", "plain", "json", "none"}))
      ->capture_default_str();
  verb->add_flag("-f,--force", get->force, "Replace a destination that is there already");

  auto umount = std::make_shared<UmountOptions>();
  verb = add(&app_, "umount", "Publish what is unsent and unmount; also clears a dead mount",
             "  shoal umount /mnt/swarm\n"
             "  shoal umount --lazy /mnt/swarm\n",
             umount, run_umount);
  add_dir(verb, umount->dir, "The peer's folder");
  verb->add_option("mountpoint", umount->mount_point, "Not needed when only one swarm is mounted");
  verb->add_flag("-l,--lazy", umount->lazy, "Detach it even while files are open");
}

Grammar::Grammar() {
  app_.require_subcommand(1);
  app_.footer(std::string(kFirstSteps) + kExitCodes);
  app_.set_version_flag("--version", std::string(base::version_line()));
  app_.get_formatter()->column_width(26);
  add_talk(&app_);
  app_.add_option("--dir", dir_, kDaemonDir)->type_name("DIR");
  add_lab();
  add_looking();
  add_moving();
}

Invocation Grammar::invocation(bool color_terminal) {
  for (std::string* dir : dirs_of_verbs_) {
    if (dir->empty()) *dir = dir_;
  }
  Output::Options output = output_;
  output.color = wants_color(color_, color_terminal);
  return {.output = output, .run = run_};
}

std::vector<std::string> Grammar::words_here() const {
  std::vector<std::string> words;
  const CLI::App* lab = app_.get_subcommand("lab");
  // Behind `lab` its own verbs are meant.
  const CLI::App* parent = lab->parsed() ? lab : &app_;
  for (const CLI::App* verb : parent->get_subcommands({})) words.push_back(verb->get_name());
  return words;
}

/// The first argument that looks like a verb that is none.
std::string unknown_verb(int argc, const char* const* argv, bool after_lab) {
  bool seen_lab = !after_lab;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.starts_with('-')) continue;
    if (seen_lab) return argument;
    seen_lab = argument == "lab";
  }
  return {};
}

/// What CLI11 has against the command line, in a sentence, with the word that was probably meant.
std::string complaint(const CLI::ParseError& error, Grammar& grammar, int argc,
                      const char* const* argv) {
  std::vector<std::string> path{"shoal"};
  for (const CLI::App* app = &grammar.app(); !app->get_subcommands().empty();) {
    app = app->get_subcommands().front();
    path.push_back(app->get_name());
  }
  const std::string command = fmt::format("{}", fmt::join(path, " "));
  const bool in_lab = path.back() == "lab";
  if (path.size() > 1 && !in_lab) {
    return fmt::format("shoal: {} (see `{} --help`)\n", error.what(), command);
  }
  const std::string typed = unknown_verb(argc, argv, in_lab);
  if (typed.empty()) return fmt::format("{} needs a verb: see `{} --help`\n", command, command);
  const std::string near = suggest(typed, grammar.words_here());
  return fmt::format("{} has no verb \"{}\"{} (`{} --help` lists them)\n", command, typed,
                     near.empty() ? "" : fmt::format("; did you mean {}?", near), command);
}

/// `shoal help lab start` is `shoal lab start --help`.
std::vector<std::string> arguments_of(int argc, const char* const* argv) {
  std::vector<std::string> arguments(argv + 1, argv + std::max(argc, 1));
  if (!arguments.empty() && arguments.front() == "help") {
    arguments.erase(arguments.begin());
    arguments.emplace_back("--help");
  }
  std::ranges::reverse(arguments);  // as CLI11 takes a vector
  return arguments;
}

}  // namespace

std::variant<Invocation, Message> parse_command_line(int argc, const char* const* argv,
                                                     bool color_terminal) {
  // The run function lives in the grammar's options, which it shares.
  Grammar grammar;
  try {
    grammar.app().parse(arguments_of(argc, argv));
  } catch (const CLI::CallForHelp&) {
    return Message{.code = ExitCode::ok, .text = grammar.app().help()};
  } catch (const CLI::CallForVersion& version) {
    return Message{.code = ExitCode::ok, .text = std::string(version.what()) + "\n"};
  } catch (const CLI::ParseError& error) {
    if (argc <= 1) return Message{.code = ExitCode::usage, .text = grammar.app().help()};
    return Message{.code = ExitCode::usage, .text = complaint(error, grammar, argc, argv)};
  }
  return grammar.invocation(color_terminal);
}

}  // namespace shoal::cli
