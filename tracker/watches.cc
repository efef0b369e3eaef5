// SPDX-License-Identifier: MIT
#include "tracker/watches.h"

#include <algorithm>

namespace shoal::tracker {

bool Subscriptions::add(SessionId session, InodeId directory) {
  auto& mine = by_session_[session];
  if (mine.contains(directory)) return true;
  if (mine.size() >= per_session_max_) return false;
  add_unlimited(session, directory);
  return true;
}

void Subscriptions::add_unlimited(SessionId session, InodeId directory) {
  if (!by_session_[session].insert(directory).second) return;
  by_directory_[directory].push_back(session);
}

bool Subscriptions::has(SessionId session, InodeId directory) const {
  auto mine = by_session_.find(session);
  return mine != by_session_.end() && mine->second.contains(directory);
}

void Subscriptions::remove(SessionId session, InodeId directory) {
  auto mine = by_session_.find(session);
  if (mine == by_session_.end() || mine->second.erase(directory) == 0) return;
  if (mine->second.empty()) by_session_.erase(mine);
  auto there = by_directory_.find(directory);
  std::erase(there->second, session);
  if (there->second.empty()) by_directory_.erase(there);
}

void Subscriptions::remove_session(SessionId session) {
  auto mine = by_session_.extract(session);
  if (mine.empty()) return;
  for (const InodeId directory : mine.mapped()) {
    auto there = by_directory_.find(directory);
    std::erase(there->second, session);
    if (there->second.empty()) by_directory_.erase(there);
  }
}

void Subscriptions::remove_directory(InodeId directory) {
  auto there = by_directory_.extract(directory);
  if (there.empty()) return;
  for (const SessionId session : there.mapped()) {
    auto mine = by_session_.find(session);
    mine->second.erase(directory);
    if (mine->second.empty()) by_session_.erase(mine);
  }
}

std::span<const SessionId> Subscriptions::sessions(InodeId directory) const {
  auto there = by_directory_.find(directory);
  if (there == by_directory_.end()) return {};
  return there->second;
}

std::size_t Subscriptions::size(SessionId session) const {
  auto mine = by_session_.find(session);
  return mine == by_session_.end() ? 0 : mine->second.size();
}

bool Watches::is_alone(SessionId session, InodeId directory) const {
  const auto is_other = [session](SessionId other) { return other != session; };
  return std::ranges::none_of(names_.sessions(directory), is_other) &&
         std::ranges::none_of(attributes_.sessions(directory), is_other);
}

bool Watches::leave(SessionId session, InodeId directory) {
  if (asked_.erase({session, directory}) == 0) return false;
  names_.remove(session, directory);
  attributes_.remove(session, directory);
  return true;
}

void Watches::forget_directory(InodeId directory) {
  names_.remove_directory(directory);
  attributes_.remove_directory(directory);
  std::erase_if(asked_, [directory](const auto& asked) { return asked.second == directory; });
}

void Watches::forget_session(SessionId session) {
  names_.remove_session(session);
  attributes_.remove_session(session);
  asked_.erase(asked_.lower_bound({session, InodeId()}),
               asked_.lower_bound({SessionId(session.value() + 1), InodeId()}));
}

bool Watches::anyone_but(SessionId session) const {
  const auto others = [session](const Subscriptions& all) {
    return all.session_count() > (all.size(session) > 0 ? 1U : 0U);
  };
  return others(names_) || others(attributes_);
}

}  // namespace shoal::tracker
