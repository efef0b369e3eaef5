// SPDX-License-Identifier: MIT
#include "tracker/census.h"

#include <algorithm>

#include "base/check.h"

namespace shoal::tracker {

void Census::load(Store& store) {
  sets_.clear();
  by_peers_.clear();
  changed_.clear();
  sets_.emplace(HolderSetId(), HolderSetRow{});
  for (HolderSetRow& row : store.holder_sets()) sets_[row.id] = std::move(row);
  for (const auto& [id, row] : sets_) by_peers_[row.peers] = id;
  stored_.clear();
  for (const Number which :
       {Number::next_holder_set, Number::files, Number::directories, Number::bytes}) {
    stored_[which] = store.number(which);
  }
  next_set_ = stored_[Number::next_holder_set];
  files_ = stored_[Number::files];
  directories_ = stored_[Number::directories];
  bytes_ = stored_[Number::bytes];
}

void Census::flush(Store& store) {
  for (const HolderSetId id : changed_) {
    auto found = sets_.find(id);
    if (found->second.contents > 0 || !id) {
      store.put_holder_set(found->second);
      continue;
    }
    store.remove_holder_set(id);
    by_peers_.erase(found->second.peers);
    sets_.erase(found);
  }
  changed_.clear();
  const std::pair<Number, std::uint64_t> totals[] = {{Number::next_holder_set, next_set_},
                                                     {Number::files, files_},
                                                     {Number::directories, directories_},
                                                     {Number::bytes, bytes_}};
  for (const auto& [which, value] : totals) {
    if (stored_[which] == value) continue;
    store.set_number(which, value);
    stored_[which] = value;
  }
}

HolderSetId Census::intern(std::vector<PeerKey> peers) {
  auto found = by_peers_.find(peers);
  if (found != by_peers_.end()) return found->second;
  const HolderSetId id(next_set_++);
  sets_.emplace(id, HolderSetRow{id, peers, 0, 0});
  by_peers_.emplace(std::move(peers), id);
  changed_.insert(id);
  return id;
}

HolderSetId Census::with(HolderSetId id, PeerKey peer) {
  std::vector<PeerKey> peers = set(id).peers;
  auto place = std::lower_bound(peers.begin(), peers.end(), peer);
  if (place != peers.end() && *place == peer) return id;
  peers.insert(place, peer);
  return intern(std::move(peers));
}

HolderSetId Census::without(HolderSetId id, PeerKey peer) {
  std::vector<PeerKey> peers = set(id).peers;
  if (std::erase(peers, peer) == 0) return id;
  return intern(std::move(peers));
}

bool Census::contains(HolderSetId id, PeerKey peer) const {
  const auto& peers = set(id).peers;
  return std::binary_search(peers.begin(), peers.end(), peer);
}

void Census::count(HolderSetId id, std::int64_t contents, std::int64_t files) {
  HolderSetRow& row = sets_.at(id);
  add(row.contents, contents);
  add(row.files, files);
  DCHECK(static_cast<std::int64_t>(row.contents) >= 0 && static_cast<std::int64_t>(row.files) >= 0);
  changed_.insert(id);
}

wire::Health Census::health(std::uint32_t copies,
                            const std::function<bool(PeerKey)>& is_online) const {
  wire::Health health;
  health.files = files_;
  for (const auto& [id, row] : sets_) {
    if (row.files == 0) continue;
    const auto online =
        static_cast<std::uint64_t>(std::count_if(row.peers.begin(), row.peers.end(), is_online));
    if (online < copies) health.under += row.files;
    if (online == 0) health.unavailable += row.files;
    if (row.peers.empty()) health.lost += row.files;
  }
  return health;
}

}  // namespace shoal::tracker
