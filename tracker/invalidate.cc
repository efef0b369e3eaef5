// SPDX-License-Identifier: MIT
#include <algorithm>
#include <set>
#include <unordered_set>

#include "tracker/handlers.h"

namespace shoal::tracker {
namespace {

/// More links than this: every session is asked, rather than collecting a thousand directories.
constexpr std::uint32_t kMaxLinksFollowed = 256;

/// What each session is to drop for one footprint.
class Audience {
 public:
  Audience(State& state, SessionId author, Doubtful doubtful)
      : state_(state), author_(author), doubtful_(doubtful) {}

  void add(const TouchedName& touched) {
    for (const SessionId session : state_.watches.watchers(touched.directory)) {
      if (session == author_) continue;
      wire::Stale stale;
      stale.inode = touched.directory;
      stale.name = touched.name;
      stale_[session].push_back(std::move(stale));
    }
  }

  void add(const TouchedInode& touched) {
    if (touched.is_directory) {
      for (const SessionId session : state_.watches.attribute_holders(touched.inode)) {
        tell(session, touched);
      }
      return;
    }
    // Under the author's own delegation nobody else caches the file; but they may have it open.
    const bool is_delegated_here = author_ && state_.delegations.holder(touched.inode) == author_;
    if (is_delegated_here && !touched.orphaned) return;
    for (const SessionId session : who_knows(touched.inode)) tell(session, touched);
    if (!touched.orphaned || doubtful_ == Doubtful::asked_later) return;
    for (const SessionId session : doubtful_sessions(state_, touched.inode)) tell(session, touched);
  }

  std::map<SessionId, std::vector<wire::Stale>> take() { return std::move(stale_); }

 private:
  std::vector<SessionId> who_knows(InodeId inode) {
    std::vector<SessionId> sessions = state_.store.orphan_sessions(inode);
    const auto links = state_.store.links(inode, kMaxLinksFollowed);
    if (links.size() == kMaxLinksFollowed) {
      for (const auto& [id, session] : state_.sessions.all()) sessions.push_back(id);
    } else {
      for (const LinkRow& link : links) {
        const auto watchers = state_.watches.watchers(link.parent);
        sessions.insert(sessions.end(), watchers.begin(), watchers.end());
      }
    }
    std::sort(sessions.begin(), sessions.end());
    sessions.erase(std::unique(sessions.begin(), sessions.end()), sessions.end());
    return sessions;
  }

  void tell(SessionId session, const TouchedInode& touched) {
    if (session == author_ || state_.sessions.find(session) == nullptr) return;
    for (const wire::Stale& told : stale_[session]) {
      if (told.name.empty() && told.inode == touched.inode) return;
    }
    wire::Stale stale;
    stale.inode = touched.inode;
    stale.attributes = touched.attributes;
    stale.data = touched.data;
    stale.xattrs = touched.xattrs;
    stale.orphaned = touched.orphaned;
    stale_[session].push_back(std::move(stale));
  }

  State& state_;
  SessionId author_;
  Doubtful doubtful_;
  std::map<SessionId, std::vector<wire::Stale>> stale_;
};

bool covers(const wire::Stale& dropped, const wire::Stale& wanted) {
  return dropped.inode == wanted.inode && dropped.name == wanted.name &&
         dropped.attributes >= wanted.attributes && dropped.data >= wanted.data &&
         dropped.xattrs >= wanted.xattrs && dropped.orphaned >= wanted.orphaned;
}

/// What is left to tell a session.
void subtract(std::vector<wire::Stale>& wanted, const std::vector<wire::Stale>& dropped) {
  std::erase_if(wanted, [&dropped](const wire::Stale& stale) {
    return std::any_of(dropped.begin(), dropped.end(),
                       [&stale](const wire::Stale& done) { return covers(done, stale); });
  });
}

/// Cheap: whether anybody could possibly have to be told.
bool is_alone(const State& state, SessionId author) {
  if (state.watches.anyone_but(author)) return false;
  const auto& sessions = state.sessions.all();
  return sessions.size() <= (sessions.contains(author) ? 1U : 0U);
}

}  // namespace

std::vector<SessionId> doubtful_sessions(const State& state, InodeId inode) {
  std::vector<SessionId> found;
  for (const auto& [id, session] : state.sessions.all()) {
    if (inode < session->doubtful_below) found.push_back(id);
  }
  return found;
}

bool invalidate(State& state, Work& work, const Footprint& footprint, Doubtful doubtful) {
  Invalidation& invalidation = *invalidation_of(work);
  if (!invalidation.awaited.empty()) return false;
  if (is_alone(state, work.session)) return true;
  Audience audience(state, work.session, doubtful);
  for (const TouchedName& name : footprint.names) audience.add(name);
  for (const TouchedInode& inode : footprint.inodes) audience.add(inode);

  bool is_clear = true;
  for (auto& [id, stale] : audience.take()) {
    auto dropped = invalidation.dropped.find(id);
    if (dropped != invalidation.dropped.end()) subtract(stale, dropped->second);
    Session* session = state.sessions.find(id);
    if (stale.empty() || session == nullptr) continue;
    if (is_clear) state.works.lock(work, footprint);
    is_clear = false;
    wire::Invalidate message;
    message.stale = std::move(stale);
    invalidation.awaited[id] = send_event(state, *session, std::move(message), work.id, 0);
  }
  // Whoever waits for the bytes may be among those asked now, and then must not wait any more.
  if (!is_clear) state.works.wake_end_waiters(work.id);
  return is_clear;
}

EventId send_event(State& state, Session& session,
                   std::variant<wire::Invalidate, wire::Recall> message, WorkId work,
                   std::uint64_t grant) {
  const EventId id(++session.last_event);
  std::visit([id](auto& body) { body.event = id; }, message);
  if (session.connection) {
    Push push{session.connection, session.id, {}};
    std::visit([&push](const auto& body) { push.message = body; }, message);
    state.outputs.emplace_back(std::move(push));
  }
  session.events[id] = OpenEvent{std::move(message), state.now.steady, work, grant};
  return id;
}

namespace {

/// The answer to questions that no change waits for: see assume_open() in change_requests.cc, and
/// ask_watchers().
void take_answers(State& state, const Session& session, const wire::Invalidate& asked,
                  const wire::InvalidateReply& reply) {
  const std::set<InodeId> open(reply.still_open.begin(), reply.still_open.end());
  std::vector<InodeId> left;
  for (const wire::Stale& stale : asked.stale) {
    if (open.contains(stale.inode)) continue;
    if (stale.whole) {
      left.push_back(stale.inode);
      continue;
    }
    state.store.remove_orphan(stale.inode, session.id);
    remove_if_forgotten(state, stale.inode);
  }
  if (!left.empty()) on_watcher_left(state, session.id, left);
}

}  // namespace

namespace {

/// Who says that a file is open says so to every change that would remove it, whichever has asked,
/// and until CloseOrphan. One that is through already has counted it as open, but a CloseOrphan, or
/// another answer, from before it was opened again may have come since.
void note_open(State& state, const Session& session, InodeId inode) {
  for (const WorkId id : state.works.lockers(inode)) {
    invalidation_of(*state.works.find(id))->still_open.emplace(inode, session.id);
  }
  const auto row = state.store.inode(inode);
  if (row && row->nlink == 0) state.store.add_orphan(inode, session.id);
}

void note_all_open(State& state, const Session& session, const wire::Invalidate& asked,
                   const wire::InvalidateReply& reply) {
  for (const wire::Stale& stale : asked.stale) {
    if (!stale.orphaned) continue;
    const auto& open = reply.still_open;
    if (std::find(open.begin(), open.end(), stale.inode) == open.end()) continue;
    note_open(state, session, stale.inode);
  }
}

}  // namespace

void on_invalidated(State& state, Session& session, EventId id, const OpenEvent& event,
                    const wire::InvalidateReply& reply) {
  const auto& message = std::get<wire::Invalidate>(event.message);
  note_all_open(state, session, message, reply);
  if (!event.work) {
    take_answers(state, session, message, reply);
    return;
  }
  Work* work = state.works.find(event.work);
  Invalidation* invalidation = work == nullptr ? nullptr : invalidation_of(*work);
  const bool is_awaited = invalidation != nullptr && invalidation->awaited.contains(session.id) &&
                          invalidation->awaited.at(session.id) == id;
  if (!is_awaited) return;
  invalidation->awaited.erase(session.id);
  if (invalidation->outdated.erase(session.id) == 0) {
    auto& dropped = invalidation->dropped[session.id];
    dropped.insert(dropped.end(), message.stale.begin(), message.stale.end());
  }
  for (const wire::Stale& stale : message.stale) {
    // Nothing has been handed out again since: the inode is locked by this very change.
    if (stale.name.empty() && stale.attributes) {
      state.watches.drop_attributes(session.id, stale.inode);
    }
  }
  // Whoever waits for the bytes may now have to wait for the change: see step_read().
  if (invalidation->awaited.empty()) state.works.wake(event.work);
}

void forget_awaited(State& state, Session& session) {
  for (const auto& [id, event] : session.events) {
    Work* work = state.works.find(event.work);
    Invalidation* invalidation = work == nullptr ? nullptr : invalidation_of(*work);
    if (invalidation == nullptr) continue;
    invalidation->awaited.erase(session.id);
    invalidation->outdated.erase(session.id);
    std::erase_if(invalidation->still_open,
                  [&session](const auto& open) { return open.second == session.id; });
    if (invalidation->awaited.empty()) state.works.wake(event.work);
  }
  session.events.clear();
}

void on_event_answer(State& state, EventAnswer answer) {
  Session* session = state.sessions.find(answer.session);
  if (session == nullptr) return;
  auto found = session->events.find(answer.event);
  if (found == session->events.end()) return;  // answered already
  const bool is_recall = std::holds_alternative<wire::Recall>(found->second.message);
  if (is_recall) {
    OpenEvent event = std::move(found->second);
    session->events.erase(found);
    if (auto* reply = std::get_if<wire::RecallReply>(&answer.answer)) {
      on_recalled(state, event, *reply);
    } else if (auto* error = std::get_if<Error>(&answer.answer)) {
      on_recalled(state, event, *error);
    }
    return;
  }
  // A peer that cannot invalidate is asked again when it reconnects, until its time is over.
  const auto* reply = std::get_if<wire::InvalidateReply>(&answer.answer);
  if (reply == nullptr) return;
  OpenEvent event = std::move(found->second);
  session->events.erase(found);
  on_invalidated(state, *session, answer.event, event, *reply);
}

}  // namespace shoal::tracker
