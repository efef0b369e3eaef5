// SPDX-License-Identifier: MIT
// What several verbs need.
#include "cli/swarm_verbs.h"

#include <algorithm>
#include <bit>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/config.h"
#include "cli/mounts.h"
#include "cli/paths.h"

namespace shoal::cli {

Result<ResolvedPath> connect_for_path(const std::string& dir, const std::string& path,
                                      Wanted wanted) {
  std::error_code error;
  const std::string folder = std::filesystem::current_path(error).string();
  const std::string absolute = swarm_path(path.starts_with('/') ? path : folder + "/" + path);
  auto connected = connect_target({.dir = dir, .path = absolute, .wanted = wanted});
  if (!connected) return pass(connected);
  std::string mount_point;
  const auto mount = mount_holding(current_mounts(), absolute);
  if (mount && mount->is_shoal()) {
    mount_point = mount->point;
  } else if (!connected->target.is_tracker) {
    // A mount that we cannot see, such as one in a container.
    const auto status = connected->client.peer_status();
    if (!status) return pass(status);
    mount_point = status->mount_point;
  }
  return ResolvedPath{.connected = std::move(*connected),
                      .path = swarm_path_of(path, folder, mount_point)};
}

MemberNames names_of(const std::vector<wire::Member>& members) {
  MemberNames names;
  for (const wire::Member& member : members) names[member.peer] = member.name;
  return names;
}

std::string name_of(const MemberNames& names, const PeerId& peer) {
  const auto found = names.find(peer);
  return found != names.end() && !found->second.empty() ? base::printable(found->second)
                                                        : peer.short_hex();
}

std::uint64_t chunks_held(const wire::Holder& holder, std::uint64_t chunks) {
  if (holder.complete) return chunks;
  std::uint64_t count = 0;
  for (const std::byte bits : holder.chunks) {
    count += static_cast<std::uint64_t>(std::popcount(static_cast<unsigned char>(bits)));
  }
  return std::min(count, chunks);
}

std::string_view health_word(const wire::Located& located, std::uint32_t wanted) {
  if (located.content.id.is_empty()) return "healthy";
  std::uint32_t complete_online = 0;
  bool any_complete = false;
  for (const wire::Holder& holder : located.holders) {
    any_complete = any_complete || holder.complete;
    if (holder.complete && holder.online) ++complete_online;
  }
  if (complete_online >= wanted) return "healthy";
  if (complete_online > 0) return "under copies";

  // Partial holders can make it up between them.
  const std::uint64_t chunks =
      base::chunk_count(located.content.id.size, located.content.chunk_bytes);
  Bytes online((chunks + 7) / 8);
  Bytes anyone((chunks + 7) / 8);
  for (const wire::Holder& holder : located.holders) {
    for (std::size_t i = 0; i < std::min(holder.chunks.size(), anyone.size()); ++i) {
      anyone[i] |= holder.chunks[i];
      if (holder.online) online[i] |= holder.chunks[i];
    }
  }
  const auto covers = [&](const Bytes& bits) {
    return chunks_held(
               {.peer = {}, .endpoints = {}, .online = true, .complete = false, .chunks = bits},
               chunks) == chunks;
  };
  if (covers(online)) return "under copies";
  return any_complete || covers(anyone) ? "unavailable" : "lost";
}

Json json_of(const wire::Holder& holder, const MemberNames& names,
             const wire::ContentRef& content) {
  const std::uint64_t chunks = base::chunk_count(content.id.size, content.chunk_bytes);
  Json json;
  json["peer"] = holder.peer.hex();
  const auto name = names.find(holder.peer);
  json["name"] = name != names.end() ? Json(name->second) : Json(nullptr);
  json["online"] = holder.online;
  json["complete"] = holder.complete;
  json["chunks_held"] = chunks_held(holder, chunks);
  return json;
}

std::string size_text(const wire::Attributes& attributes) {
  if (attributes.kind != wire::FileKind::regular) return std::string(kind_word(attributes.kind));
  return base::format_bytes(attributes.size);
}

std::string_view kind_word(wire::FileKind kind) {
  switch (kind) {
    case wire::FileKind::regular:
      return "file";
    case wire::FileKind::directory:
      return "directory";
    case wire::FileKind::symlink:
      return "symlink";
    case wire::FileKind::fifo:
      return "fifo";
    case wire::FileKind::socket:
      return "socket";
    case wire::FileKind::char_device:
      return "character device";
    case wire::FileKind::block_device:
      return "block device";
  }
  return "unknown";
}

}  // namespace shoal::cli
