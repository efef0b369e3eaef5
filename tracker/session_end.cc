// SPDX-License-Identifier: MIT
#include "tracker/handlers.h"
#include "tracker/ops/names.h"

namespace shoal::tracker {
namespace {

void end_works(State& state, const Session& session) {
  for (const WorkId id : state.works.of_session(session.id)) {
    Work work = state.works.remove(id);
    state.reply(work.token, fail(Errc::stale, "session {} has ended", session.id));
  }
}

}  // namespace

void end_session(State& state, SessionId id, SessionEnd how) {
  Session* session = state.sessions.find(id);
  if (session == nullptr) return;
  end_works(state, *session);
  end_locks(state, id);
  forget_awaited(state, *session);
  for (const InodeId inode : state.delegations.held_by(id)) drop_delegation(state, inode);
  state.watches.forget_session(id);

  Member& member = state.members.at(session->peer);
  if (member.session == id) {
    state.replication.forget_peer(session->peer);
    member.session = {};
    member.connection = {};
    member.offline_since = state.now.steady;
    member.row.last_seen = state.now.wall_nanoseconds();
    member.lost_session = how == SessionEnd::lost;
    state.store.put_peer(member.row);
    state.members_changed = true;
  }
  if (session->connection && how == SessionEnd::lost) {
    state.outputs.emplace_back(Disconnect{session->connection});
  }
  state.missing.erase(id);
  state.unforgotten.insert(id);
  state.sessions.remove(id);
}

void remove_if_forgotten(State& state, InodeId inode) {
  const auto row = state.store.inode(inode);
  if (!row || row->nlink > 0 || !state.store.orphan_sessions(inode).empty()) return;
  Contents contents(state.store, state.census, state.releases);
  OpContext context{state.store, state.census, contents, {}, {}, 0, {}, {}};
  Applied applied;
  remove_inode(context, *row, applied);
  drop_delegation(state, inode);
}

void forget_sessions(State& state) {
  for (const SessionId session : state.unforgotten) {
    for (const InodeId inode : state.store.orphans_of(session)) {
      state.store.remove_orphan(inode, session);
      remove_if_forgotten(state, inode);
    }
    state.store.remove_session(session);
  }
}

void check_leases(State& state) {
  std::vector<SessionId> over;
  for (const auto& [id, session] : state.sessions.all()) {
    if (session->lease_end <= state.now.steady) over.push_back(id);
  }
  for (const SessionId id : over) end_session(state, id, SessionEnd::lost);
}

bool waits_for_grace(State& state, const Work& work) {
  if (!state.in_grace()) return false;
  state.grace_waiters.push_back(work.id);
  return true;
}

void check_grace(State& state) {
  if (state.grace_waiters.empty() || state.in_grace()) return;
  state.works.wake(std::exchange(state.grace_waiters, {}));
}

}  // namespace shoal::tracker
