// SPDX-License-Identifier: MIT
#include "peerd/members.h"

#include <algorithm>

#include "base/file.h"
#include "wire/codec.h"
#include "wire/messages.h"

namespace shoal::peerd {
namespace {

// The file is this line and an encoded wire::Members of protocol version 1.
constexpr std::string_view kMagic = "shoal members 1\n";
constexpr std::uint64_t kMaxFileBytes = 16 << 20;

bool is_same_place(const wire::Member& a, const wire::Member& b) {
  return a.name == b.name && a.endpoints == b.endpoints;
}

}  // namespace

bool Members::replace(std::vector<wire::Member> members) {
  std::unordered_map<PeerId, wire::Member> next;
  next.reserve(members.size());
  for (wire::Member& member : members) {
    const PeerId peer = member.peer;
    next.insert_or_assign(peer, std::move(member));
  }
  bool is_changed = next.size() != members_.size();
  for (auto entry = next.begin(); !is_changed && entry != next.end(); ++entry) {
    const wire::Member* old = find(entry->first);
    is_changed = old == nullptr || !is_same_place(*old, entry->second);
  }
  members_ = std::move(next);
  return is_changed;
}

const wire::Member* Members::find(const PeerId& peer) const {
  const auto found = members_.find(peer);
  return found == members_.end() ? nullptr : &found->second;
}

std::string Members::name_of(const PeerId& peer) const {
  const wire::Member* member = find(peer);
  if (member == nullptr || member->name.empty()) return peer.short_hex();
  return base::printable(member->name);
}

std::vector<wire::Member> Members::all() const {
  std::vector<wire::Member> list;
  list.reserve(members_.size());
  for (const auto& [peer, member] : members_) list.push_back(member);
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.peer < b.peer; });
  return list;
}

Bytes Members::format() const {
  wire::Members message;
  message.members = all();
  const Bytes body = wire::encode(message);
  const ByteView magic = as_bytes(kMagic);
  Bytes out(magic.begin(), magic.end());
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

Result<void> Members::parse(ByteView bytes) {
  if (!as_text(bytes).starts_with(kMagic)) return fail(Errc::corrupt, "not a list of members");
  auto message = wire::decode<wire::Members>(bytes.subspan(kMagic.size()));
  if (!message) return pass(message);
  replace(std::move(message->members));
  return {};
}

Result<void> load_members(const std::string& path, Members& members) {
  const auto text = base::read_whole(path, kMaxFileBytes);
  if (!text) {
    if (text.error().code() == Errc::not_found) return {};
    return pass(text);
  }
  auto parsed = members.parse(as_bytes(*text));
  if (!parsed) return std::unexpected(std::move(parsed).error().with(path));
  return {};
}

Result<void> save_members(const std::string& path, const Bytes& formatted) {
  return base::write_whole(path, as_text(formatted));
}

}  // namespace shoal::peerd
