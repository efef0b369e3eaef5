// SPDX-License-Identifier: MIT
#include "tracker/locate.h"

#include <algorithm>
#include <tuple>

#include "tracker/state.h"

namespace shoal::tracker {
namespace {

wire::Holder describe(const State& state, PeerKey peer) {
  const Member& member = state.members.at(peer);
  wire::Holder holder;
  holder.peer = member.row.id;
  holder.endpoints = member.row.endpoints;
  holder.online = member.is_online();
  return holder;
}

}  // namespace

std::vector<wire::Holder> holders_of(State& state, const ContentRow& row) {
  std::vector<wire::Holder> holders;
  for (const PeerKey peer : state.census.set(row.holders).peers) {
    holders.push_back(describe(state, peer));
    holders.back().complete = true;
  }
  for (PartialRow& partial : state.store.partials(row.key)) {
    holders.push_back(describe(state, partial.peer));
    holders.back().chunks = std::move(partial.chunks);
  }
  std::sort(holders.begin(), holders.end(), [](const auto& a, const auto& b) {
    const auto rank = [](const wire::Holder& h) {
      return std::tuple(!h.online, !h.complete, h.peer);
    };
    return rank(a) < rank(b);
  });
  return holders;
}

wire::Located locate(State& state, const ContentRow& row) {
  wire::Located located;
  located.content = row.ref;
  if (row.ref.id.size > row.ref.chunk_bytes) located.layer = state.store.layer(row.key);
  located.holders = holders_of(state, row);
  return located;
}

}  // namespace shoal::tracker
