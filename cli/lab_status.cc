// SPDX-License-Identifier: MIT
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/config.h"
#include "cli/lab_verbs.h"
#include "cli/mounts.h"

namespace shoal::cli {
namespace {

std::string first_line(const std::string& path) {
  const auto text = base::read_whole(path, 4096);
  return text ? text->substr(0, text->find('\n')) : std::string();
}

LabPeerState look_at_peer(const LabDaemon& peer, const std::vector<Mount>& mounts) {
  LabPeerState state;
  state.daemon = peer;
  state.process = peer.process();
  if (mount_at(mounts, peer.mount)) {
    state.has_dead_mount = is_dead_mount(peer.mount);
    state.is_mounted = state.process.has_value() && !state.has_dead_mount;
  }
  if (state.process) {
    auto client = Client::connect(peer.control_socket());
    auto status = client ? client->peer_status() : Result<wire::PeerStatusReply>(pass(client));
    if (status) state.status = std::move(*status);
  }
  return state;
}

/// In a lab a peer is known by its name: nobody else joins it under the same one.
const wire::Member* member_of(const LabState& state, const std::string& name) {
  if (!state.swarm) return nullptr;
  const auto& members = state.swarm->members;
  const auto found = std::ranges::find(members, name, &wire::Member::name);
  return found == members.end() ? nullptr : &*found;
}

std::string_view word_of(LabHealth health) {
  switch (health) {
    case LabHealth::healthy:
      return "healthy";
    case LabHealth::copying:
      return "copying";
    case LabHealth::degraded:
      return "degraded";
    case LabHealth::stopped:
      return "stopped";
  }
  return "";
}

Json json_of_process(const std::optional<ProcessFacts>& process) {
  Json json;
  json["pid"] = process ? Json(process->pid) : Json(nullptr);
  json["running"] = process.has_value();
  return json;
}

Json json_of_peer(const LabState& state, const LabPeerState& peer) {
  Json json;
  json["name"] = peer.daemon.name;
  json.update(json_of_process(peer.process));
  json["mounted"] = peer.is_mounted;
  set_path(json, "mount", peer.daemon.mount);
  json["online"] = peer.is_online;
  json["tracker_connected"] = peer.status && peer.status->tracker_connected;
  const wire::Member* member = member_of(state, peer.daemon.name);
  json["stored_bytes"] = peer.status ? peer.status->capacity.stored_bytes
                         : member    ? member->stored_bytes
                                     : 0;
  json["stored_blobs"] = peer.status ? peer.status->capacity.stored_blobs
                         : member    ? member->stored_blobs
                                     : 0;
  json["peer"] = member ? Json(member->peer.hex()) : Json(nullptr);
  set_path(json, "dir", peer.daemon.dir);
  set_path(json, "log", peer.daemon.log());
  if (peer.status) {
    Json metrics = Json::object();
    const auto& names = peer.status->metric_names;
    const auto& values = peer.status->metric_values;
    for (std::size_t i = 0; i < std::min(names.size(), values.size()); ++i) {
      metrics[names[i]] = values[i];
    }
    json["metrics"] = std::move(metrics);
  }
  return json;
}

std::string mount_word(const LabPeerState& peer) {
  if (peer.has_dead_mount) return "dead mount";
  return peer.is_mounted ? "mounted" : "not mounted";
}

std::string daemon_word(const std::optional<ProcessFacts>& process, const Output& output) {
  return process ? output.paint(Color::good, "running") : output.paint(Color::bad, "stopped");
}

}  // namespace

LabState look_at_lab(const Lab& lab) {
  LabState state;
  state.lab = lab;
  state.tracker = lab.tracker().process();
  state.tracker_endpoint = first_line(lab.tracker().dir + "/endpoint");
  // Peers first: a daemon that is asked tells the tracker what it has not told yet.
  const std::vector<Mount> mounts = current_mounts();
  for (const LabDaemon& peer : lab.peers()) state.peers.push_back(look_at_peer(peer, mounts));
  if (state.tracker) {
    auto client = Client::connect(lab.tracker().control_socket());
    auto status = client ? client->status() : Result<wire::StatusReply>(pass(client));
    if (status) state.swarm = std::move(*status);
  }
  for (LabPeerState& peer : state.peers) {
    const wire::Member* member = member_of(state, peer.daemon.name);
    peer.is_online = member != nullptr && member->online;
  }
  return state;
}

LabHealth health_of(const LabState& state) {
  const bool any_running =
      state.tracker || std::ranges::any_of(state.peers, [](const LabPeerState& peer) {
        return peer.process.has_value();
      });
  if (!any_running) return LabHealth::stopped;
  const bool peers_fine = std::ranges::all_of(state.peers, [](const LabPeerState& peer) {
    return peer.process && peer.is_mounted && peer.is_online;
  });
  if (!peers_fine || !state.swarm) return LabHealth::degraded;
  const wire::Health& files = state.swarm->health;
  if (files.unavailable > 0 || files.lost > 0) return LabHealth::degraded;
  return files.under > 0 ? LabHealth::copying : LabHealth::healthy;
}

Json json_of(const LabState& state) {
  Json json = json_document();
  json["state"] = word_of(health_of(state));
  set_path(json, "dir", state.lab.dir);
  json["copies"] = state.lab.copies;
  json["mount_options"] = state.lab.mount_options;
  json["tracker"] = json_of_process(state.tracker);
  json["tracker"]["endpoint"] = state.tracker_endpoint;
  set_path(json["tracker"], "log", state.lab.tracker().log());
  json["peers"] = Json::array();
  for (const LabPeerState& peer : state.peers) json["peers"].push_back(json_of_peer(state, peer));
  json["health"] = state.swarm ? json_of(state.swarm->health) : Json(nullptr);
  json["totals"] = state.swarm ? json_of(state.swarm->totals) : Json(nullptr);
  return json;
}

std::string text_of(const LabState& state, const Output& output) {
  const LabHealth health = health_of(state);
  const Color color = health == LabHealth::healthy   ? Color::good
                      : health == LabHealth::copying ? Color::warning
                                                     : Color::bad;
  std::string out =
      fmt::format("lab in {}: {}\n", state.lab.dir, output.paint(color, word_of(health)));
  if (!state.lab.mount_options.empty()) {
    out += fmt::format("mounted with {}\n", base::printable(state.lab.mount_options));
  }
  if (state.swarm) {
    const wire::Health& files = state.swarm->health;
    out += fmt::format("{}, {} in all, {} wanted of each", count_of(files.files, "file"),
                       base::format_bytes(state.swarm->totals.bytes),
                       count_of(static_cast<std::uint64_t>(state.lab.copies), "copy"));
    if (files.under > 0) out += fmt::format("; {} below that", grouped(files.under));
    if (files.unavailable > 0) {
      out += fmt::format("; {} cannot be read now", grouped(files.unavailable));
    }
    if (files.lost > 0) out += fmt::format("; {} lost", grouped(files.lost));
    out += "\n\n";
  } else {
    out += "the tracker does not answer, so nothing is known of the files\n\n";
  }
  using Align = Table::Align;
  Table table({{"DAEMON"},
               {"STATE"},
               {"PID", Align::right},
               {"ONLINE"},
               {"STORES", Align::right},
               {"BLOBS", Align::right},
               {"WHERE"}});
  const auto pid_text = [](const std::optional<ProcessFacts>& process) {
    return process ? std::to_string(process->pid) : std::string("-");
  };
  table.add({"tracker", daemon_word(state.tracker, output), pid_text(state.tracker), "", "", "",
             state.tracker_endpoint});
  for (const LabPeerState& peer : state.peers) {
    const bool known = peer.status.has_value();
    table.add({peer.daemon.name, daemon_word(peer.process, output), pid_text(peer.process),
               peer.is_online ? "yes" : output.paint(Color::warning, "no"),
               known ? base::format_bytes(peer.status->capacity.stored_bytes) : "-",
               known ? grouped(peer.status->capacity.stored_blobs) : "-",
               fmt::format("{} ({})", peer.daemon.mount, mount_word(peer))});
  }
  return out + table.text();
}

Result<ExitCode> run_lab_status(const LabStatusOptions& options, const Output& output) {
  auto dir = lab_dir_of(options.dir);
  if (!dir) return pass(dir);
  const auto lab = load_lab(*dir);
  if (!lab) return pass(lab);
  const LabState state = look_at_lab(*lab);
  if (output.json()) {
    output.print_json(json_of(state));
  } else {
    output.print(text_of(state, output));
  }
  return health_of(state) == LabHealth::healthy ? ExitCode::ok : ExitCode::degraded;
}

}  // namespace shoal::cli
