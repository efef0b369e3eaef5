// SPDX-License-Identifier: MIT
#include "cli/target.h"

#include <algorithm>
#include <filesystem>

#include "cli/lab.h"
#include "cli/mounts.h"
#include "cli/paths.h"

namespace shoal::cli {
namespace {

bool exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

bool is_tracker_dir(const std::string& dir) { return exists(dir + "/trackerd.toml"); }
bool is_peer_dir(const std::string& dir) { return exists(dir + "/peerd.toml"); }

/// The daemons of one folder, of whatever kind it is.
std::vector<Target> targets_in(const std::string& dir, Wanted wanted) {
  std::vector<Target> targets;
  if (is_lab(dir)) {
    const auto lab = load_lab(dir);
    if (!lab) return targets;
    if (wanted != Wanted::tracker) {
      for (const LabDaemon& peer : lab->peers()) {
        if (exists(peer.control_socket())) targets.push_back({.dir = peer.dir});
      }
    }
    if (wanted != Wanted::peer) {
      targets.push_back({.dir = lab->tracker().dir, .is_tracker = true});
    }
    return targets;
  }
  if (wanted != Wanted::tracker && is_peer_dir(dir)) targets.push_back({.dir = dir});
  if (wanted != Wanted::peer && is_tracker_dir(dir)) {
    targets.push_back({.dir = dir, .is_tracker = true});
  }
  return targets;
}

void append(std::vector<Target>& targets, std::vector<Target> more) {
  for (Target& target : more) {
    if (std::ranges::find(targets, target) == targets.end()) targets.push_back(std::move(target));
  }
}

std::string_view kind_of(Wanted wanted) {
  switch (wanted) {
    case Wanted::anyone:
      return "a peer, a tracker or a lab";
    case Wanted::peer:
      return "a peer or a lab";
    case Wanted::tracker:
      return "a tracker or a lab";
  }
  return "";
}

/// Where daemons keep their files when nothing else was said.
std::vector<std::string> standard_folders() {
  std::vector<std::string> folders;
  const std::string user = user_state_folder();
  if (!user.empty()) folders = {user, user + "/peer", user + "/tracker"};
  for (const char* folder : {"/var/lib/shoal", "/var/lib/shoal/peer", "/var/lib/shoal/tracker"}) {
    folders.emplace_back(folder);
  }
  return folders;
}

Result<std::vector<Target>> targets_of_named(const std::string& dir, Wanted wanted) {
  auto path = real_path(dir);
  if (!path) return pass(path);
  auto targets = targets_in(*path, wanted);
  if (targets.empty()) {
    return fail(Errc::not_found, "{} is not the folder of {}", *path, kind_of(wanted));
  }
  return targets;
}

}  // namespace

std::string peer_dir_of_mount(const std::string& point) {
  for (const ProcessFacts& facts : all_daemons("peerd")) {
    if (daemon_mount(facts) == point) return daemon_dir(facts);
  }
  // Mounted by its configuration file; in a lab the folder is the mount's parent.
  for (const ProcessFacts& facts : all_daemons("peerd")) {
    auto client = Client::connect(daemon_dir(facts) + "/control.sock");
    if (!client) continue;
    const auto status = client->peer_status();
    if (status && status->mount_point == point) return daemon_dir(facts);
  }
  return {};
}

Result<std::vector<Target>> find_targets(const TargetQuery& query) {
  if (!query.dir.empty()) return targets_of_named(query.dir, query.wanted);
  const std::string named = environment("SHOAL_DIR");
  if (!named.empty()) return targets_of_named(named, query.wanted);

  std::vector<Target> targets;
  std::error_code error;
  const std::string here = std::filesystem::current_path(error).string();
  // A path in the swarm, such as /films/a.mkv, is in no mount: then it is the one we are in.
  for (const std::string& path : {query.path, here}) {
    if (path.empty()) continue;
    const auto mount = mount_holding(current_mounts(), path);
    if (!mount || !mount->is_shoal()) continue;
    const std::string dir = peer_dir_of_mount(mount->point);
    if (!dir.empty()) append(targets, targets_in(dir, query.wanted));
    break;
  }
  const std::string lab = environment("SHOAL_LAB");
  if (!lab.empty()) append(targets, targets_in(lab, query.wanted));
  for (const std::string& folder : standard_folders()) {
    append(targets, targets_in(folder, query.wanted));
  }
  const auto last_lab = lab_dir_of("");
  if (last_lab) append(targets, targets_in(*last_lab, query.wanted));
  return targets;
}

Result<Connected> connect_target(const TargetQuery& query) {
  auto targets = find_targets(query);
  if (!targets) return pass(targets);
  if (targets->empty()) {
    return fail(
        Errc::unreachable,
        "no daemon was found: say --dir DIR (the folder of {}), set SHOAL_DIR, or work inside "
        "a mounted swarm",
        kind_of(query.wanted));
  }
  for (const Target& target : *targets) {
    auto client = Client::connect(target.control_socket());
    if (client) return Connected{.target = target, .client = std::move(*client)};
    if (client.error().code() == Errc::access_denied) return pass(client);
  }
  const Target& first = targets->front();
  return fail(Errc::unreachable, "nobody answers at {}: start it with `{} --dir {}`",
              first.control_socket(), first.is_tracker ? "trackerd" : "peerd", first.dir);
}

}  // namespace shoal::cli
