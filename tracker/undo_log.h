// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <vector>

namespace shoal::tracker {

/// What has to be done, backwards, to undo a transaction in memory.
class UndoLog {
 public:
  void add(std::move_only_function<void()> undo) { steps_.push_back(std::move(undo)); }
  void forget() { steps_.clear(); }
  void undo_all() {
    for (; !steps_.empty(); steps_.pop_back()) steps_.back()();
  }

 private:
  std::vector<std::move_only_function<void()>> steps_;
};

}  // namespace shoal::tracker
