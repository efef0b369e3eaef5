// SPDX-License-Identifier: MIT
// Who may have a directory to itself, and what ends that: docs/coherence.md, "Delegation of a
// directory".
#include <algorithm>
#include <set>

#include "tracker/handlers.h"
#include "tracker/ops/plan.h"

namespace shoal::tracker {
namespace {

/// A directory with more watchers than this is shared: they are not asked.
constexpr std::size_t kMostAsked = 4;
/// A question makes a peer look at all that it has, so there is one for many directories, now and
/// then.
constexpr std::size_t kMostAskedAtOnce = 512;
constexpr std::chrono::milliseconds kAskPause{500};
/// A watcher that writes more files than this is busy here and there: its answer is not gone into.
constexpr std::size_t kMostHeld = 256;

/// Claims what a change concerns. One recall at a time: a work waits for one thing only.
class ChangeClaims {
 public:
  ChangeClaims(State& state, const Work& work) : state_(state), work_(work) {}

  bool operator()(const wire::Create& c) { return directory(c.parent); }
  bool operator()(const wire::Link& c) { return directory(c.parent) && inode(c.inode); }
  bool operator()(const wire::Unlink& c) { return directory(c.parent); }
  bool operator()(const wire::Rmdir& c) { return directory(c.parent) && child(c.parent, c.name); }
  bool operator()(const wire::Rename& c) {
    return directory(c.parent) && directory(c.new_parent) && child(c.parent, c.name) &&
           child(c.new_parent, c.new_name);
  }
  bool operator()(const wire::SetAttributes& c) { return inode(c.inode); }
  bool operator()(const wire::SetXattr& c) { return inode(c.inode); }
  bool operator()(const wire::RemoveXattr& c) { return inode(c.inode); }
  bool operator()(const wire::Publish& c) { return inode(c.inode); }
  bool operator()(const wire::TakeDelegation& c) { return inode(c.inode); }
  bool operator()(const wire::DropDelegation&) { return true; }

 private:
  bool directory(InodeId inode) { return claim_directory(state_, work_, inode); }
  /// In a directory that is claimed already, which covers its files.
  bool child(InodeId parent, const std::string& name) {
    const auto found = state_.store.child(parent, name);
    return !found || directory(*found);
  }
  bool inode(InodeId inode) {
    // Whoever has the file's own delegation watches its directory, so that nobody else has that.
    if (state_.delegations.holder(inode) == work_.session) return true;
    const auto row = state_.store.inode(inode);
    return !row || claim_inode(state_, work_, *row);
  }

  State& state_;
  const Work& work_;
};

std::vector<SessionId> who_comes_along(State& state, const Move& move) {
  std::vector<SessionId> sessions;
  if (move.from) {
    const auto watching = state.watches.watchers(move.from);
    sessions.assign(watching.begin(), watching.end());
  } else {
    sessions = state.store.orphan_sessions(move.inode);
  }
  const SessionId writer = state.delegations.holder(move.inode);
  if (writer) sessions.push_back(writer);
  std::erase_if(sessions,
                [&state](SessionId session) { return state.sessions.find(session) == nullptr; });
  return sessions;
}

/// Asks a watcher about all that is wished for, unless it was asked a short while ago.
void ask_watcher(State& state, Session& watcher) {
  if (watcher.wished.empty() || state.now.steady < watcher.ask_from) return;
  wire::Invalidate message;
  while (!watcher.wished.empty() && message.stale.size() < kMostAskedAtOnce) {
    const InodeId directory = watcher.wished.extract(watcher.wished.begin()).value();
    wire::Stale question;
    question.inode = directory;
    question.whole = true;
    message.stale.push_back(std::move(question));
    state.watches.ask(watcher.id, directory);
  }
  watcher.ask_from = state.now.steady + kAskPause;
  send_event(state, watcher, std::move(message), {}, 0);
}

}  // namespace

bool claim_directory(State& state, const Work& work, InodeId directory) {
  const Delegation* delegation = state.delegations.find(directory);
  if (delegation == nullptr || !delegation->is_directory) return true;
  if (delegation->holder == work.session) return true;
  if (!delegation->is_publishing) state.contests.ended(directory, state.now.steady);
  recall_to_publish(state, directory, work.id);
  return false;
}

bool claim_inode(State& state, const Work& work, const InodeRow& row) {
  if (row.is_directory()) return claim_directory(state, work, row.inode);
  if (!state.delegations.has_foreign_directories(work.session)) return true;
  return claim_directory(state, work, only_home(state, row));
}

bool claim_change(State& state, const Work& work, const wire::Change& change) {
  if (!state.delegations.has_foreign_directories(work.session)) return true;
  return std::visit(ChangeClaims(state, work), change);
}

bool claim_moves(State& state, const Work& work, const std::vector<Move>& moves) {
  for (const Move& move : moves) {
    const SessionId holder = state.delegations.holder(move.to);
    if (!holder) continue;
    const auto coming = who_comes_along(state, move);
    const bool is_alone =
        std::ranges::all_of(coming, [holder](SessionId session) { return session == holder; });
    if (is_alone) continue;
    recall_to_publish(state, move.to, work.id);
    return false;
  }
  return true;
}

void hand_over(State& state, const std::vector<Move>& moves) {
  for (const Move& move : moves) {
    for (const SessionId session : who_comes_along(state, move)) {
      state.watches.watch_unlimited(session, move.to);
    }
  }
}

bool grant_if_alone(State& state, SessionId session, InodeId directory) {
  const bool may_have =
      !state.delegations.holder(directory) && has_room_for_directory(state, session) &&
      state.watches.is_alone(session, directory) && !state.works.is_locked(directory) &&
      !state.works.has_locked_names(directory);
  if (may_have) grant_directory(state, directory, session);
  return may_have;
}

void ask_watchers(State& state, SessionId session, InodeId directory) {
  if (state.delegations.holder(directory)) return;
  std::set<SessionId> others;
  for (const auto& watching :
       {state.watches.watchers(directory), state.watches.attribute_holders(directory)}) {
    others.insert(watching.begin(), watching.end());
    if (others.size() > kMostAsked + 1) return;
  }
  others.erase(session);
  if (others.empty() || others.size() > kMostAsked) return;
  if (!state.contests.may_ask(directory, state.now.steady)) return;
  for (const SessionId id : others) {
    Session* watcher = state.sessions.find(id);
    if (watcher == nullptr) continue;
    watcher->wished.insert(directory);
    ask_watcher(state, *watcher);
  }
}

void ask_by_time(State& state) {
  for (const auto& [id, session] : state.sessions.all()) ask_watcher(state, *session);
}

void on_watcher_left(State& state, SessionId watcher, const std::vector<InodeId>& directories) {
  // Whoever holds a file watches the directory of its only link: see grant_file().
  std::set<InodeId> needed;
  std::size_t files = 0;
  for (const InodeId inode : state.delegations.held_by(watcher)) {
    if (state.delegations.find(inode)->is_directory) {
      needed.insert(inode);
      continue;
    }
    if (++files > kMostHeld) return;
    const auto row = state.store.inode(inode);
    if (row) needed.insert(only_home(state, *row));
  }
  for (const InodeId directory : directories) {
    if (!needed.contains(directory)) state.watches.leave(watcher, directory);
  }
}

bool has_room_for_directory(const State& state, SessionId session) {
  return state.delegations.directories_of(session) < wire::kMaxDelegatedDirectories;
}

}  // namespace shoal::tracker
