// SPDX-License-Identifier: MIT
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/config.h"
#include "cli/swarm_verbs.h"

namespace shoal::cli {
namespace {

std::string endpoints_text(const std::vector<wire::Endpoint>& endpoints) {
  std::string out;
  for (const wire::Endpoint& endpoint : endpoints) {
    if (!out.empty()) out += ", ";
    out += endpoint.text();
  }
  return out.empty() ? "-" : out;
}

std::string table_of(const wire::StatusReply& status, const Output& output) {
  using Align = Table::Align;
  Table table({{"PEER"},
               {"STATE"},
               {"SEEN"},
               {"STORES", Align::right},
               {"BLOBS", Align::right},
               {"FREE", Align::right},
               {"ADDRESS"},
               {"IDENTITY"}});
  const base::SystemClock clock;
  const std::int64_t now = clock.wall().time_since_epoch().count();
  for (const wire::Member& member : status.members) {
    table.add({base::printable(member.name),
               member.online ? output.paint(Color::good, "online")
                             : output.paint(Color::warning, "offline"),
               member.online ? "now" : ago(member.last_seen, now),
               base::format_bytes(member.stored_bytes), grouped(member.stored_blobs),
               base::format_bytes(member.free_bytes), endpoints_text(member.endpoints),
               member.peer.short_hex()});
  }
  return table.text();
}

}  // namespace

Result<ExitCode> run_peers(const StatusOptions& options, const Output& output) {
  auto connected = connect_target({.dir = options.dir, .path = {}, .wanted = Wanted::anyone});
  if (!connected) return pass(connected);
  auto status = connected->client.status();
  if (!status) return pass(status);
  std::ranges::sort(status->members, {}, &wire::Member::name);
  if (output.json()) {
    Json json = json_document();
    json["peers"] = Json::array();
    for (const wire::Member& member : status->members) json["peers"].push_back(json_of(member));
    output.print_json(json);
  } else if (status->members.empty()) {
    output.say("the swarm has no peers yet: invite one with `shoal invite`");
  } else {
    output.print(table_of(*status, output));
  }
  return ExitCode::ok;
}

}  // namespace shoal::cli
