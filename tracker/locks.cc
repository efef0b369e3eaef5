// SPDX-License-Identifier: MIT
#include "tracker/locks.h"

#include <algorithm>

namespace shoal::tracker {
namespace {

using wire::LockKind;
using wire::LockOutcome;
using wire::LockType;

template <class Map, class Key>
void count_down(Map& counts, const Key& key) {
  const auto found = counts.find(key);
  if (--found->second == 0) counts.erase(found);
}

}  // namespace

// ---- what is in the way -----------------------------------------------------------------------

bool Locks::is_in_conflict(const Ranges& ranges, const wire::Lock& request) {
  bool found = false;
  ranges.visit(request.range.first, request.range.last, [&](const Ranges::Piece& piece) {
    found = request.type == LockType::write || piece.value == LockType::write;
    return !found;
  });
  return found;
}

bool Locks::is_in_conflict(const wire::Lock& one, const wire::Lock& other) {
  const bool touch = one.range.first <= other.range.last && other.range.first <= one.range.last;
  return touch && (one.type == LockType::write || other.type == LockType::write);
}

bool Locks::has_blocker(const Side& side, const Owner& owner, const wire::Lock& request) {
  return std::any_of(side.holdings.begin(), side.holdings.end(), [&](const auto& entry) {
    return entry.first != owner && is_in_conflict(entry.second.ranges, request);
  });
}

std::vector<Locks::Owner> Locks::blockers(const Side& side, const Owner& owner,
                                          const wire::Lock& request) {
  std::vector<Owner> found;
  for (const auto& [other, holding] : side.holdings) {
    if (other != owner && is_in_conflict(holding.ranges, request)) found.push_back(other);
  }
  return found;
}

/// Whether an earlier request that waits has to be served first.
bool Locks::is_behind(const Side& side, Waiters::const_iterator end, const Owner& owner,
                      const wire::Lock& request) const {
  if (by_owner_.contains(owner) || by_pid_.contains({owner.first, request.pid})) return false;
  return std::any_of(side.waiters.begin(), end, [&](const Waiter& earlier) {
    return earlier.owner != owner && is_in_conflict(earlier.request, request);
  });
}

/// Whether somebody who is in the way waits, in the end, for the owner itself.
bool Locks::closes_circle(const Side& side, const Owner& owner, const wire::Lock& request) const {
  std::vector<Owner> open = blockers(side, owner, request);
  std::set<Owner> seen(open.begin(), open.end());
  while (!open.empty()) {
    const Owner next = open.back();
    open.pop_back();
    const auto waits = posix_waits_.find(next);
    if (waits == posix_waits_.end()) continue;
    for (const Token token : waits->second) {
      const Waiting& waiting = waiting_.at(token);
      for (const Owner& other : blockers(sides_.at(waiting.place), next, waiting.waiter->request)) {
        if (other == owner) return true;
        if (seen.insert(other).second) open.push_back(other);
      }
    }
  }
  return false;
}

// ---- holding and waiting ----------------------------------------------------------------------

/// Changes the owner's ranges and keeps all counts in step. Shape: change(Ranges&).
template <class Change>
void Locks::change(Side& side, const Owner& owner, std::uint32_t pid, Change change) {
  auto [entry, is_new] = side.holdings.try_emplace(owner);
  Holding& holding = entry->second;
  if (is_new) {
    holding.pid = pid;
    ++by_owner_[owner];
    ++by_pid_[{owner.first, pid}];
  }
  Account& account = accounts_[owner.first];
  account.held -= holding.ranges.size();
  change(holding.ranges);
  account.held += holding.ranges.size();
  if (!holding.ranges.empty()) return;
  count_down(by_owner_, owner);
  count_down(by_pid_, std::pair(owner.first, holding.pid));
  side.holdings.erase(entry);
}

void Locks::set(Side& side, const Owner& owner, const wire::Lock& request) {
  change(side, owner, request.pid, [&request](Ranges& ranges) {
    ranges.assign(request.range.first, request.range.last, request.type);
  });
}

void Locks::wait(Side& side, Token token, const Owner& owner, const wire::Lock& request) {
  side.waiters.push_back({token, owner, request});
  waiting_[token] = {{request.inode, request.kind}, std::prev(side.waiters.end())};
  if (request.kind == LockKind::posix) posix_waits_[owner].insert(token);
  ++accounts_[owner.first].waiting;
}

Locks::Waiters::iterator Locks::stop_waiting(Side& side, Waiters::iterator waiter) {
  waiting_.erase(waiter->token);
  if (waiter->request.kind == LockKind::posix) {
    const auto waits = posix_waits_.find(waiter->owner);
    waits->second.erase(waiter->token);
    if (waits->second.empty()) posix_waits_.erase(waits);
  }
  --accounts_[waiter->owner.first].waiting;
  return side.waiters.erase(waiter);
}

/// Serves those who wait at the place as far as that is possible now.
void Locks::settle(const Place& place, Answers& answers) {
  const auto found = sides_.find(place);
  if (found == sides_.end()) return;
  Side& side = found->second;
  for (bool is_moving = true; is_moving;) {
    is_moving = false;
    for (auto waiter = side.waiters.begin(); waiter != side.waiters.end();) {
      const bool must_wait = has_blocker(side, waiter->owner, waiter->request) ||
                             is_behind(side, waiter, waiter->owner, waiter->request);
      if (must_wait) {
        ++waiter;
        continue;
      }
      const Waiter served = *waiter;
      waiter = stop_waiting(side, waiter);
      set(side, served.owner, served.request);
      answers.push_back({served.token, LockOutcome::granted});
      is_moving = true;  // what it had before may have been stronger
      if (posix_waits_.contains(served.owner)) {
        break_circles(side, served.owner, answers);
        break;
      }
    }
  }
  if (side.holdings.empty() && side.waiters.empty()) sides_.erase(found);
}

/// A grant to an owner that waits elsewhere (a process with several threads) can close a circle for
/// those that wait for what was granted.
void Locks::break_circles(Side& side, const Owner& granted, Answers& answers) {
  const Holding& holding = side.holdings.at(granted);
  for (auto waiter = side.waiters.begin(); waiter != side.waiters.end();) {
    const bool is_lost = waiter->request.kind == LockKind::posix && waiter->owner != granted &&
                         is_in_conflict(holding.ranges, waiter->request) &&
                         closes_circle(side, waiter->owner, waiter->request);
    if (!is_lost) {
      ++waiter;
      continue;
    }
    answers.push_back({waiter->token, LockOutcome::deadlock});
    waiter = stop_waiting(side, waiter);
  }
}

// ---- requests ---------------------------------------------------------------------------------

void Locks::lock(SessionId session, Token token, const wire::Lock& request, Answers& answers) {
  const Owner owner(session, request.owner);
  const Place place(request.inode, request.kind);
  const auto answer = [&](LockOutcome outcome) { answers.push_back({token, outcome}); };
  if (has(session, request)) {
    answer(LockOutcome::granted);
    return;
  }
  // A range in the middle of another makes two more pieces of it.
  if (held(session) + 2 > limits_.held) {
    answer(LockOutcome::too_many);
    return;
  }
  Side& side = sides_[place];
  const bool is_blocked = has_blocker(side, owner, request);
  const bool must_queue = request.wait && is_behind(side, side.waiters.end(), owner, request);
  if (!is_blocked && !must_queue) {
    set(side, owner, request);
    answer(LockOutcome::granted);
    if (posix_waits_.contains(owner)) break_circles(side, owner, answers);
    settle(place, answers);
    return;
  }
  // flock(2): a conversion gives the old lock up before it waits, or fails.
  const bool converts = request.kind == LockKind::flock && side.holdings.contains(owner);
  if (converts) {
    change(side, owner, request.pid, [](Ranges& ranges) { ranges.erase(0, Ranges::kEnd); });
  }
  if (!request.wait) {
    answer(LockOutcome::refused);
  } else if (accounts_[session].waiting >= limits_.waiting) {
    answer(LockOutcome::too_many);
  } else if (request.kind == LockKind::posix && closes_circle(side, owner, request)) {
    answer(LockOutcome::deadlock);
  } else {
    wait(side, token, owner, request);
  }
  settle(place, answers);
}

void Locks::unlock(SessionId session, const wire::Unlock& request, Answers& answers) {
  const Owner owner(session, request.owner);
  const Place place(request.inode, request.kind);
  const auto found = sides_.find(place);
  if (found == sides_.end()) return;
  Side& side = found->second;
  if (request.ticket != 0) {
    const auto waiter = std::find_if(side.waiters.begin(), side.waiters.end(), [&](const auto& w) {
      return w.owner == owner && w.request.ticket == request.ticket;
    });
    if (waiter != side.waiters.end()) stop_waiting(side, waiter);
  }
  if (side.holdings.contains(owner)) {
    change(side, owner, 0, [&request](Ranges& ranges) {
      const auto before = ranges.pieces(request.range.first, request.range.last);
      ranges.erase(request.range.first, request.range.last);
      for (const wire::LockPiece& keep : request.keep) {
        for (const Ranges::Piece& had : before) {
          const std::uint64_t first = std::max(had.first, keep.range.first);
          const std::uint64_t last = std::min(had.last, keep.range.last);
          if (first <= last) ranges.assign(first, last, std::min(had.value, keep.type));
        }
      }
    });
  }
  settle(place, answers);
}

std::optional<wire::LockHolder> Locks::test(SessionId session,
                                            const wire::TestLock& request) const {
  const auto found = sides_.find({request.inode, LockKind::posix});
  if (found == sides_.end()) return std::nullopt;
  std::optional<wire::LockHolder> first;
  for (const auto& [owner, holding] : found->second.holdings) {
    if (owner == Owner(session, request.owner)) continue;
    // Whole pieces are told, not what is cut to the request.
    for (const Ranges::Piece& piece : holding.ranges.pieces()) {
      if (piece.first > request.range.last || piece.last < request.range.first) continue;
      if (request.type == LockType::read && piece.value == LockType::read) continue;
      if (first && first->range.first <= piece.first) break;
      const std::uint32_t pid = owner.first == session ? holding.pid : 0;
      first = wire::LockHolder{{piece.first, piece.last}, piece.value, pid};
      break;
    }
  }
  return first;
}

bool Locks::has(SessionId session, const wire::Lock& request) const {
  const auto found = sides_.find({request.inode, request.kind});
  if (found == sides_.end()) return false;
  const auto holding = found->second.holdings.find({session, request.owner});
  if (holding == found->second.holdings.end()) return false;
  const auto pieces = holding->second.ranges.pieces(request.range.first, request.range.last);
  return pieces.size() == 1 && pieces.front().first == request.range.first &&
         pieces.front().last == request.range.last && pieces.front().value == request.type;
}

bool Locks::claim(SessionId session, const wire::LockClaim& claim) {
  wire::Lock request;
  request.inode = claim.inode;
  request.kind = claim.kind;
  request.type = claim.piece.type;
  request.range = claim.piece.range;
  request.owner = claim.owner;
  request.pid = claim.pid;
  const Owner owner(session, claim.owner);
  Side& side = sides_[{claim.inode, claim.kind}];
  const bool is_free = !has_blocker(side, owner, request) && held(session) < limits_.held;
  if (is_free) set(side, owner, request);
  if (side.holdings.empty() && side.waiters.empty()) sides_.erase({claim.inode, claim.kind});
  return is_free;
}

void Locks::cancel(Token token, Answers& answers) {
  const auto found = waiting_.find(token);
  if (found == waiting_.end()) return;
  const Waiting waiting = found->second;
  stop_waiting(sides_.at(waiting.place), waiting.waiter);
  settle(waiting.place, answers);
}

std::vector<Token> Locks::end_session(SessionId session, Answers& answers) {
  std::vector<Token> withdrawn;
  std::vector<Place> changed;
  if (!accounts_.contains(session)) return withdrawn;
  for (auto& [place, side] : sides_) {
    bool is_changed = false;
    for (auto waiter = side.waiters.begin(); waiter != side.waiters.end();) {
      if (waiter->owner.first != session) {
        ++waiter;
        continue;
      }
      withdrawn.push_back(waiter->token);
      waiter = stop_waiting(side, waiter);
      is_changed = true;
    }
    for (auto holding = side.holdings.lower_bound({session, 0});
         holding != side.holdings.end() && holding->first.first == session;) {
      const Owner owner = holding->first;
      ++holding;
      change(side, owner, 0, [](Ranges& ranges) { ranges.erase(0, Ranges::kEnd); });
      is_changed = true;
    }
    if (is_changed) changed.push_back(place);
  }
  accounts_.erase(session);
  for (const Place& place : changed) settle(place, answers);
  return withdrawn;
}

std::size_t Locks::held(SessionId session) const {
  const auto found = accounts_.find(session);
  return found == accounts_.end() ? 0 : found->second.held;
}

}  // namespace shoal::tracker
