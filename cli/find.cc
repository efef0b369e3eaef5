// SPDX-License-Identifier: MIT
#include <nlohmann/json.hpp>

#include "cli/swarm_verbs.h"

namespace shoal::cli {
namespace {

std::string holders_text(const wire::Found& found, const MemberNames& names) {
  if (found.record.attributes.kind != wire::FileKind::regular) return "-";
  if (found.record.content.id.is_empty()) return "(empty)";
  const wire::ContentRef& content = found.record.content;
  const std::uint64_t chunks = base::chunk_count(content.id.size, content.chunk_bytes);
  std::string out;
  for (const wire::Holder& holder : found.holders) {
    if (!out.empty()) out += ", ";
    out += name_of(names, holder.peer);
    if (!holder.complete) out += fmt::format(" {}/{}", chunks_held(holder, chunks), chunks);
    if (!holder.online) out += " (offline)";
  }
  return out.empty() ? "nobody" : out;
}

Json json_of_found(const wire::Found& found, const MemberNames& names) {
  Json json;
  set_path(json, "path", found.path);
  json["kind"] = kind_word(found.record.attributes.kind);
  json["bytes"] = found.record.attributes.size;
  json["mtime"] = rfc3339(found.record.attributes.mtime);
  json["holders"] = Json::array();
  for (const wire::Holder& holder : found.holders) {
    json["holders"].push_back(json_of(holder, names, found.record.content));
  }
  return json;
}

}  // namespace

Result<ExitCode> run_find(const FindOptions& options, const Output& output) {
  auto connected = connect_target({.dir = options.dir, .path = {}, .wanted = Wanted::anyone});
  if (!connected) return pass(connected);
  const auto reply = connected->client.find(options.pattern, options.limit);
  if (!reply) return pass(reply);
  const auto status = connected->client.status();
  if (!status) return pass(status);
  const MemberNames names = names_of(status->members);
  if (output.json()) {
    Json json = json_document();
    json["found"] = Json::array();
    for (const wire::Found& found : reply->found)
      json["found"].push_back(json_of_found(found, names));
    json["is_truncated"] = reply->is_truncated;
    output.print_json(json);
  } else if (!reply->found.empty()) {
    Table table({{"SIZE", Table::Align::right}, {"HOLDERS"}, {"PATH"}});
    for (const wire::Found& found : reply->found) {
      table.add({size_text(found.record.attributes), holders_text(found, names),
                 base::printable(found.path)});
    }
    output.print(table.text());
  }
  if (reply->found.empty()) {
    output.say(fmt::format("nothing matches {}", base::printable(options.pattern)));
    return ExitCode::not_found;
  }
  if (reply->is_truncated) {
    output.say(
        fmt::format("there are more: these are the first {}; see --limit", reply->found.size()));
  }
  return ExitCode::ok;
}

}  // namespace shoal::cli
