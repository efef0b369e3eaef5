// SPDX-License-Identifier: MIT
#include "fs/stale_retries.h"

namespace shoal::fs {

void StaleRetries::told(int caller, SteadyTime now) {
  const base::MutexLock lock(mutex_);
  std::erase_if(until_, [now](const auto& each) { return each.second <= now; });
  until_[caller] = now + kTerm;
  count_ = until_.size();
}

void StaleRetries::ended(int caller) {
  if (count_ == 0) return;
  const base::MutexLock lock(mutex_);
  until_.erase(caller);
  count_ = until_.size();
}

bool StaleRetries::is_retrying(int caller, SteadyTime now) const {
  if (count_ == 0) return false;
  const base::MutexLock lock(mutex_);
  const auto found = until_.find(caller);
  return found != until_.end() && found->second > now;
}

}  // namespace shoal::fs
