// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <set>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/strong_id.h"
#include "wire/limits.h"

namespace shoal::tracker {

/// Which sessions may cache something about which directories. Pure.
/// Shape: a pair is there once; memory grows with directories looked into, never with files.
class Subscriptions {
 public:
  explicit Subscriptions(std::size_t per_session_max) : per_session_max_(per_session_max) {}

  /// False when the session has reached its limit (and the pair is new).
  bool add(SessionId session, InodeId directory);
  void add_unlimited(SessionId session, InodeId directory);
  bool has(SessionId session, InodeId directory) const;
  void remove(SessionId session, InodeId directory);
  void remove_session(SessionId session);
  void remove_directory(InodeId directory);
  /// Valid until the next change.
  std::span<const SessionId> sessions(InodeId directory) const;
  std::size_t session_count() const { return by_session_.size(); }
  std::size_t size(SessionId session) const;

 private:
  std::size_t per_session_max_;
  std::unordered_map<InodeId, std::vector<SessionId>> by_directory_;
  std::unordered_map<SessionId, std::unordered_set<InodeId>> by_session_;
};

/// The tracker's memory of what the peers' caches may hold (docs/coherence.md). Pure.
/// A watch covers a directory's names and all its files. The attributes of directories themselves
/// are tracked one by one: forgotten when an invalidation was answered, so that making a thousand
/// files in a directory tells each onlooker of the parent once and not a thousand times.
class Watches {
 public:
  explicit Watches(std::size_t per_session_max = wire::kMaxWatchesPerSession)
      : names_(per_session_max), attributes_(per_session_max) {}

  /// The session is told of changes of names in the directory and of files linked there.
  /// False: it has too many watches; nothing it is told may be cacheable.
  bool watch(SessionId session, InodeId directory) {
    note_news(session, directory);
    return names_.add(session, directory);
  }
  /// As above, beyond any limit: where leaving the session out would be wrong.
  void watch_unlimited(SessionId session, InodeId directory) {
    note_news(session, directory);
    names_.add_unlimited(session, directory);
  }
  bool watches(SessionId session, InodeId directory) const {
    return names_.has(session, directory);
  }
  /// The same, when the session is about to be told something that it may keep if it does.
  bool keeps_news(SessionId session, InodeId directory) {
    note_news(session, directory);
    return watches(session, directory);
  }
  std::span<const SessionId> watchers(InodeId directory) const {
    return names_.sessions(directory);
  }
  /// The same for the attributes and xattrs of the directory itself.
  bool hold_attributes(SessionId session, InodeId directory) {
    note_news(session, directory);
    return attributes_.add(session, directory);
  }
  void hold_attributes_unlimited(SessionId session, InodeId directory) {
    note_news(session, directory);
    attributes_.add_unlimited(session, directory);
  }
  void drop_attributes(SessionId session, InodeId directory) {
    attributes_.remove(session, directory);
  }
  std::span<const SessionId> attribute_holders(InodeId directory) const {
    return attributes_.sessions(directory);
  }

  /// The session is asked whether it still needs the directory.
  void ask(SessionId session, InodeId directory) { asked_.emplace(session, directory); }
  /// It has said that it has forgotten all of it. False: it was told something since it was asked,
  /// which it may keep, and so goes on watching.
  bool leave(SessionId session, InodeId directory);

  /// Whether nobody else caches names, files or attributes of the directory.
  bool is_alone(SessionId session, InodeId directory) const;
  void forget_directory(InodeId directory);
  void forget_session(SessionId session);
  /// Whether any session besides this one caches anything at all.
  bool anyone_but(SessionId session) const;

 private:
  void note_news(SessionId session, InodeId directory) {
    if (!asked_.empty()) asked_.erase({session, directory});
  }

  Subscriptions names_;
  Subscriptions attributes_;
  std::set<std::pair<SessionId, InodeId>> asked_;  ///< and told nothing since
};

}  // namespace shoal::tracker
