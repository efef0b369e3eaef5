// SPDX-License-Identifier: MIT
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/config.h"
#include "cli/swarm_verbs.h"

namespace shoal::cli {
namespace {

/// Nothing to mend: every file has its copies.
bool is_healthy(const wire::Health& health) {
  return health.under == 0 && health.unavailable == 0 && health.lost == 0;
}

std::string_view health_word(const wire::Health& health) {
  if (health.lost > 0) return "files are lost";
  if (health.unavailable > 0) return "some files cannot be read now";
  return health.under > 0 ? "some files have too few copies" : "healthy";
}

std::string swarm_text(const wire::StatusReply& status, const Output& output) {
  const wire::SwarmTotals& totals = status.totals;
  const wire::Health& health = status.health;
  const std::string_view word = health_word(health);
  std::string out = fmt::format("swarm {}: {}\n", base::printable(status.swarm_name),
                                output.paint(is_healthy(health) ? Color::good : Color::bad, word));
  out += fmt::format("  members   {}, {} online\n", grouped(totals.members),
                     grouped(totals.members_online));
  out += fmt::format("  files     {} in {}, {}\n", grouped(totals.files),
                     count_of(totals.directories, "directory"), base::format_bytes(totals.bytes));
  out += fmt::format("  copies    {} wanted of each file; {} below that\n", grouped(totals.copies),
                     count_of(health.under, "file"));
  if (health.unavailable > 0) {
    out += fmt::format("            {} without an online holder\n",
                       count_of(health.unavailable, "file"));
  }
  if (health.lost > 0) {
    out += fmt::format("            {} without any holder\n", count_of(health.lost, "file"));
  }
  out +=
      fmt::format("  space     {} free of {}, copies taken into account",
                  base::format_bytes(totals.free_bytes), base::format_bytes(totals.capacity_bytes));
  return out;
}

/// Zero when the peer does not say.
std::uint64_t metric_of(const wire::PeerStatusReply& peer, std::string_view name) {
  const std::size_t count = std::min(peer.metric_names.size(), peer.metric_values.size());
  for (std::size_t i = 0; i < count; ++i) {
    if (peer.metric_names[i] != name) continue;
    return static_cast<std::uint64_t>(std::max<std::int64_t>(peer.metric_values[i], 0));
  }
  return 0;
}

std::string rate_text(std::uint64_t bytes_per_second) {
  if (bytes_per_second == 0) return "no limit";
  return base::format_bytes(bytes_per_second) + "/s";
}

std::string peer_text(const wire::PeerStatusReply& peer, const Output& output) {
  std::string out =
      fmt::format("this peer: {} ({})\n", base::printable(peer.name), peer.peer.short_hex());
  out += fmt::format("  mounted   {}\n",
                     peer.mount_point.empty()
                         ? "no"
                         : fmt::format("{} ({})", base::printable(peer.mount_point), peer.mode));
  out += fmt::format("  tracker   {}\n", peer.tracker_connected
                                             ? output.paint(Color::good, "connected")
                                             : output.paint(Color::bad, "not connected"));
  out += fmt::format(
      "  stores    {} in {}, {} free\n", base::format_bytes(peer.capacity.stored_bytes),
      count_of(peer.capacity.stored_blobs, "blob"), base::format_bytes(peer.capacity.free_bytes));
  const std::uint64_t up = metric_of(peer, "shoal_upload_limit_bytes");
  const std::uint64_t down = metric_of(peer, "shoal_download_limit_bytes");
  if (up != 0 || down != 0) {
    out += fmt::format("  limits    up {}, down {}\n", rate_text(up), rate_text(down));
  }
  out += fmt::format("  version   {}, hashing with {}", peer.version, peer.hasher);
  return out;
}

Json json_of_peer(const wire::PeerStatusReply& peer) {
  Json json;
  json["name"] = peer.name;
  json["peer"] = peer.peer.hex();
  json["mounted"] = !peer.mount_point.empty();
  set_path(json, "mount", peer.mount_point);
  json["mode"] = peer.mode;
  json["hasher"] = peer.hasher;
  json["version"] = peer.version;
  json["tracker_connected"] = peer.tracker_connected;
  json["endpoints"] = Json::array();
  for (const wire::Endpoint& endpoint : peer.endpoints)
    json["endpoints"].push_back(endpoint.text());
  json.update(json_of(peer.capacity));
  json["metrics"] = Json::object();
  for (std::size_t i = 0; i < std::min(peer.metric_names.size(), peer.metric_values.size()); ++i) {
    json["metrics"][peer.metric_names[i]] = peer.metric_values[i];
  }
  return json;
}

Json json_of_swarm(const wire::StatusReply& status) {
  Json json;
  json["name"] = status.swarm_name;
  json["state"] = is_healthy(status.health) ? "healthy" : "degraded";
  json["totals"] = json_of(status.totals);
  json["health"] = json_of(status.health);
  json["peers"] = Json::array();
  for (const wire::Member& member : status.members) json["peers"].push_back(json_of(member));
  return json;
}

}  // namespace

Result<ExitCode> run_status(const StatusOptions& options, const Output& output) {
  auto connected = connect_target({.dir = options.dir, .path = {}, .wanted = Wanted::anyone});
  if (!connected) return pass(connected);
  std::optional<wire::PeerStatusReply> peer;
  if (!connected->target.is_tracker) {
    auto answer = connected->client.peer_status();
    if (!answer) return pass(answer);
    peer = std::move(*answer);
  }
  const auto swarm = connected->client.status();
  if (output.json()) {
    Json json = json_document();
    json["swarm"] = swarm ? json_of_swarm(*swarm) : Json(nullptr);
    json["peer"] = peer ? json_of_peer(*peer) : Json(nullptr);
    output.print_json(json);
  } else {
    if (swarm) output.print(swarm_text(*swarm, output));
    if (peer) output.print(fmt::format("{}{}", swarm ? "\n" : "", peer_text(*peer, output)));
  }
  if (!swarm) return pass(swarm);
  return is_healthy(swarm->health) ? ExitCode::ok : ExitCode::degraded;
}

}  // namespace shoal::cli
