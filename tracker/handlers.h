// SPDX-License-Identifier: MIT
// How the core answers each kind of request. Internal to tracker/.
#pragma once

#include "tracker/state.h"

namespace shoal::tracker {

// ---- membership and sessions (session_requests.cc)
void on_join(State& state, ConnectionId connection, Token token, wire::Join request);
void on_open_session(State& state, ConnectionId connection, Token token, wire::OpenSession request);
void on_heartbeat(State& state, Session& session, Token token, const wire::Heartbeat& request);
void on_allocate_inodes(State& state, Session& session, Token token);
void on_invite(State& state, Token token, const wire::Invite& request);
void on_disconnected(State& state, const Disconnected& event);

// ---- the end of sessions (session_end.cc)
enum class SessionEnd {
  orderly,  ///< closed, or its process is gone: nothing of it can be open any more
  lost,     ///< its lease ran out: the peer may live on with files open
};
void end_session(State& state, SessionId id, SessionEnd how);
/// Removes what the database knows of ended sessions, and orphans that only they had open.
void forget_sessions(State& state);
/// An inode without name goes when nobody has it open any more. No-op for others.
void remove_if_forgotten(State& state, InodeId inode);
/// Ends sessions whose lease is over.
void check_leases(State& state);
/// After a start the tracker does not know what sessions that have not come back cache, or write.
/// True: the work has to wait until they have, or their time is over.
bool waits_for_grace(State& state, const Work& work);
/// Sets those going who waited for that, once it is so.
void check_grace(State& state);

// ---- reads (read_requests.cc)
void on_read_directory(State& state, Session& session, Token token,
                       const wire::ReadDirectory& request);
void on_get_xattrs(State& state, Session& session, Token token, const wire::GetXattrs& request);
void on_get_parent(State& state, Token token, const wire::GetParent& request);
/// Lookup and GetInode, which may have to wait. True: answered, the work has ended.
bool step_read(State& state, Work& work, ReadWork& read);

// ---- looking around (look_requests.cc)
void on_resolve(State& state, Token token, const wire::Resolve& request);
void on_status(State& state, Token token);
wire::SwarmTotals totals(const State& state);

// ---- changes (change_requests.cc)
void on_mutate(State& state, Session& session, Token token, wire::Mutate request);
/// Mutate and Delegate. True: answered, the work has ended.
bool step_mutate(State& state, Work& work, MutateWork& mutate);
bool step_delegate(State& state, Work& work, DelegateWork& delegate);
void on_return_delegation(State& state, Session& session, Token token,
                          const wire::ReturnDelegation& request);
void on_close_orphan(State& state, Session& session, Token token, const wire::CloseOrphan& request);

// ---- contents (content_requests.cc)
void on_locate(State& state, Token token, const wire::Locate& request);
void on_announce(State& state, Session& session, Token token, const wire::Announce& request);
void on_may_drop(State& state, Session& session, Token token, const wire::MayDrop& request);

// ---- events (invalidate.cc, recall.cc)

/// Step 3 of docs/coherence.md: sends what the change's footprint still asks for. True: every
/// session that may cache part of it has dropped it, the change may be applied.
bool invalidate(State& state, Work& work, const Footprint& footprint);
void on_event_answer(State& state, EventAnswer answer);
void on_invalidated(State& state, Session& session, EventId id, const OpenEvent& event,
                    const wire::InvalidateReply& reply);
/// The session is gone: nobody waits for its answers any more.
void forget_awaited(State& state, Session& session);

/// The work goes on when the delegation of the inode has come home, or fails with work.failure.
void recall_to_publish(State& state, InodeId inode, WorkId work);
/// The work goes on with the size and time of the working copy in ReadWork::recalled.
void recall_attributes(State& state, InodeId inode, WorkId work);
void on_recalled(State& state, const OpenEvent& event,
                 const std::variant<wire::RecallReply, Error>& answer);
void grant_delegation(State& state, InodeId inode, SessionId holder);
/// Ends it and wakes who waited. No-op without one.
void drop_delegation(State& state, InodeId inode);
/// Sends an event and keeps it until it is answered.
EventId send_event(State& state, Session& session,
                   std::variant<wire::Invalidate, wire::Recall> message, WorkId work,
                   std::uint64_t grant);

// ---- records (records.cc)

/// The inode as a session may see it. watched: whether the session watches a directory in which it
/// is linked (of no meaning for directories, whose attributes it is noted to hold).
wire::InodeRecord make_record(State& state, SessionId session, const InodeRow& row, bool watched);
/// Attributes for people who look around and cache nothing.
wire::InodeRecord make_plain_record(const InodeRow& row);
/// Subscribes the session to some directory of the inode. False: not subscribed.
bool watch_some_directory(State& state, SessionId session, const InodeRow& row);

}  // namespace shoal::tracker
