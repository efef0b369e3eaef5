// SPDX-License-Identifier: MIT
#include "cache/descriptor_cache.h"

namespace shoal::cache {

DescriptorCache::Opened DescriptorCache::find(Key key) {
  base::MutexLock lock(mutex_);
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) return nullptr;
  order_.splice(order_.begin(), order_, entry->second.place);
  return entry->second.fd;
}

DescriptorCache::Opened DescriptorCache::insert(Key key, base::Fd fd) {
  auto opened = std::make_shared<const base::Fd>(std::move(fd));
  Opened closed;  // closing may block: not under the mutex
  base::MutexLock lock(mutex_);
  const auto [entry, is_new] = entries_.try_emplace(key);
  if (!is_new) {
    closed = std::move(opened);
    return entry->second.fd;
  }
  order_.push_front(key);
  entry->second = Entry{opened, order_.begin()};
  if (entries_.size() > limit_) {
    const auto oldest = entries_.find(order_.back());
    closed = std::move(oldest->second.fd);
    entries_.erase(oldest);
    order_.pop_back();
  }
  return opened;
}

void DescriptorCache::forget(Key key) {
  Opened closed;
  base::MutexLock lock(mutex_);
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) return;
  closed = std::move(entry->second.fd);
  order_.erase(entry->second.place);
  entries_.erase(entry);
}

std::size_t DescriptorCache::size() const {
  base::MutexLock lock(mutex_);
  return entries_.size();
}

}  // namespace shoal::cache
