// SPDX-License-Identifier: MIT
#include <algorithm>

#include "tracker/handlers.h"
#include "tracker/kept_reply.h"
#include "tracker/ops/detached.h"

namespace shoal::tracker {
namespace {

/// Kept replies are pruned in strides: one statement for many operations.
constexpr std::uint64_t kForgetStride = 64;

/// Of a journal and under a delegation: made on the peer already, where nobody else could see it.
bool is_local(const wire::Operation& operation) {
  return operation.journal != 0 && !operation.detached;
}

/// The directory whose names a change changes; of a rename the one it leads to.
InodeId directory_of(const wire::Change& change) {
  if (const auto* create = std::get_if<wire::Create>(&change)) {
    return create->orphan ? InodeId() : create->parent;
  }
  if (const auto* link = std::get_if<wire::Link>(&change)) return link->parent;
  if (const auto* unlink = std::get_if<wire::Unlink>(&change)) return unlink->parent;
  if (const auto* rmdir = std::get_if<wire::Rmdir>(&change)) return rmdir->parent;
  if (const auto* rename = std::get_if<wire::Rename>(&change)) return rename->new_parent;
  return {};
}

/// The records of a change as its author may keep them.
std::vector<wire::InodeRecord> describe(State& state, SessionId session, const Applied& applied) {
  std::vector<wire::InodeRecord> records;
  for (const InodeRow& row : applied.records) {
    bool is_watched = false;
    if (records.empty() && applied.home) {
      is_watched = state.watches.keeps_news(session, applied.home);
    } else if (!row.is_directory()) {
      is_watched = watch_some_directory(state, session, row);
    }
    records.push_back(make_record(state, session, row, is_watched));
  }
  return records;
}

/// The author of a journal knows what it has made. Files it knows by their directories, which it
/// watches; attributes of directories one by one.
void note_known(State& state, SessionId session, const Applied& applied) {
  for (const InodeRow& row : applied.records) {
    if (row.is_directory()) (void)state.watches.hold_attributes(session, row.inode);
  }
}

/// The delegation that comes with an inode, and the directory's if its author would like it.
/// Returns what wire::OperationReply::granted is.
InodeId grant_with(State& state, SessionId session, const wire::Operation& operation,
                   const Applied& applied) {
  if (operation.detached) return {};
  InodeId granted;
  if (applied.granted && applied.records.front().is_directory()) {
    grant_directory(state, *applied.granted, session);
    granted = *applied.granted;
  } else if (applied.granted) {
    const InodeId home = applied.home ? applied.home : only_home(state, applied.records.front());
    grant_file(state, *applied.granted, home, session);
  }
  if (!operation.wants_directory) return granted;
  const InodeId directory = directory_of(operation.change);
  if (!directory) return granted;
  if (grant_if_alone(state, session, directory)) return directory;
  ask_watchers(state, session, directory);
  return granted;
}

wire::OperationReply finish_change(State& state, Work& work, const wire::Operation& operation,
                                   Plan& plan, const Applied& applied) {
  state.touched.insert(work.id);
  state.works.unlock(work);
  state.works.forget_dropped(work.session, plan.footprint, work.id);
  hand_over(state, plan.moves);
  for (const InodeId inode : applied.removed) {
    drop_delegation(state, inode);
    state.watches.forget_directory(inode);
    state.contests.forget(inode);
  }
  if (applied.released) drop_delegation(state, *applied.released);
  for (const InodeId directory : applied.watch) state.watches.watch(work.session, directory);
  wire::OperationReply reply;
  reply.granted = grant_with(state, work.session, operation, applied);
  if (operation.journal == 0) {
    reply.records = describe(state, work.session, applied);
  } else if (!operation.detached) {
    note_known(state, work.session, applied);
  }
  return reply;
}

wire::OperationReply refuse(const Error& error) {
  wire::OperationReply reply;
  reply.error = error.code();
  reply.context = error.context();
  return reply;
}

/// An operation of a journal waits for nobody, so whoever may have a removed file open for all the
/// tracker knows counts as having it open until it is asked, which is done after the batch.
void assume_open(State& state, const Work& work, const Footprint& footprint, OpContext& context) {
  for (const TouchedInode& touched : footprint.inodes) {
    if (!touched.orphaned) continue;
    for (const SessionId session : doubtful_sessions(state, touched.inode)) {
      if (session != work.session) context.still_open.emplace(touched.inode, session);
    }
  }
}

bool is_asked_whether_open(const Session& session, InodeId inode) {
  return std::ranges::any_of(session.events, [inode](const auto& event) {
    const auto* asked = std::get_if<wire::Invalidate>(&event.second.message);
    return asked != nullptr && std::ranges::any_of(asked->stale, [inode](const wire::Stale& stale) {
             return stale.orphaned && stale.inode == inode;
           });
  });
}

/// Another change may want the same file gone. Who told that one that it has the file open has said
/// so to all. Who has yet to answer it was told of the file meanwhile, and may have opened it since
/// it answered this one, or sent it: it counts as having it open until it is asked once more.
void count_what_others_heard(State& state, MutateWork& mutate, const Footprint& footprint,
                             OpContext& context) {
  for (const TouchedInode& touched : footprint.inodes) {
    if (!touched.orphaned) continue;
    for (const WorkId work : state.works.lockers(touched.inode)) {
      for (const auto& open : invalidation_of(*state.works.find(work))->still_open) {
        const bool lives = state.sessions.find(open.second) != nullptr;
        if (lives && open.first == touched.inode) context.still_open.insert(open);
      }
    }
    wire::Stale question;
    question.inode = touched.inode;
    question.attributes = question.orphaned = true;
    for (const auto& [id, session] : state.sessions.all()) {
      if (!is_asked_whether_open(*session, touched.inode)) continue;
      context.still_open.emplace(touched.inode, id);
      mutate.questions[id].push_back(question);
    }
  }
}

void note_questions(MutateWork& mutate, const Footprint& footprint, const OpContext& context) {
  for (const TouchedInode& touched : footprint.inodes) {
    if (!touched.orphaned) continue;
    wire::Stale question;
    question.inode = touched.inode;
    question.attributes = question.orphaned = true;
    for (const auto& [inode, session] : context.still_open) {
      if (inode == touched.inode) mutate.questions[session].push_back(question);
    }
  }
}

void send_questions(State& state, MutateWork& mutate) {
  for (auto& [id, stale] : std::exchange(mutate.questions, {})) {
    Session* session = state.sessions.find(id);
    if (session == nullptr) continue;
    wire::Invalidate message;
    message.stale = std::move(stale);
    send_event(state, *session, std::move(message), {}, 0);
  }
}

Result<void> check_room(const State& state, const Session& session,
                        const wire::Operation& operation) {
  const auto* create = std::get_if<wire::Create>(&operation.change);
  const bool wants = create != nullptr && create->delegate && !operation.detached &&
                     create->kind == wire::FileKind::directory;
  if (!wants || has_room_for_directory(state, session.id)) return {};
  return fail(Errc::busy, "session {} has {} directories delegated", session.id,
              wire::kMaxDelegatedDirectories);
}

/// Steps 1 to 4 of docs/coherence.md for one operation. nullopt: it has to wait. Errors are those
/// of the operation.
Result<std::optional<wire::OperationReply>> apply_operation(State& state, Work& work,
                                                            OpContext& context,
                                                            const wire::Operation& operation,
                                                            const wire::Change& change) {
  const bool is_publish = std::holds_alternative<wire::Publish>(change);
  const bool waits = !is_publish || context.delegate != work.session;
  auto plan = plan_change(context, change);
  if (!plan) return pass(plan);
  if (plan->needs_release) {
    recall_to_publish(state, subject_of(change), work.id);
    return std::nullopt;
  }
  if (!claim_moves(state, work, plan->moves)) return std::nullopt;
  if (is_local(operation)) assume_open(state, work, plan->footprint, context);
  const Doubtful ask = is_local(operation) ? Doubtful::asked_later : Doubtful::asked;
  if (waits && !invalidate(state, work, plan->footprint, ask)) return std::nullopt;
  if (!is_local(operation)) {
    count_what_others_heard(state, std::get<MutateWork>(work.task), plan->footprint, context);
  }
  const Applied applied = plan->apply(context);
  if (is_local(operation)) {
    note_questions(std::get<MutateWork>(work.task), plan->footprint, context);
  }
  return finish_change(state, work, operation, *plan, applied);
}

Result<std::optional<wire::OperationReply>> apply_detached(State& state, Work& work,
                                                           OpContext& context,
                                                           const wire::Operation& operation) {
  const std::string& peer_name = state.members.at(context.peer).row.name;
  auto fitted = fit_detached(context, operation, peer_name, state.delegations);
  if (!fitted) return pass(fitted);
  if (!claim_change(state, work, fitted->change)) return std::nullopt;
  const InodeId subject = subject_of(fitted->change);
  context.delegate = subject ? state.delegations.holder(subject) : SessionId();
  auto reply = apply_operation(state, work, context, operation, fitted->change);
  if (reply && *reply) (*reply)->renamed_to = std::move(fitted->renamed_to);
  return reply;
}

/// One operation of a Mutate. nullopt: it has to wait.
std::optional<wire::OperationReply> step_operation(State& state, Work& work, MutateWork& mutate,
                                                   const Session& session) {
  const wire::Operation& operation = mutate.request.operations[mutate.replies.size()];
  if (!claim_change(state, work, operation.change)) return std::nullopt;
  const InodeId subject = subject_of(operation.change);
  const SessionId delegate = subject ? state.delegations.holder(subject) : SessionId();
  Contents contents(state.store, state.census, state.releases);
  OpContext context{state.store,  state.census,   contents, session.id,
                    session.peer, operation.time, delegate, {}};
  for (const auto& open : mutate.invalidation.still_open) {
    if (state.sessions.find(open.second) != nullptr) context.still_open.insert(open);
  }
  auto room = check_room(state, session, operation);
  auto reply = !room ? pass(room)
               : operation.detached
                   ? apply_detached(state, work, context, operation)
                   : apply_operation(state, work, context, operation, operation.change);
  if (reply) return std::move(*reply);
  state.works.unlock(work);
  return refuse(reply.error());
}

/// The old answer to a repeated operation. nullopt: it is new.
std::optional<wire::OperationReply> recall_reply(State& state, const Session& session,
                                                 Sequence sequence) {
  if (sequence < session.answered_below) {
    return refuse(Error(Errc::stale, "an operation that was answered before"));
  }
  const auto kept = state.store.kept_reply(session.id, sequence);
  if (!kept) return std::nullopt;
  const KeptReply old = unpack_reply(*kept);
  wire::OperationReply reply;
  if (old.error) {
    reply.error = old.error;
    reply.context = old.context;
    return reply;
  }
  for (const InodeId inode : old.inodes) {
    const auto row = state.store.inode(inode);
    if (!row) continue;
    const bool watched = watch_some_directory(state, session.id, *row);
    reply.records.push_back(make_record(state, session.id, *row, watched));
  }
  return reply;
}

/// The operation with this number has its answer, which others may wait for as well.
void end_number(State& state, Session& session, Sequence sequence) {
  session.running.erase(sequence);
  const auto [first, last] = session.awaited.equal_range(sequence);
  for (auto waiter = first; waiter != last; ++waiter) state.works.wake(waiter->second);
  session.awaited.erase(first, last);
}

/// In the transaction of the operation, so that it happens once.
void keep(State& state, Session& session, Sequence sequence, const wire::Operation& operation,
          const wire::OperationReply& reply) {
  if (operation.journal != 0) {
    note_journaled(state, session, operation.journal, reply);
  } else {
    KeptReply kept{reply.error, reply.context, {}};
    for (const wire::InodeRecord& record : reply.records) kept.inodes.push_back(record.inode);
    state.store.keep_reply(session.id, sequence, pack_reply(kept));
  }
}

void forget_answered(State& state, Session& session, Sequence below) {
  session.answered_below = std::max(session.answered_below, below);
  session.kept.erase(session.kept.begin(), session.kept.lower_bound(session.answered_below));
  if (session.answered_below.value() < session.forgotten_below.value() + kForgetStride) return;
  session.forgotten_below = session.answered_below;
  state.store.forget_replies(session.id, session.answered_below);
}

Result<void> check_mutate(const Session& session, const wire::Mutate& request) {
  const std::size_t count = request.operations.size();
  if (!request.first || count == 0 || count > wire::kMaxOperations) {
    return fail(Errc::invalid, "{} operations from number {} on", count, request.first);
  }
  const std::uint64_t end = request.first.value() + count;
  if (end < request.first.value()) return fail(Errc::invalid, "number {}", request.first);
  std::size_t kept = session.kept.size();
  for (std::size_t i = 0; i < count; ++i) {
    const bool is_new = Sequence(request.first.value() + i) > session.last_sequence;
    if (is_new && request.operations[i].journal == 0) ++kept;
  }
  if (kept > wire::kMaxKeptReplies) {
    return fail(Errc::busy, "too many operations without an answer");
  }
  return {};
}

Sequence number_of(const MutateWork& mutate, std::size_t index) {
  return Sequence(mutate.request.first.value() + index);
}

/// One operation after the other. False: one has to wait.
bool step_operations(State& state, Work& work, MutateWork& mutate, Session& session) {
  while (mutate.replies.size() < mutate.request.operations.size()) {
    const wire::Operation& operation = mutate.request.operations[mutate.replies.size()];
    const Sequence sequence = number_of(mutate, mutate.replies.size());
    auto running = session.running.find(sequence);
    const bool is_new = running != session.running.end() && running->second == work.id;
    auto reply = repeat_journaled(state, session, operation.journal);
    if (!reply && running != session.running.end() && !is_new) {
      session.awaited.emplace(sequence, work.id);  // the same operation is under way already
      return false;
    }
    if (!reply && !is_new && operation.journal == 0) {
      reply = recall_reply(state, session, sequence);
    }
    if (!reply) {
      // Neither known nor running, though not new: it failed with its transaction. Once more.
      session.running[sequence] = work.id;
      if (work.failure) {
        reply = refuse(*std::exchange(work.failure, std::nullopt));
        state.works.unlock(work);
      } else {
        reply = step_operation(state, work, mutate, session);
      }
      if (!reply) return false;
      state.touched.insert(work.id);
      keep(state, session, sequence, operation, *reply);
      end_number(state, session, sequence);
    } else if (is_new) {
      end_number(state, session, sequence);
    }
    mutate.replies.push_back(std::move(*reply));
  }
  return true;
}

}  // namespace

void on_mutate(State& state, Session& session, Token token, wire::Mutate request) {
  forget_answered(state, session, request.answered_below);
  auto valid = check_mutate(session, request);
  if (!valid) {
    state.reply(token, pass(valid));
    return;
  }
  forget_told(state, session, request);
  Work& work = state.works.add(token, session.id, MutateWork{std::move(request), {}, 0, {}, {}});
  const auto& mutate = std::get<MutateWork>(work.task);
  for (std::size_t i = 0; i < mutate.request.operations.size(); ++i) {
    const Sequence sequence = number_of(mutate, i);
    if (sequence <= session.last_sequence) continue;
    session.running[sequence] = work.id;
    if (mutate.request.operations[i].journal == 0) session.kept.insert(sequence);
  }
  session.last_sequence =
      std::max(session.last_sequence, number_of(mutate, mutate.request.operations.size() - 1));
  state.works.wake(work.id);
}

bool step_mutate(State& state, Work& work, MutateWork& mutate) {
  if (waits_for_grace(state, work)) return false;
  Session* session = state.sessions.find(work.session);
  if (session == nullptr) return true;
  const bool has_ended = step_operations(state, work, mutate, *session);
  send_questions(state, mutate);
  if (!has_ended) return false;
  wire::MutateReply message;
  message.replies = mutate.replies;  // kept until the commit: see Core::fail_work()
  state.reply(work.token, std::move(message));
  return true;
}

bool step_delegate(State& state, Work& work, DelegateWork& delegate) {
  if (waits_for_grace(state, work)) return false;
  const InodeId inode = delegate.request.inode;
  const auto row = state.store.inode(inode);
  const auto answer = [&](Result<AnyReply> result) {
    state.works.unlock(work);
    state.reply(work.token, std::move(result));
    return true;
  };
  if (work.failure) return answer(std::unexpected(*work.failure));
  if (!row) return answer(fail(Errc::not_found, "no inode {}", inode));
  if (row->is_directory()) return answer(fail(Errc::is_directory, "inode {}", inode));
  if (row->kind != wire::FileKind::regular) return answer(fail(Errc::invalid, "inode {}", inode));
  if (!claim_inode(state, work, *row)) return false;
  const SessionId holder = state.delegations.holder(inode);
  if (holder && holder != work.session) {
    recall_to_publish(state, inode, work.id);
    return false;
  }
  // Who asks does not have it any more: the answer to a recall that says so is on its way, and must
  // not end what is granted now.
  if (holder) drop_delegation(state, inode);
  Footprint footprint;
  footprint.inodes.push_back({.inode = inode, .attributes = true, .data = true});
  if (!invalidate(state, work, footprint, Doubtful::asked)) return false;
  state.works.unlock(work);
  state.works.forget_dropped(work.session, footprint, work.id);
  grant_file(state, inode, only_home(state, *row), work.session);
  wire::DelegateReply reply;
  const bool watched = watch_some_directory(state, work.session, *row);
  reply.record = make_record(state, work.session, *row, watched);
  return answer(std::move(reply));
}

void on_return_delegation(State& state, Session& session, Token token,
                          const wire::ReturnDelegation& request) {
  if (state.delegations.holder(request.inode) == session.id) drop_delegation(state, request.inode);
  state.reply(token, wire::Empty{});
}

void on_close_orphan(State& state, Session& session, Token token,
                     const wire::CloseOrphan& request) {
  state.store.remove_orphan(request.inode, session.id);
  // It may be closed before the change that makes it an orphan is through.
  for (const WorkId id : state.works.lockers(request.inode)) {
    invalidation_of(*state.works.find(id))->still_open.erase({request.inode, session.id});
  }
  if (state.delegations.holder(request.inode) == session.id) drop_delegation(state, request.inode);
  remove_if_forgotten(state, request.inode);
  state.reply(token, wire::Empty{});
}

}  // namespace shoal::tracker
