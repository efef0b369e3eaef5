// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "tracker/delegations.h"
#include "tracker/inputs.h"
#include "tracker/rows.h"

namespace shoal::tracker {

/// An Invalidate or Recall that its session has not answered. Sent again after a reconnect.
struct OpenEvent {
  std::variant<wire::Invalidate, wire::Recall> message;
  SteadyTime since;
  WorkId work;              ///< Invalidate: the change that waits
  std::uint64_t grant = 0;  ///< Recall: which delegation is meant
};

/// A peer's session. What survives a restart of the tracker: its id, its peer and its kept replies.
struct Session {
  SessionId id;
  PeerKey peer;
  ConnectionId connection;  ///< none while the peer reconnects
  SteadyTime lease_end;
  /// May have files with smaller numbers open that it watches no directory of: asked about each
  /// of those that loses its last name.
  InodeId doubtful_below;
  std::uint64_t last_event = 0;
  std::map<EventId, OpenEvent> events;
  /// Operations below and at this number have been seen; greater ones are new.
  Sequence last_sequence;
  Sequence answered_below;
  Sequence forgotten_below;
  /// Numbers from there on whose replies are kept, or will be. Those of a journal are not.
  std::set<Sequence> kept;
  /// Operations under way and the work that does each; and who waits for its answer as well.
  std::map<Sequence, WorkId> running;
  std::multimap<Sequence, WorkId> awaited;
  /// Directories that somebody would like to have, and about which it is yet to be asked; when it
  /// may be asked next.
  std::set<InodeId> wished;
  SteadyTime ask_from = SteadyTime::min();
};

/// Sessions by id and by connection. Pure. Owner: the core.
class Sessions {
 public:
  /// The reference stays good until remove().
  Session& add(SessionId id, PeerKey peer);
  void remove(SessionId id);
  Session* find(SessionId id);
  Session* on(ConnectionId connection);
  /// Binds a connection to the session instead of its former one, which is returned.
  ConnectionId bind(Session& session, ConnectionId connection);
  void unbind(Session& session);
  const std::map<SessionId, std::unique_ptr<Session>>& all() const { return by_id_; }

 private:
  std::map<SessionId, std::unique_ptr<Session>> by_id_;
  std::unordered_map<ConnectionId, Session*> by_connection_;
};

}  // namespace shoal::tracker
