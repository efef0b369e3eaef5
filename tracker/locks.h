// SPDX-License-Identifier: MIT
#pragma once

#include <list>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/range_map.h"
#include "tracker/inputs.h"
#include "wire/limits.h"

namespace shoal::tracker {

/// All locks of the swarm's files, and who waits for one: docs/coherence.md, "Locks". In memory
/// only. Pure. Owner: the core.
///
/// Who waits is served first come, first served: a request that waits is not overtaken by a later
/// one that it is in conflict with, so that readers one after another do not keep a writer out for
/// ever. Only who holds a lock already (by owner or process) may overtake: somebody may wait for
/// that one, and waiting for order alone would close a circle.
class Locks {
 public:
  struct Limits {
    std::size_t held = wire::kMaxLocksPerSession;
    std::size_t waiting = wire::kMaxWaitingLocks;
  };
  struct Answer {
    Token token;
    wire::LockOutcome outcome = wire::LockOutcome::granted;
    bool operator==(const Answer&) const = default;
  };
  /// Also of those who have waited.
  using Answers = std::vector<Answer>;

  Locks() = default;
  explicit Locks(Limits limits) : limits_(limits) {}

  /// Answers, or keeps the request waiting. Shape: a range that is one, here and below.
  void lock(SessionId session, Token token, const wire::Lock& request, Answers& answers);
  void unlock(SessionId session, const wire::Unlock& request, Answers& answers);
  std::optional<wire::LockHolder> test(SessionId session, const wire::TestLock& request) const;
  /// Whether the owner has all of what is asked for, of the same type.
  bool has(SessionId session, const wire::Lock& request) const;
  /// False when somebody else has it.
  bool claim(SessionId session, const wire::LockClaim& claim);

  bool is_waiting(Token token) const { return waiting_.contains(token); }
  /// No-op for others than those that wait.
  void cancel(Token token, Answers& answers);
  /// Those of its requests that waited: they get no other answer.
  std::vector<Token> end_session(SessionId session, Answers& answers);

  std::size_t held(SessionId session) const;

 private:
  using Ranges = base::RangeMap<wire::LockType>;
  /// The kernel's number for an owner, in a session.
  using Owner = std::pair<SessionId, std::uint64_t>;
  using Place = std::pair<InodeId, wire::LockKind>;
  struct Holding {
    std::uint32_t pid = 0;
    Ranges ranges;
  };
  struct Waiter {
    Token token;
    Owner owner;
    wire::Lock request;
  };
  using Waiters = std::list<Waiter>;
  /// The locks of one kind on one inode.
  struct Side {
    std::map<Owner, Holding> holdings;
    Waiters waiters;
  };
  struct Waiting {
    Place place;
    Waiters::iterator waiter;
  };
  struct Account {
    std::size_t held = 0;
    std::size_t waiting = 0;
  };

  static bool is_in_conflict(const Ranges& ranges, const wire::Lock& request);
  static bool is_in_conflict(const wire::Lock& one, const wire::Lock& other);
  static bool has_blocker(const Side& side, const Owner& owner, const wire::Lock& request);
  static std::vector<Owner> blockers(const Side& side, const Owner& owner,
                                     const wire::Lock& request);
  bool is_behind(const Side& side, Waiters::const_iterator end, const Owner& owner,
                 const wire::Lock& request) const;
  bool closes_circle(const Side& side, const Owner& owner, const wire::Lock& request) const;

  void set(Side& side, const Owner& owner, const wire::Lock& request);
  template <class Change>
  void change(Side& side, const Owner& owner, std::uint32_t pid, Change change);
  void wait(Side& side, Token token, const Owner& owner, const wire::Lock& request);
  Waiters::iterator stop_waiting(Side& side, Waiters::iterator waiter);
  void settle(const Place& place, Answers& answers);
  void break_circles(Side& side, const Owner& granted, Answers& answers);

  Limits limits_;
  std::map<Place, Side> sides_;
  std::map<Token, Waiting> waiting_;
  std::map<Owner, std::set<Token>> posix_waits_;
  std::map<SessionId, Account> accounts_;
  /// How many holdings an owner, and a process, has.
  std::map<Owner, std::size_t> by_owner_;
  std::map<std::pair<SessionId, std::uint32_t>, std::size_t> by_pid_;
};

}  // namespace shoal::tracker
