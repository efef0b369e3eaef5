// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "base/task.h"

namespace shoal::fs {

/// A turn that tasks wait for, first come, first served, and that a worker may take when nobody has
/// it. What base::AsyncMutex is on the loop alone.
class Turn {
 public:
  /// May end on any thread.
  class [[nodiscard]] Guard {
   public:
    Guard() = default;
    Guard(Guard&& other) noexcept = default;
    Guard& operator=(Guard&& other) noexcept {
      std::swap(state_, other.state_);
      return *this;
    }
    ~Guard() {
      if (state_) end(std::move(state_));
    }

   private:
    friend class Turn;
    struct State;
    explicit Guard(std::shared_ptr<State> state) : state_(std::move(state)) {}
    static void end(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
  };

  explicit Turn(Executor executor);
  ~Turn();  // waiters end with canceled
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  /// Errors: canceled. Thread: the loop.
  Task<Result<Guard>> lock();
  /// nullopt: somebody has it. Thread: any.
  std::optional<Guard> try_lock();

 private:
  std::shared_ptr<Guard::State> state_;
};

}  // namespace shoal::fs
