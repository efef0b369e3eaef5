// SPDX-License-Identifier: MIT
#include "tracker/delegations.h"

#include <algorithm>

namespace shoal::tracker {

std::vector<WorkId> Delegations::drop(InodeId inode) {
  auto found = by_inode_.extract(inode);
  if (found.empty()) return {};
  Delegation& gone = found.mapped();
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
