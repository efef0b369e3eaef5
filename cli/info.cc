// SPDX-License-Identifier: MIT
#include <nlohmann/json.hpp>

#include "base/config.h"
#include "cli/swarm_verbs.h"

namespace shoal::cli {
namespace {

struct Facts {
  const wire::ResolveReply& reply;
  const MemberNames& names;
  std::string path;

  const wire::InodeRecord& record() const { return reply.found.record; }
  bool is_file() const { return record().attributes.kind == wire::FileKind::regular; }
  bool has_bytes() const { return is_file() && !record().content.id.is_empty(); }
  std::uint64_t chunks() const {
    return base::chunk_count(record().content.id.size, record().content.chunk_bytes);
  }
  std::uint64_t complete_online() const {
    std::uint64_t count = 0;
    for (const wire::Holder& holder : reply.located.holders) {
      if (holder.complete && holder.online) ++count;
    }
    return count;
  }
  /// A file without bytes needs no holder.
  std::string_view health() const {
    return has_bytes() ? health_word(reply.located, reply.wanted_copies) : "healthy";
  }
};

std::string holders_text(const Facts& facts, const Output& output) {
  Table table({{"HOLDER"}, {"STATE"}, {"HAS"}, {"IDENTITY"}});
  for (const wire::Holder& holder : facts.reply.located.holders) {
    table.add({name_of(facts.names, holder.peer),
               holder.online ? output.paint(Color::good, "online")
                             : output.paint(Color::warning, "offline"),
               holder.complete ? "all"
                               : fmt::format("{} of {}", chunks_held(holder, facts.chunks()),
                                             count_of(facts.chunks(), "chunk")),
               holder.peer.short_hex()});
  }
  return table.is_empty() ? "nobody holds it" : table.text();
}

std::string text_of(const Facts& facts, const Output& output) {
  const wire::InodeRecord& record = facts.record();
  const wire::Attributes& attributes = record.attributes;
  std::string out = fmt::format("{}\n", base::printable(facts.path));
  out += fmt::format("  kind      {}, mode {:04o}, owner {}:{}, {}\n", kind_word(attributes.kind),
                     attributes.mode, attributes.uid, attributes.gid,
                     count_of(attributes.nlink, "link"));
  if (!record.target.empty()) {
    out += fmt::format("  target    {}\n", base::printable(record.target));
  }
  if (facts.is_file()) {
    out += fmt::format("  size      {} ({} bytes)\n", base::format_bytes(attributes.size),
                       grouped(attributes.size));
  }
  out += fmt::format("  modified  {}\n", rfc3339(attributes.mtime));
  out += fmt::format("  inode     {}, version {}", record.inode, record.version);
  if (!facts.has_bytes()) return out;
  const bool is_fine = facts.health() == "healthy";
  out += fmt::format("\n  chunks    {} of {}\n", grouped(facts.chunks()),
                     base::format_bytes(record.content.chunk_bytes));
  out += fmt::format("  root      {}\n", record.content.id.root.hex());
  out += fmt::format("  copies    {} of {} wanted: {}\n\n", facts.complete_online(),
                     facts.reply.wanted_copies,
                     output.paint(is_fine ? Color::good : Color::bad, facts.health()));
  return out + holders_text(facts, output);
}

Json json_of_facts(const Facts& facts) {
  const wire::InodeRecord& record = facts.record();
  const wire::Attributes& attributes = record.attributes;
  Json json = json_document();
  set_path(json, "path", facts.path);
  json["kind"] = kind_word(attributes.kind);
  json["inode"] = record.inode.value();
  json["version"] = record.version;
  json["mode"] = fmt::format("{:04o}", attributes.mode);
  json["uid"] = attributes.uid;
  json["gid"] = attributes.gid;
  json["links"] = attributes.nlink;
  json["bytes"] = attributes.size;
  json["allocated_bytes"] = attributes.allocated_bytes;
  json["mtime"] = rfc3339(attributes.mtime);
  json["ctime"] = rfc3339(attributes.ctime);
  if (!record.target.empty()) set_path(json, "target", record.target);
  if (!facts.is_file()) return json;
  json["root"] = facts.has_bytes() ? Json(record.content.id.root.hex()) : Json(nullptr);
  json["chunk_bytes"] = record.content.chunk_bytes;
  json["chunks"] = facts.chunks();
  json["wanted_copies"] = facts.reply.wanted_copies;
  json["complete_online"] = facts.complete_online();
  json["health"] = facts.health();
  json["holders"] = Json::array();
  for (const wire::Holder& holder : facts.reply.located.holders) {
    json["holders"].push_back(json_of(holder, facts.names, record.content));
  }
  return json;
}

}  // namespace

Result<ExitCode> run_info(const InfoOptions& options, const Output& output) {
  auto resolved = connect_for_path(options.dir, options.path, Wanted::anyone);
  if (!resolved) return pass(resolved);
  Client& client = resolved->connected.client;
  const auto reply = client.resolve(resolved->path);
  if (!reply) return pass(reply);
  const auto status = client.status();
  if (!status) return pass(status);
  const MemberNames names = names_of(status->members);
  const Facts facts{.reply = *reply, .names = names, .path = resolved->path};
  if (output.json()) {
    output.print_json(json_of_facts(facts));
  } else {
    output.print(text_of(facts, output));
  }
  return facts.health() == "healthy" ? ExitCode::ok : ExitCode::degraded;
}

}  // namespace shoal::cli
