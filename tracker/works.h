// SPDX-License-Identifier: MIT
// A request that cannot be answered in one go is a Work. It is stepped: each step looks at the
// present state from scratch and either finishes or says what it waits for; whatever happens
// afterwards only makes it step again. So no step relies on what an earlier one has seen.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "tracker/delegations.h"
#include "tracker/footprint.h"
#include "tracker/inputs.h"

namespace shoal::tracker {

/// A change on its way through docs/coherence.md, steps 2 and 3.
struct Invalidation {
  /// Held while the change is pending: what it names is answered as not cacheable.
  Footprint locked;
  /// Sessions that have not answered, and the event they were sent.
  std::map<SessionId, EventId> awaited;
  /// Of those, sessions that have learned something new meanwhile: their answer is not enough.
  std::set<SessionId> outdated;
  /// What each session has dropped for this change and cannot have cached again since.
  std::map<SessionId, std::vector<wire::Stale>> dropped;
  /// Orphans that sessions said they have open.
  std::set<std::pair<InodeId, SessionId>> still_open;

  bool is_locked() const { return !locked.names.empty() || !locked.inodes.empty(); }
};

/// The operations of a Mutate, one after the other.
struct MutateWork {
  wire::Mutate request;
  std::vector<wire::OperationReply> replies;
  std::size_t committed = 0;  ///< replies whose transaction has been committed
  Invalidation invalidation;  ///< of the operation under way
  /// Removed files that sessions are yet to be asked about: see assume_open().
  std::map<SessionId, std::vector<wire::Stale>> questions;
};

struct DelegateWork {
  wire::Delegate request;
  Invalidation invalidation;
};

/// A question that may have to wait for a recall, or for a pending change.
struct ReadWork {
  std::variant<wire::Lookup, wire::GetInode, wire::ReadDirectory, wire::GetXattrs, wire::GetParent>
      request;
  /// Whose holder has answered a recall for attributes, and what it told.
  InodeId recalled;
  wire::RecallReply told;
};

struct Work {
  WorkId id;
  Token token;  ///< 0: nobody waits any more
  SessionId session;
  std::variant<MutateWork, DelegateWork, ReadWork> task;
  /// A recall came back with this: the work cannot go on.
  std::optional<Error> failure;
};

/// The invalidation of a work that has one.
Invalidation* invalidation_of(Work& work);

/// Works under way, and what their pending changes touch. Pure. Owner: the core.
class Works {
 public:
  Work& add(Token token, SessionId session, std::variant<MutateWork, DelegateWork, ReadWork> task);
  /// nullptr when it has ended.
  Work* find(WorkId id);
  Work* find_by_token(Token token);
  std::vector<WorkId> of_session(SessionId session) const;
  /// Nobody waits for its reply any more; it goes on.
  void detach(Work& work);
  /// Takes it out, unlocks what it locked, wakes who waited for its end.
  Work remove(WorkId id);

  /// Puts it into the queue of works to step, once.
  void wake(WorkId id);
  void wake(const std::vector<WorkId>& ids);
  std::optional<WorkId> next_awake();

  /// Adds to what the work's change touches.
  void lock(Work& work, const Footprint& footprint);
  /// The operation under way is through: unlocks, wakes who waited for that.
  void unlock(Work& work);
  bool is_locked(InodeId inode) const { return locked_inodes_.contains(inode); }
  bool is_locked(InodeId directory, const std::string& name) const {
    return locked_names_.contains(TouchedName{directory, name});
  }
  bool has_locked_names(InodeId directory) const;
  /// The pending changes that touch the inode.
  std::vector<WorkId> lockers(InodeId inode) const;
  /// The session has learned something new of what the footprint names, so that an answer it gave
  /// to other pending changes that touch the same no longer stands.
  void forget_dropped(SessionId session, const Footprint& footprint, WorkId except);
  /// Wakes `waiter` when the operation that `pending` is at has ended.
  void wait_for_end(WorkId pending, WorkId waiter) { end_waiters_.emplace(pending, waiter); }
  /// They look again whether they have to wait.
  void wake_end_waiters(WorkId pending);

  std::size_t size() const { return works_.size(); }

 private:
  std::map<WorkId, Work> works_;
  std::map<Token, WorkId> by_token_;
  std::set<WorkId> awake_;
  std::map<TouchedName, std::set<WorkId>> locked_names_;
  std::map<InodeId, std::set<WorkId>> locked_inodes_;
  std::multimap<WorkId, WorkId> end_waiters_;
  std::uint64_t last_ = 0;
};

}  // namespace shoal::tracker
