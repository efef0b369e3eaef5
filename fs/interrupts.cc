// SPDX-License-Identifier: MIT
#include "fs/interrupts.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <string_view>

#include "base/file.h"

namespace shoal::fs {

std::shared_ptr<ReplySlot> Interrupts::add(fuse_req* request, int caller,
                                           std::shared_ptr<base::Signal> interrupted) {
  auto slot = std::make_shared<ReplySlot>();
  slot->request = request;
  slot->caller = caller;
  slot->interrupted = std::move(interrupted);
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

bool is_being_killed(int thread) {
  constexpr std::uint64_t kMaxStatusBytes = 64 * 1024;
  constexpr std::string_view kPending = "\nSigPnd:\t";
  if (thread <= 0) return false;
  const auto status = base::read_whole(fmt::format("/proc/{}/status", thread), kMaxStatusBytes);
  if (!status) return false;
  const std::size_t at = status->find(kPending);
  if (at == std::string::npos) return false;
  const std::uint64_t pending = std::strtoull(status->c_str() + at + kPending.size(), nullptr, 16);
  // Whatever signal ends a process, the kernel sends SIGKILL to each of its threads.
  return (pending >> (SIGKILL - 1) & 1) != 0;
}

}  // namespace shoal::fs
