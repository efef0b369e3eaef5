// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "tracker/inputs.h"
#include "tracker/rows.h"
#include "wire/operations.h"

namespace shoal::tracker {

/// A member machine as the core knows it.
struct Member {
  PeerRow row;
  SessionId session;         ///< its living session, if any
  ConnectionId connection;   ///< of that session; set means online
  SteadyTime offline_since;  ///< while it is not online
  /// An earlier session ran out while files may have been open.
  bool lost_session = false;
  /// Of operations of its journal that were applied, by number: answers that say more than that all
  /// is well, kept until the peer's next batch shows that it has them. In memory only.
  std::map<std::uint64_t, wire::OperationReply> journal_told;

  bool is_online() const { return static_cast<bool>(connection); }
};

/// The members, as in the database, with what is known of them now. Pure. Owner: the core.
class Members {
 public:
  void add(PeerRow row, SteadyTime now);
  void remove(PeerKey key);

  Member* find(const PeerId& id);
  /// The peer must be there.
  Member& at(PeerKey key) { return by_key_.at(key); }
  const Member& at(PeerKey key) const { return by_key_.at(key); }
  bool is_online(PeerKey key) const {
    auto found = by_key_.find(key);
    return found != by_key_.end() && found->second.is_online();
  }
  const std::map<PeerKey, Member>& all() const { return by_key_; }

  /// As it goes over the wire.
  wire::Member describe(const Member& member, std::int64_t now) const;
  std::vector<wire::Member> describe_all(std::int64_t now) const;

 private:
  std::map<PeerKey, Member> by_key_;
  std::unordered_map<PeerId, PeerKey> by_id_;
};

}  // namespace shoal::tracker
