// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "tracker/contents.h"
#include "tracker/placement.h"
#include "wire/messages.h"

namespace shoal::tracker {

struct State;

/// The copy orders that are under way, and how to go on finding contents with too few holders. It
/// is all soft: after a restart of the tracker the same orders follow from the database again.
/// Owner: the core.
class Replication {
 public:
  /// What came of an order; nothing happens when there was none.
  void finished(PeerKey peer, const ContentId& content);
  void failed(PeerKey peer, const ContentId& content, SteadyTime now);
  void forget_peer(PeerKey peer);
  void forget_content(const ContentId& content);

  /// Contents that lost their last reference: their holders are told with the next tick.
  void release(std::vector<Release> releases);

  /// Sends orders to whoever has room for them, and releases. Reads the database.
  void tick(State& state);

  std::size_t orders(PeerKey peer) const;

 private:
  struct Order {
    std::uint64_t bytes = 0;
    SteadyTime give_up;
  };
  struct Load {
    std::unordered_map<ContentId, Order> orders;
    std::uint64_t bytes = 0;
  };
  struct Outbox;

  void expire(SteadyTime now);
  void fill_set(State& state, const HolderSetRow& set, std::uint32_t missing, Outbox& outbox);
  bool place(State& state, const ContentRow& row, const HolderSetRow& set, std::uint32_t missing,
             Outbox& outbox);
  std::vector<Candidate> candidates(const State& state, const HolderSetRow& set) const;
  bool is_ordered(PeerKey peer, const ContentId& content) const;
  bool is_barred(PeerKey peer, const ContentId& content) const;
  void send_releases(State& state);

  std::unordered_map<PeerKey, Load> loads_;
  /// Peers that failed at a content, and until when they are not asked again.
  std::map<std::pair<PeerKey, ContentId>, SteadyTime> barred_;
  std::map<HolderSetId, ContentKey> cursors_;  ///< where to go on in each set
  std::vector<Release> releases_;
};

}  // namespace shoal::tracker
