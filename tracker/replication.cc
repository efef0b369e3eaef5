// SPDX-License-Identifier: MIT
#include "tracker/replication.h"

#include <algorithm>

#include "tracker/locate.h"
#include "tracker/state.h"

namespace shoal::tracker {
namespace {

/// Contents looked at per set and tick: a tick stays below a millisecond or two.
constexpr std::uint32_t kScanRows = 512;
/// A peer that failed at a content is left alone with it for this long.
constexpr Duration kBarTime = std::chrono::seconds(30);
/// An order without outcome is given up after this and a second for each of these bytes.
constexpr Duration kOrderTime = std::chrono::minutes(5);
constexpr std::uint64_t kOrderBytesPerSecond = 256 * 1024;
/// One message of orders: large piece layers come near the limit of a frame.
constexpr std::size_t kMaxOrdersPerMessage = 512;
constexpr std::size_t kMaxLayersPerMessage = 32 * 1024;
constexpr std::size_t kMaxReleasesPerMessage = 4096;

}  // namespace

/// Messages in the making, by peer.
struct Replication::Outbox {
  struct Box {
    wire::CopyOrders message;
    std::size_t layers = 0;
  };
  State& state;
  std::map<PeerKey, Box> boxes;

  void add(PeerKey peer, wire::CopyOrder order) {
    Box& box = boxes[peer];
    box.layers += order.located.layer.size();
    box.message.orders.push_back(std::move(order));
    if (box.message.orders.size() >= kMaxOrdersPerMessage || box.layers >= kMaxLayersPerMessage) {
      send(peer);
    }
  }
  void send(PeerKey peer) {
    Box box = std::exchange(boxes[peer], {});
    if (box.message.orders.empty()) return;
    const Member& member = state.members.at(peer);
    state.outputs.emplace_back(Push{member.connection, member.session, std::move(box.message)});
  }
};

std::size_t Replication::orders(PeerKey peer) const {
  auto load = loads_.find(peer);
  return load == loads_.end() ? 0 : load->second.orders.size();
}

void Replication::finished(PeerKey peer, const ContentId& content) {
  auto load = loads_.find(peer);
  if (load == loads_.end()) return;
  auto order = load->second.orders.find(content);
  if (order == load->second.orders.end()) return;
  load->second.bytes -= order->second.bytes;
  load->second.orders.erase(order);
}

void Replication::failed(PeerKey peer, const ContentId& content, SteadyTime now) {
  finished(peer, content);
  barred_[{peer, content}] = now + kBarTime;
}

void Replication::forget_peer(PeerKey peer) { loads_.erase(peer); }

void Replication::forget_content(const ContentId& content) {
  for (auto& [peer, load] : loads_) finished(peer, content);
}

void Replication::release(std::vector<Release> releases) {
  for (Release& release : releases) {
    forget_content(release.content.id);
    releases_.push_back(std::move(release));
  }
}

bool Replication::is_ordered(PeerKey peer, const ContentId& content) const {
  auto load = loads_.find(peer);
  return load != loads_.end() && load->second.orders.contains(content);
}

bool Replication::is_barred(PeerKey peer, const ContentId& content) const {
  return barred_.contains({peer, content});
}

void Replication::expire(SteadyTime now) {
  std::erase_if(barred_, [now](const auto& bar) { return bar.second <= now; });
  for (auto& [peer, load] : loads_) {
    std::vector<ContentId> late;
    for (const auto& [content, order] : load.orders) {
      if (order.give_up <= now) late.push_back(content);
    }
    for (const ContentId& content : late) failed(peer, content, now);
  }
}

std::vector<Candidate> Replication::candidates(const State& state, const HolderSetRow& set) const {
  std::vector<Candidate> found;
  for (const auto& [key, member] : state.members.all()) {
    if (!member.is_online()) continue;
    if (std::binary_search(set.peers.begin(), set.peers.end(), key)) continue;
    auto load = loads_.find(key);
    Candidate candidate{key, member.row.capacity.free_bytes, 0, 0};
    if (load != loads_.end()) {
      candidate.orders = load->second.orders.size();
      candidate.order_bytes = load->second.bytes;
    }
    if (has_room(candidate, 0)) found.push_back(candidate);
  }
  return found;
}

/// Orders the copies that a content lacks. False: nobody has room for anything more.
bool Replication::place(State& state, const ContentRow& row, const HolderSetRow& set,
                        std::uint32_t missing, Outbox& outbox) {
  std::vector<Candidate> open = candidates(state, set);
  if (open.empty()) return false;
  const ContentId& id = row.ref.id;
  std::uint32_t ordered = 0;
  for (const auto& [peer, load] : loads_) ordered += load.orders.contains(id) ? 1 : 0;
  std::erase_if(open, [&](const Candidate& candidate) {
    return is_ordered(candidate.peer, id) || is_barred(candidate.peer, id);
  });
  for (; ordered < missing; ++ordered) {
    const auto choice = choose_target(open, id.size, state.random);
    if (!choice) return true;
    const PeerKey peer = open[*choice].peer;
    const auto inode = state.store.inode_with(row.key);
    if (!inode) return true;
    const auto allowance = std::chrono::seconds(id.size / kOrderBytesPerSecond);
    Load& load = loads_[peer];
    load.orders[id] = {id.size, state.now.steady + kOrderTime + allowance};
    load.bytes += id.size;
    outbox.add(peer, {*inode, locate(state, row)});
    open.erase(open.begin() + static_cast<std::ptrdiff_t>(*choice));
  }
  return true;
}

void Replication::fill_set(State& state, const HolderSetRow& set, std::uint32_t missing,
                           Outbox& outbox) {
  if (candidates(state, set).empty()) return;
  ContentKey& cursor = cursors_[set.id];
  const auto rows = state.store.contents_held_by(set.id, cursor, kScanRows);
  for (const ContentRow& row : rows) {
    if (!place(state, row, set, missing, outbox)) return;  // goes on here when there is room
    cursor = row.key;
  }
  if (rows.size() < kScanRows) cursor = {};
}

void Replication::tick(State& state) {
  expire(state.now.steady);
  if (state.in_grace()) return;  // who has what is not known yet
  std::erase_if(cursors_,
                [&](const auto& cursor) { return !state.census.sets().contains(cursor.first); });
  Outbox outbox{state, {}};
  for (const auto& [id, set] : state.census.sets()) {
    if (set.contents == 0) continue;
    std::uint32_t holders = 0;
    bool has_source = false;
    for (const PeerKey peer : set.peers) {
      const Member& member = state.members.at(peer);
      has_source = has_source || member.is_online();
      const bool counts = member.is_online() ||
                          state.now.steady < member.offline_since + state.options.holder_grace;
      holders += counts ? 1 : 0;
    }
    if (!has_source || holders >= state.options.copies) continue;
    fill_set(state, set, state.options.copies - holders, outbox);
  }
  std::vector<PeerKey> peers;
  for (const auto& [peer, box] : outbox.boxes) peers.push_back(peer);
  for (const PeerKey peer : peers) outbox.send(peer);
  send_releases(state);
}

/// Tells holders that are online; those that are not learn it when they announce. Behind the
/// orders, so that a peer that shall get the inode's new content follows with its blob and drops
/// nothing.
void Replication::send_releases(State& state) {
  std::map<PeerKey, wire::ReleaseOrders> messages;
  const auto send = [&state](PeerKey peer, wire::ReleaseOrders message) {
    const Member& member = state.members.at(peer);
    state.outputs.emplace_back(Push{member.connection, member.session, std::move(message)});
  };
  for (const Release& release : std::exchange(releases_, {})) {
    if (state.store.find_content(release.content.id)) continue;  // wanted again
    for (const PeerKey peer : release.holders) {
      if (!state.members.is_online(peer)) continue;
      wire::ReleaseOrders& message = messages[peer];
      message.orders.push_back({release.inode, release.content});
      if (message.orders.size() >= kMaxReleasesPerMessage) send(peer, std::exchange(message, {}));
    }
  }
  for (auto& [peer, message] : messages) {
    if (!message.orders.empty()) send(peer, std::move(message));
  }
}

}  // namespace shoal::tracker
