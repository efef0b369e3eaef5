// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/strong_id.h"

namespace shoal::tracker {

/// A piece of work in the core that may have to wait: see works.h.
using WorkId = base::StrongId<struct WorkTag>;

/// The exclusive right of one session to write one file, or to change one directory, and who waits
/// for it.
struct Delegation {
  SessionId holder;
  bool is_directory = false;
  std::uint64_t grant = 0;  ///< tells one grant from a later one of the same inode
  /// A recall with `publish` is on its way; these go on when the delegation is gone.
  bool is_publishing = false;
  std::vector<WorkId> publish_waiters;
  /// A recall for size and time is on its way for the first; the second came after it was sent,
  /// so its answer may be too old for them: they need another one.
  bool is_asking = false;
  std::vector<WorkId> attribute_waiters;
  std::vector<WorkId> later_attribute_waiters;
};

/// All delegations. Pure. Owner: the core.
class Delegations {
 public:
  Delegation* find(InodeId inode) {
    auto found = by_inode_.find(inode);
    return found == by_inode_.end() ? nullptr : &found->second;
  }
  /// 0: nobody.
  SessionId holder(InodeId inode) const {
    auto found = by_inode_.find(inode);
    return found == by_inode_.end() ? SessionId() : found->second.holder;
  }
  /// The inode must not be delegated.
  void grant(InodeId inode, SessionId holder, bool is_directory);
  /// Ends it; all who waited for anything about it.
  std::vector<WorkId> drop(InodeId inode);
  std::vector<InodeId> held_by(SessionId holder) const;
  std::size_t size() const { return by_inode_.size(); }
  /// How many directories the session has.
  std::size_t directories_of(SessionId holder) const {
    auto found = directories_of_.find(holder);
    return found == directories_of_.end() ? 0 : found->second;
  }
  /// Whether any other session has a directory.
  bool has_foreign_directories(SessionId session) const {
    return directories_ > directories_of(session);
  }

 private:
  std::unordered_map<InodeId, Delegation> by_inode_;
  std::unordered_map<SessionId, std::size_t> directories_of_;
  std::size_t directories_ = 0;
  std::uint64_t last_grant_ = 0;
};

}  // namespace shoal::tracker
