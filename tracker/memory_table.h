// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <map>
#include <utility>

#include "tracker/undo_log.h"

namespace shoal::tracker {

/// An ordered map whose changes can be undone. The log and the table live equally long.
template <class Key, class Value, class Less = std::less<Key>>
class MemoryTable {
 public:
  using Map = std::map<Key, Value, Less>;

  explicit MemoryTable(UndoLog& log) : log_(log) {}

  const Map& rows() const { return rows_; }
  template <class K>
  const Value* find(const K& key) const {
    auto found = rows_.find(key);
    return found == rows_.end() ? nullptr : &found->second;
  }
  void put(const Key& key, Value value) {
    auto found = rows_.find(key);
    if (found == rows_.end()) {
      rows_.emplace(key, std::move(value));
      log_.add([this, key] { rows_.erase(key); });
      return;
    }
    log_.add([this, key, old = std::exchange(found->second, std::move(value))]() mutable {
      rows_.at(key) = std::move(old);
    });
  }
  template <class K>
  void erase(const K& key) {
    auto found = rows_.find(key);
    if (found == rows_.end()) return;
    log_.add([this, taken = rows_.extract(found)]() mutable { rows_.insert(std::move(taken)); });
  }

 private:
  UndoLog& log_;
  Map rows_;
};

}  // namespace shoal::tracker
