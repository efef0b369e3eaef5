// SPDX-License-Identifier: MIT
#include "fs/interrupts.h"

namespace shoal::fs {

std::shared_ptr<ReplySlot> Interrupts::add(fuse_req* request) {
  auto slot = std::make_shared<ReplySlot>();
  slot->request = request;
  const base::MutexLock lock(mutex_);
  slot->number = ++last_;
  slots_.emplace(slot->number, slot);
  return slot;
}

void Interrupts::remove(std::uint64_t number) {
  const base::MutexLock lock(mutex_);
  slots_.erase(number);
}

std::shared_ptr<ReplySlot> Interrupts::find(std::uint64_t number) const {
  const base::MutexLock lock(mutex_);
  const auto found = slots_.find(number);
  return found == slots_.end() ? nullptr : found->second;
}

std::size_t Interrupts::size() const {
  const base::MutexLock lock(mutex_);
  return slots_.size();
}

}  // namespace shoal::fs
