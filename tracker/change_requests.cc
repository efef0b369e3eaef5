// SPDX-License-Identifier: MIT
#include <algorithm>

#include "tracker/handlers.h"
#include "tracker/kept_reply.h"
#include "tracker/ops/plan.h"

namespace shoal::tracker {
namespace {

/// Kept replies are pruned in strides: one statement for many operations.
constexpr std::uint64_t kForgetStride = 64;

/// Under its author's delegation nobody else caches a file's bytes, so a Publish waits for nobody,
/// not even for pending changes of the same file (see docs/coherence.md).
bool waits_for_nobody(const wire::Change& change, SessionId delegate, SessionId author) {
  return std::holds_alternative<wire::Publish>(change) && delegate == author;
}

/// The records of a change as its author may keep them.
std::vector<wire::InodeRecord> describe(State& state, SessionId session, const Applied& applied) {
  std::vector<wire::InodeRecord> records;
  for (const InodeRow& row : applied.records) {
    bool is_watched = false;
    if (records.empty() && applied.home) {
      is_watched = state.watches.watches(session, applied.home);
    } else if (!row.is_directory()) {
      is_watched = watch_some_directory(state, session, row);
    }
    records.push_back(make_record(state, session, row, is_watched));
  }
  return records;
}

wire::OperationReply finish_change(State& state, Work& work, const Footprint& footprint,
                                   Applied applied) {
  state.touched.insert(work.id);
  state.works.unlock(work);
  state.works.forget_dropped(work.session, footprint, work.id);
  for (const auto& [from, to] : applied.moved) state.watches.hand_over(from, to);
  for (const InodeId inode : applied.removed) {
    drop_delegation(state, inode);
    state.watches.forget_directory(inode);
  }
  if (applied.granted) grant_delegation(state, *applied.granted, work.session);
  if (applied.released) drop_delegation(state, *applied.released);
  if (state.sessions.find(work.session) != nullptr) {
    for (const InodeId directory : applied.watch) state.watches.watch(work.session, directory);
  }
  wire::OperationReply reply;
  reply.records = describe(state, work.session, applied);
  return reply;
}

wire::OperationReply refuse(const Error& error) {
  wire::OperationReply reply;
  reply.error = error.code();
  reply.context = error.context();
  return reply;
}

/// One operation of a Mutate. nullopt: it has to wait.
std::optional<wire::OperationReply> step_operation(State& state, Work& work, MutateWork& mutate,
                                                   const Session& session) {
  const wire::Operation& operation = mutate.request.operations[mutate.replies.size()];
  const InodeId subject = delegated_subject(operation.change);
  const SessionId delegate = subject ? state.delegations.holder(subject) : SessionId();
  Contents contents(state.store, state.census, state.releases);
  OpContext context{state.store,  state.census,   contents, session.id,
                    session.peer, operation.time, delegate, {}};
  for (const auto& open : mutate.invalidation.still_open) {
    if (state.sessions.find(open.second) != nullptr) context.still_open.insert(open);
  }
  auto plan = plan_change(context, operation.change);
  if (!plan) {
    state.works.unlock(work);
    return refuse(plan.error());
  }
  if (plan->needs_release) {
    recall_to_publish(state, subject, work.id);
    return std::nullopt;
  }
  if (!waits_for_nobody(operation.change, delegate, session.id) &&
      !invalidate(state, work, plan->footprint)) {
    return std::nullopt;
  }
  return finish_change(state, work, plan->footprint, plan->apply(context));
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

void keep(State& state, Session& session, Sequence sequence, const wire::OperationReply& reply) {
  KeptReply kept{reply.error, reply.context, {}};
  for (const wire::InodeRecord& record : reply.records) kept.inodes.push_back(record.inode);
  state.store.keep_reply(session.id, sequence, pack_reply(kept));
  session.running.erase(sequence);
  const auto [first, last] = session.awaited.equal_range(sequence);
  for (auto waiter = first; waiter != last; ++waiter) state.works.wake(waiter->second);
  session.awaited.erase(first, last);
}

void forget_answered(State& state, Session& session, Sequence below) {
  session.answered_below = std::max(session.answered_below, below);
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
  const std::uint64_t oldest = std::max(session.answered_below, request.answered_below).value();
  if (end < request.first.value() || end > oldest + wire::kMaxKeptReplies) {
    return fail(Errc::busy, "too many operations without an answer");
  }
  return {};
}

Sequence number_of(const MutateWork& mutate, std::size_t index) {
  return Sequence(mutate.request.first.value() + index);
}

}  // namespace

void on_mutate(State& state, Session& session, Token token, wire::Mutate request) {
  auto valid = check_mutate(session, request);
  if (!valid) {
    state.reply(token, pass(valid));
    return;
  }
  forget_answered(state, session, request.answered_below);
  Work& work = state.works.add(token, session.id, MutateWork{std::move(request), {}, 0, {}});
  const auto& mutate = std::get<MutateWork>(work.task);
  for (std::size_t i = 0; i < mutate.request.operations.size(); ++i) {
    const Sequence sequence = number_of(mutate, i);
    if (sequence > session.last_sequence) session.running[sequence] = work.id;
  }
  session.last_sequence =
      std::max(session.last_sequence, number_of(mutate, mutate.request.operations.size() - 1));
  state.works.wake(work.id);
}

bool step_mutate(State& state, Work& work, MutateWork& mutate) {
  if (waits_for_grace(state, work)) return false;
  Session* session = state.sessions.find(work.session);
  if (session == nullptr) return true;
  while (mutate.replies.size() < mutate.request.operations.size()) {
    const Sequence sequence = number_of(mutate, mutate.replies.size());
    auto running = session->running.find(sequence);
    const bool is_new = running != session->running.end() && running->second == work.id;
    if (running != session->running.end() && !is_new) {
      session->awaited.emplace(sequence, work.id);  // the same operation is under way already
      return false;
    }
    auto reply = is_new ? std::nullopt : recall_reply(state, *session, sequence);
    if (!reply) {
      // Neither known nor running, though not new: it failed with its transaction. Once more.
      session->running[sequence] = work.id;
      if (work.failure) {
        reply = refuse(*std::exchange(work.failure, std::nullopt));
        state.works.unlock(work);
      } else {
        reply = step_operation(state, work, mutate, *session);
      }
      if (!reply) return false;
      state.touched.insert(work.id);
      keep(state, *session, sequence, *reply);
    }
    mutate.replies.push_back(std::move(*reply));
  }
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
  if (!invalidate(state, work, footprint)) return false;
  state.works.unlock(work);
  state.works.forget_dropped(work.session, footprint, work.id);
  grant_delegation(state, inode, work.session);
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
  if (state.delegations.holder(request.inode) == session.id) drop_delegation(state, request.inode);
  remove_if_forgotten(state, request.inode);
  state.reply(token, wire::Empty{});
}

}  // namespace shoal::tracker
