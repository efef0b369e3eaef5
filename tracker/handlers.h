// SPDX-License-Identifier: MIT
// How the core answers each kind of request. Internal to tracker/.
#pragma once

#include "tracker/ops/plan.h"
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
/// True: answered, the work has ended.
bool step_read(State& state, Work& work, ReadWork& read);

// ---- looking around (look_requests.cc)
void on_resolve(State& state, Token token, const wire::Resolve& request);
void on_describe(State& state, Token token, const Describe& request);
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

// ---- locks (lock_requests.cc)
void on_lock(State& state, Session& session, Token token, const wire::Lock& request);
void on_unlock(State& state, Session& session, Token token, const wire::Unlock& request);
void on_test_lock(State& state, Session& session, Token token, const wire::TestLock& request);
void on_claim_locks(State& state, Session& session, Token token, const wire::ClaimLocks& request);
/// Nobody waits for the answer any more. No-op for other requests.
void cancel_lock(State& state, Token token);
/// Gives up all that a session has, or waits for.
void end_locks(State& state, SessionId session);
/// Lets those go on who waited until all sessions had claimed their locks, once it is so.
void check_lock_grace(State& state);
bool is_lock_waiting(const State& state, Token token);

// ---- events (invalidate.cc)

/// Step 3 of docs/coherence.md: sends what the change's footprint still asks for. True: every
/// session that may cache part of it has dropped it, the change may be applied.
/// Doubtful: sessions that may have a file open that goes away, and watch no directory of it.
enum class Doubtful { asked, asked_later };
bool invalidate(State& state, Work& work, const Footprint& footprint, Doubtful doubtful);
std::vector<SessionId> doubtful_sessions(const State& state, InodeId inode);
void on_event_answer(State& state, EventAnswer answer);
void on_invalidated(State& state, Session& session, EventId id, const OpenEvent& event,
                    const wire::InvalidateReply& reply);
/// The session is gone: nobody waits for its answers any more.
void forget_awaited(State& state, Session& session);

// ---- interest in delegated directories (claims.cc)

/// Ends another session's delegation of a directory before the work goes on. False: it has been
/// recalled, and the work waits.
bool claim_directory(State& state, const Work& work, InodeId directory);
/// The same for the directory that covers the inode: itself, or the one that has its only link.
bool claim_inode(State& state, const Work& work, const InodeRow& row);
/// The same for all that a change concerns.
bool claim_change(State& state, const Work& work, const wire::Change& change);
/// The same where a change brings watchers into a delegated directory, even of its own author.
bool claim_moves(State& state, const Work& work, const std::vector<Move>& moves);
/// Makes those who know the moved files watch where they are now.
void hand_over(State& state, const std::vector<Move>& moves);
/// Gives the session the directory's delegation when nobody else has to do with it. False: not.
bool grant_if_alone(State& state, SessionId session, InodeId directory);
bool has_room_for_directory(const State& state, SessionId session);
/// The session would like a directory that others watch: they are asked whether they still need it,
/// if there are few and it is time. A later wish is then granted.
void ask_watchers(State& state, SessionId session, InodeId directory);
/// Asks those who are to be asked and may be by now.
void ask_by_time(State& state);
/// A watcher needs these no longer. No-op for those of which that is not true any more.
void on_watcher_left(State& state, SessionId watcher, const std::vector<InodeId>& directories);

// ---- journals (journal.cc)

/// The answer to an operation of the peer's journal that was applied before, without records.
/// nullopt: it is new, or of no journal.
std::optional<wire::OperationReply> repeat_journaled(State& state, const Session& session,
                                                     std::uint64_t number);
/// The operation with that number has been applied, or refused for good.
void note_journaled(State& state, const Session& session, std::uint64_t number,
                    const wire::OperationReply& reply);
/// The peer has the answers to what comes before the request.
void forget_told(State& state, const Session& session, const wire::Mutate& request);
/// Puts the numbers of the batch into the database.
void store_journals(State& state);

// ---- recalls and grants (recall.cc)

/// The work goes on when the delegation of the inode has come home, or fails with work.failure.
void recall_to_publish(State& state, InodeId inode, WorkId work);
/// The work goes on when the holder has told size and time of the working copy, or has sent its
/// journal: see ReadWork::recalled.
void recall_attributes(State& state, InodeId inode, WorkId work);
void on_recalled(State& state, const OpenEvent& event,
                 const std::variant<wire::RecallReply, Error>& answer);
/// No-op when somebody has it. The holder watches `home`, the directory that has the file's only
/// link (0: there is none); so a directory that nobody else watches covers no file that is written
/// elsewhere.
void grant_file(State& state, InodeId inode, InodeId home, SessionId holder);
void grant_directory(State& state, InodeId inode, SessionId holder);
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
/// The directory that has the only link of a file; 0: there are several, or none.
InodeId only_home(State& state, const InodeRow& file);
/// Subscribes the session to some directory of the inode. False: not subscribed, as nobody is to a
/// directory that is delegated to another session.
bool watch_some_directory(State& state, SessionId session, const InodeRow& row);

}  // namespace shoal::tracker
