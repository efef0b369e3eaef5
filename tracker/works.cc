// SPDX-License-Identifier: MIT
#include "tracker/works.h"

#include "base/check.h"

namespace shoal::tracker {

Invalidation* invalidation_of(Work& work) {
  if (auto* mutate = std::get_if<MutateWork>(&work.task)) return &mutate->invalidation;
  if (auto* delegate = std::get_if<DelegateWork>(&work.task)) return &delegate->invalidation;
  return nullptr;
}

Work& Works::add(Token token, SessionId session,
                 std::variant<MutateWork, DelegateWork, ReadWork> task) {
  const WorkId id(++last_);
  Work& work = works_[id];
  work.id = id;
  work.token = token;
  work.session = session;
  work.task = std::move(task);
  if (token) by_token_[token] = id;
  return work;
}

Work* Works::find(WorkId id) {
  auto found = works_.find(id);
  return found == works_.end() ? nullptr : &found->second;
}

Work* Works::find_by_token(Token token) {
  auto found = by_token_.find(token);
  return found == by_token_.end() ? nullptr : find(found->second);
}

std::vector<WorkId> Works::of_session(SessionId session) const {
  std::vector<WorkId> ids;
  for (const auto& [id, work] : works_) {
    if (work.session == session) ids.push_back(id);
  }
  return ids;
}

void Works::detach(Work& work) {
  by_token_.erase(work.token);
  work.token = {};
}

Work Works::remove(WorkId id) {
  auto found = works_.find(id);
  CHECK(found != works_.end());
  unlock(found->second);
  if (found->second.token) by_token_.erase(found->second.token);
  awake_.erase(id);
  Work work = std::move(found->second);
  works_.erase(found);
  return work;
}

void Works::wake(WorkId id) {
  if (works_.contains(id)) awake_.insert(id);
}

void Works::wake(const std::vector<WorkId>& ids) {
  for (const WorkId id : ids) wake(id);
}

std::optional<WorkId> Works::next_awake() {
  if (awake_.empty()) return std::nullopt;
  return awake_.extract(awake_.begin()).value();
}

void Works::lock(Work& work, const Footprint& footprint) {
  Footprint& locked = invalidation_of(work)->locked;
  for (const TouchedName& name : footprint.names) {
    if (locked_names_[name].insert(work.id).second) locked.names.push_back(name);
  }
  for (const TouchedInode& inode : footprint.inodes) {
    locked_inodes_[inode.inode].insert(work.id);
    locked.inodes.push_back(inode);
  }
}

void Works::unlock(Work& work) {
  Invalidation* invalidation = invalidation_of(work);
  if (invalidation != nullptr) {
    const auto release = [&work](auto& locks, const auto& key) {
      auto found = locks.find(key);
      if (found == locks.end()) return;
      found->second.erase(work.id);
      if (found->second.empty()) locks.erase(found);
    };
    for (const TouchedName& name : invalidation->locked.names) release(locked_names_, name);
    for (const TouchedInode& inode : invalidation->locked.inodes) {
      release(locked_inodes_, inode.inode);
    }
    *invalidation = {};
  }
  wake_end_waiters(work.id);
}

void Works::wake_end_waiters(WorkId pending) {
  const auto [first, last] = end_waiters_.equal_range(pending);
  for (auto waiter = first; waiter != last; ++waiter) wake(waiter->second);
  end_waiters_.erase(first, last);
}

bool Works::has_locked_names(InodeId directory) const {
  auto first = locked_names_.lower_bound(TouchedName{directory, ""});
  return first != locked_names_.end() && first->first.directory == directory;
}

std::vector<WorkId> Works::lockers(InodeId inode) const {
  auto found = locked_inodes_.find(inode);
  if (found == locked_inodes_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

void Works::forget_dropped(SessionId session, const Footprint& footprint, WorkId except) {
  const auto forget = [&](const std::set<WorkId>& works) {
    for (const WorkId id : works) {
      if (id == except) continue;
      Invalidation& invalidation = *invalidation_of(works_.at(id));
      invalidation.dropped.erase(session);
      if (invalidation.awaited.contains(session)) invalidation.outdated.insert(session);
    }
  };
  for (const TouchedName& name : footprint.names) {
    auto found = locked_names_.find(name);
    if (found != locked_names_.end()) forget(found->second);
  }
  for (const TouchedInode& inode : footprint.inodes) {
    auto found = locked_inodes_.find(inode.inode);
    if (found != locked_inodes_.end()) forget(found->second);
  }
}

}  // namespace shoal::tracker
