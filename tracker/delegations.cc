// SPDX-License-Identifier: MIT
#include "tracker/delegations.h"

#include <algorithm>

#include "base/check.h"

namespace shoal::tracker {

void Delegations::grant(InodeId inode, SessionId holder, bool is_directory) {
  auto [added, is_new] = by_inode_.try_emplace(inode);
  CHECK(is_new, "inode {} is delegated already", inode);
  added->second.holder = holder;
  added->second.is_directory = is_directory;
  added->second.grant = ++last_grant_;
  if (!is_directory) return;
  directories_ += 1;
  directories_of_[holder] += 1;
}

std::vector<WorkId> Delegations::drop(InodeId inode) {
  auto found = by_inode_.extract(inode);
  if (found.empty()) return {};
  Delegation& gone = found.mapped();
  if (gone.is_directory) {
    directories_ -= 1;
    auto count = directories_of_.find(gone.holder);
    if (--count->second == 0) directories_of_.erase(count);
  }
  std::vector<WorkId> waiters = std::move(gone.publish_waiters);
  waiters.insert(waiters.end(), gone.attribute_waiters.begin(), gone.attribute_waiters.end());
  waiters.insert(waiters.end(), gone.later_attribute_waiters.begin(),
                 gone.later_attribute_waiters.end());
  return waiters;
}

std::vector<InodeId> Delegations::held_by(SessionId holder) const {
  std::vector<InodeId> held;
  for (const auto& [inode, delegation] : by_inode_) {
    if (delegation.holder == holder) held.push_back(inode);
  }
  std::sort(held.begin(), held.end());  // the same order in every run
  return held;
}

}  // namespace shoal::tracker
