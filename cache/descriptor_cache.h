// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/file.h"
#include "base/mutex.h"
#include "base/result.h"

namespace shoal::cache {

/// Descriptors that a store keeps open at most; more are open only while calls use them. Well under
/// the common limit of 1024 a process, which sockets and the mount share.
inline constexpr std::size_t kOpenFilesMax = 384;

/// Open descriptors by what names the file, least recently used closed first. A descriptor
/// that was handed out stays open until the last user lets go. Thread: any.
class DescriptorCache {
 public:
  struct Key {
    std::uint64_t inode = 0;
    std::uint8_t kind = 0;
    bool operator==(const Key&) const = default;
  };
  using Opened = std::shared_ptr<const base::Fd>;

  explicit DescriptorCache(std::size_t limit = kOpenFilesMax) : limit_(limit) {}

  /// The open descriptor; calls open() without one. Two threads may open at once: one copy wins.
  template <class Open>
  Result<Opened> get(Key key, Open open) {
    if (Opened found = find(key)) return found;
    Result<base::Fd> fd = open();
    if (!fd) return pass(fd);
    return insert(key, std::move(*fd));
  }
  /// Nullptr when it is not open.
  Opened find(Key key);
  /// Keeps the earlier descriptor if there is one.
  Opened insert(Key key, base::Fd fd);
  void forget(Key key);
  std::size_t size() const;

 private:
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept { return key.inode * 4 + key.kind; }
  };
  struct Entry {
    Opened fd;
    std::list<Key>::iterator place;
  };

  const std::size_t limit_;
  mutable base::Mutex mutex_;
  std::list<Key> order_ GUARDED_BY(mutex_);  // most recent first
  std::unordered_map<Key, Entry, KeyHash> entries_ GUARDED_BY(mutex_);
};

}  // namespace shoal::cache
