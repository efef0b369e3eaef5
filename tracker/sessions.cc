// SPDX-License-Identifier: MIT
#include "tracker/sessions.h"

namespace shoal::tracker {

Session& Sessions::add(SessionId id, PeerKey peer) {
  auto session = std::make_unique<Session>();
  session->id = id;
  session->peer = peer;
  Session& added = *session;
  by_id_[id] = std::move(session);
  return added;
}

void Sessions::remove(SessionId id) {
  auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  unbind(*found->second);
  by_id_.erase(found);
}

Session* Sessions::find(SessionId id) {
  auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second.get();
}

Session* Sessions::on(ConnectionId connection) {
  auto found = by_connection_.find(connection);
  return found == by_connection_.end() ? nullptr : found->second;
}

ConnectionId Sessions::bind(Session& session, ConnectionId connection) {
  const ConnectionId former = session.connection;
  unbind(session);
  session.connection = connection;
  by_connection_[connection] = &session;
  return former;
}

void Sessions::unbind(Session& session) {
  if (session.connection) by_connection_.erase(session.connection);
  session.connection = {};
}

}  // namespace shoal::tracker
