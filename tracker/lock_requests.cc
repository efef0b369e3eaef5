// SPDX-License-Identifier: MIT
// Locks change nothing in the database: their answers stand whatever becomes of the transaction of
// the batch they came in.
#include <algorithm>

#include "base/log.h"
#include "tracker/handlers.h"

namespace shoal::tracker {
namespace {

void refuse(State& state, Token token, Error error) {
  state.reply_firmly(token, std::unexpected(std::move(error)));
}

Error bad_range() { return Error(Errc::invalid, "a range that ends before it begins"); }

void deliver(State& state, const Locks::Answers& answers) {
  for (const Locks::Answer& answer : answers) {
    state.reply_firmly(answer.token, wire::LockReply{answer.outcome});
  }
}

bool is_proper(const wire::Lock& request) {
  return request.range.first <= request.range.last &&
         (request.kind == wire::LockKind::posix || request.range == wire::LockRange{});
}

bool in_lock_grace(const State& state) {
  return !state.unclaimed.empty() && state.now.steady < state.grace_end;
}

/// Whoever has it may hear so again; what is new waits until all have claimed what they had.
bool waits_for_claims(State& state, Session& session, Token token, const AnyRequest& request) {
  if (!in_lock_grace(state)) return false;
  const auto* lock = std::get_if<wire::Lock>(&request);
  if (lock != nullptr && state.locks.has(session.id, *lock)) return false;
  state.lock_waiters.push_back({token, session.id, request});
  return true;
}

void lock_now(State& state, SessionId session, Token token, const wire::Lock& request) {
  Locks::Answers answers;
  state.locks.lock(session, token, request, answers);
  deliver(state, answers);
}

void test_now(State& state, SessionId session, Token token, const wire::TestLock& request) {
  state.reply_firmly(token, wire::TestLockReply{state.locks.test(session, request)});
}

}  // namespace

void on_lock(State& state, Session& session, Token token, const wire::Lock& request) {
  if (!is_proper(request)) {
    refuse(state, token, bad_range());
  } else if (!waits_for_claims(state, session, token, request)) {
    lock_now(state, session.id, token, request);
  }
}

void on_unlock(State& state, Session& session, Token token, const wire::Unlock& request) {
  const bool is_proper = request.range.first <= request.range.last &&
                         std::all_of(request.keep.begin(), request.keep.end(),
                                     [](const auto& p) { return p.range.first <= p.range.last; });
  if (!is_proper) {
    refuse(state, token, bad_range());
    return;
  }
  const auto is_withdrawn = [&](const LockWaiter& waiter) {
    const auto* lock = std::get_if<wire::Lock>(&waiter.request);
    return request.ticket != 0 && lock != nullptr && waiter.session == session.id &&
           lock->owner == request.owner && lock->ticket == request.ticket;
  };
  std::erase_if(state.lock_waiters, is_withdrawn);
  Locks::Answers answers;
  state.locks.unlock(session.id, request, answers);
  deliver(state, answers);
  state.reply_firmly(token, wire::Empty{});
}

void on_test_lock(State& state, Session& session, Token token, const wire::TestLock& request) {
  if (request.range.first > request.range.last) {
    refuse(state, token, bad_range());
  } else if (!waits_for_claims(state, session, token, request)) {
    test_now(state, session.id, token, request);
  }
}

void on_claim_locks(State& state, Session& session, Token token, const wire::ClaimLocks& request) {
  const SessionId id = session.id;
  if (state.unclaimed.contains(id)) {
    for (const wire::LockClaim& claim : request.claims) {
      const bool is_proper = claim.piece.range.first <= claim.piece.range.last;
      if (is_proper && state.locks.claim(id, claim)) continue;
      base::log_warning("a lock was claimed that another session has session={} inode={}", id,
                        claim.inode);
      end_session(state, id, SessionEnd::lost);
      refuse(state, token, Error(Errc::stale, "a lock of the session is somebody else's now"));
      return;
    }
    if (request.is_last) state.unclaimed.erase(id);
  }
  state.reply_firmly(token, wire::Empty{});
}

void cancel_lock(State& state, Token token) {
  std::erase_if(state.lock_waiters, [token](const auto& waiter) { return waiter.token == token; });
  Locks::Answers answers;
  state.locks.cancel(token, answers);
  deliver(state, answers);
}

void end_locks(State& state, SessionId session) {
  state.unclaimed.erase(session);
  Locks::Answers answers;
  std::vector<Token> withdrawn = state.locks.end_session(session, answers);
  for (const LockWaiter& waiter : state.lock_waiters) {
    if (waiter.session == session) withdrawn.push_back(waiter.token);
  }
  std::erase_if(state.lock_waiters,
                [session](const auto& waiter) { return waiter.session == session; });
  for (const Token token : withdrawn) {
    refuse(state, token, Error(Errc::stale, "the session has ended"));
  }
  deliver(state, answers);
}

void check_lock_grace(State& state) {
  if (state.lock_waiters.empty() || in_lock_grace(state)) return;
  for (const LockWaiter& waiter : std::exchange(state.lock_waiters, {})) {
    if (const auto* lock = std::get_if<wire::Lock>(&waiter.request)) {
      lock_now(state, waiter.session, waiter.token, *lock);
    } else {
      test_now(state, waiter.session, waiter.token, std::get<wire::TestLock>(waiter.request));
    }
  }
}

bool is_lock_waiting(const State& state, Token token) {
  return state.locks.is_waiting(token) ||
         std::any_of(state.lock_waiters.begin(), state.lock_waiters.end(),
                     [token](const auto& waiter) { return waiter.token == token; });
}

}  // namespace shoal::tracker
