// SPDX-License-Identifier: MIT
#include "tracker/members.h"

namespace shoal::tracker {

void Members::add(PeerRow row, SteadyTime now) {
  by_id_[row.id] = row.key;
  Member member;
  member.offline_since = now;
  const PeerKey key = row.key;
  member.row = std::move(row);
  by_key_[key] = std::move(member);
}

void Members::remove(PeerKey key) {
  auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  by_id_.erase(found->second.row.id);
  by_key_.erase(found);
}

Member* Members::find(const PeerId& id) {
  auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &by_key_.at(found->second);
}

wire::Member Members::describe(const Member& member, std::int64_t now) const {
  wire::Member out;
  out.peer = member.row.id;
  out.name = member.row.name;
  out.endpoints = member.row.endpoints;
  out.online = member.is_online();
  out.last_seen = out.online ? now : member.row.last_seen;
  out.capacity_bytes = member.row.capacity.capacity_bytes;
  out.free_bytes = member.row.capacity.free_bytes;
  out.stored_bytes = member.row.capacity.stored_bytes;
  out.stored_blobs = member.row.capacity.stored_blobs;
  return out;
}

std::vector<wire::Member> Members::describe_all(std::int64_t now) const {
  std::vector<wire::Member> all;
  for (const auto& [key, member] : by_key_) all.push_back(describe(member, now));
  return all;
}

}  // namespace shoal::tracker
