// SPDX-License-Identifier: MIT
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/conflicts.h"
#include "cli/swarm_verbs.h"

namespace shoal::cli {
namespace {

Json json_of_conflict(const Conflict& conflict) {
  Json json;
  set_path(json, "path", conflict.found->path);
  set_path(json, "name", conflict.kept.name);
  json["kind"] = kind_word(conflict.found->record.attributes.kind);
  json["bytes"] = conflict.found->record.attributes.size;
  json["peer"] = base::printable(conflict.kept.peer);
  json["time"] = rfc3339(conflict.kept.time);
  return json;
}

}  // namespace

std::vector<Conflict> conflicts_in(const std::vector<wire::Found>& found) {
  std::vector<Conflict> conflicts;
  for (const wire::Found& one : found) {
    const std::string_view path = one.path;
    const auto kept = wire::parse_conflict_name(path.substr(path.rfind('/') + 1));
    if (kept) conflicts.push_back({&one, *kept});
  }
  std::ranges::sort(conflicts, {}, [](const Conflict& conflict) {
    return std::pair(conflict.kept.time, std::string_view(conflict.found->path));
  });
  return conflicts;
}

Result<ExitCode> run_conflicts(const ConflictsOptions& options, const Output& output) {
  auto connected = connect_target({.dir = options.dir, .path = {}, .wanted = Wanted::anyone});
  if (!connected) return pass(connected);
  const auto reply = connected->client.find(std::string(wire::kConflictPattern), options.limit);
  if (!reply) return pass(reply);
  const std::vector<Conflict> conflicts = conflicts_in(reply->found);
  if (output.json()) {
    Json json = json_document();
    json["conflicts"] = Json::array();
    for (const Conflict& conflict : conflicts) {
      json["conflicts"].push_back(json_of_conflict(conflict));
    }
    json["is_truncated"] = reply->is_truncated;
    output.print_json(json);
  } else if (!conflicts.empty()) {
    Table table({{"SIZE", Table::Align::right}, {"PEER"}, {"TIME"}, {"PATH"}});
    for (const Conflict& conflict : conflicts) {
      table.add({size_text(conflict.found->record.attributes), base::printable(conflict.kept.peer),
                 rfc3339(conflict.kept.time), base::printable(conflict.found->path)});
    }
    output.print(table.text());
  }
  if (conflicts.empty()) output.say("there are no conflict copies");
  if (reply->is_truncated) {
    output.say(fmt::format("there are more: looked at were {} names", reply->found.size()));
  }
  return ExitCode::ok;
}

}  // namespace shoal::cli
