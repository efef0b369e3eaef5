// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <functional>
#include <mutex>
#include <thread>

namespace shoal::fs {

/// Orders replies that the kernel may keep against events that make them stale: a reply is looked
/// up and sent while its thread is inside, an event forgets while nobody is. Afterwards the event
/// clears the kernel, which by then has got every reply that went out before.
/// The lock is held for the look-up and the system call of one reply, never across a wait. A mutex
/// for each of a few groups of threads lets replies go in parallel. Thread: any.
class ReplyGate {
 public:
  using Pass = std::unique_lock<std::mutex>;

  [[nodiscard]] Pass enter() {
    const std::size_t hash = std::hash<std::thread::id>{}(std::this_thread::get_id());
    return Pass(lanes_[(hash >> 8) % kLanes].mutex);
  }

  /// Runs work while nobody is inside.
  template <class Work>
  void exclusively(Work work) {
    std::array<Pass, kLanes> passes;
    for (std::size_t i = 0; i < kLanes; ++i) passes[i] = Pass(lanes_[i].mutex);
    work();
  }

 private:
  static constexpr std::size_t kLanes = 8;
  struct alignas(64) Lane {
    std::mutex mutex;
  };
  std::array<Lane, kLanes> lanes_;
};

}  // namespace shoal::fs
