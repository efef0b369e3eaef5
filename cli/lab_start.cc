// SPDX-License-Identifier: MIT
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/lab_verbs.h"
#include "cli/mounts.h"
#include "cli/paths.h"

namespace shoal::cli {
namespace {

constexpr int kDefaultPeers = 3;
constexpr int kDefaultCopies = 2;

/// A daemon's control socket lies in its folder, and the path of a socket is at most 107 bytes.
Result<void> check_length(const std::string& dir) {
  constexpr std::size_t kMaxSocketPath = 107;
  const Lab lab{.dir = dir, .peer_count = kMaxLabPeers, .copies = 1};
  const std::size_t longest = std::max(lab.tracker().control_socket().size(),
                                       lab.peer(kMaxLabPeers).control_socket().size());
  if (longest <= kMaxSocketPath) return {};
  return fail(Errc::invalid,
              "{} is too long by {} bytes for the sockets in it: take a shorter --dir", dir,
              longest - kMaxSocketPath);
}

/// The lab as it will be: what is in the folder, with what was asked for on top.
Result<Lab> plan_lab(const std::string& dir, const LabStartOptions& options) {
  if (!is_lab(dir)) {
    return Lab{.dir = dir,
               .peer_count = options.peers > 0 ? options.peers : kDefaultPeers,
               .copies = options.copies > 0 ? options.copies : kDefaultCopies,
               .mount_options = options.mount_options.value_or("")};
  }
  auto lab = load_lab(dir);
  if (!lab) return lab;
  if (options.peers != 0 && options.peers < lab->peer_count) {
    return fail(Errc::invalid,
                "the lab in {} has {} peers: start it with --peers {}, or take "
                "another --dir",
                dir, lab->peer_count, lab->peer_count);
  }
  if (options.copies != 0 && options.copies != lab->copies) {
    return fail(Errc::invalid,
                "the lab in {} keeps {} copies: leave --copies away, or take "
                "another --dir",
                dir, lab->copies);
  }
  if (options.mount_options) lab->mount_options = *options.mount_options;
  lab->peer_count = std::max(lab->peer_count, options.peers);
  return lab;
}

/// A running lab is not touched.
Result<void> check_not_running(const Lab& lab) {
  std::vector<LabDaemon> daemons = lab.peers();
  daemons.push_back(lab.tracker());
  for (const LabDaemon& daemon : daemons) {
    if (!daemon.process()) continue;
    return fail(Errc::exists,
                "the lab in {} is running ({} is): look at it with `shoal lab status`, start what "
                "is down with `shoal lab restart {}`, or end it with `shoal lab stop`",
                lab.dir, daemon.name, daemon.is_tracker() ? "1" : "tracker");
  }
  return {};
}

Result<void> start_all(const Lab& lab, const Output& output) {
  output.say("starting the tracker");
  auto done = init_tracker(lab);
  if (done) done = start_lab_daemon(lab.tracker());
  if (!done) return done;
  for (const LabDaemon& peer : lab.peers()) {
    output.say(fmt::format("starting {}, mounted at {}", peer.name, peer.mount));
    done = join_peer(lab, peer);
    if (done) done = start_lab_daemon(peer);
    if (done && was_interrupted()) done = fail(Errc::canceled, "interrupted");
    if (!done) return done;
  }
  return {};
}

}  // namespace

Result<ExitCode> run_lab_start(const LabStartOptions& options, const Output& output) {
  auto able = check_can_mount();
  if (!able) return pass(able);
  auto dir = lab_dir_of(options.dir);
  if (!dir) return pass(dir);
  auto fits = check_length(*dir);
  if (!fits) return pass(fits);
  auto made = base::make_folders(*dir);
  if (!made) return pass(made);
  auto lock = lock_lab(*dir);
  if (!lock) return pass(lock);
  auto lab = plan_lab(*dir, options);
  if (!lab) return pass(lab);
  auto idle = check_not_running(*lab);
  if (!idle) return pass(idle);
  auto saved = save_lab(*lab);
  if (!saved) return pass(saved);

  catch_interrupts();
  auto started = start_all(*lab, output);
  if (!started) {
    output.say("stopping what was started");
    auto stopped = stop_lab(*lab, [](std::string_view) {});
    if (!stopped) output.say(stopped.error().context());
    return pass(started);
  }
  remember_lab(*dir);
  const LabState state = look_at_lab(*lab);
  if (output.json()) {
    output.print_json(json_of(state));
    return ExitCode::ok;
  }
  output.say(fmt::format("the lab is up: {} mounted, {} wanted of each file",
                         count_of(static_cast<std::uint64_t>(lab->peer_count), "peer"),
                         count_of(static_cast<std::uint64_t>(lab->copies), "copy")));
  output.say(fmt::format("try it:     cp -a /etc/hosts {}/ && cat {}/hosts", lab->peer(1).mount,
                         lab->peer(lab->peer_count > 1 ? 2 : 1).mount));
  output.say(fmt::format("look at it: shoal lab status --dir {}", lab->dir));
  output.say(fmt::format("end it:     shoal lab stop --dir {}", lab->dir));
  return ExitCode::ok;
}

}  // namespace shoal::cli
