// SPDX-License-Identifier: MIT
// Which blob goes first when room is needed. Cached blobs form two queues, each ordered by last
// use: new ones enter `seen once`, and move to `used again` when they are used after others were.
// So a scan over the whole swarm pushes out what earlier scans brought, not what is used every day.
// `Used again` is held to four fifths of the cached bytes; what falls out of it gets another turn
// in `seen once`. Among the coldest blobs a huge one gives parts of itself before small ones go
// whole.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "cache/blob.h"

namespace shoal::cache {

struct EvictionLimits {
  /// Blobs of this size are shortened instead of dropped.
  std::uint64_t huge_bytes = 64 * 1024 * 1024;
  /// How many of the coldest blobs are looked at for a huge one.
  std::size_t window = 32;
  /// A use counts as another one when so many uses of other blobs lie between: an open, its reads
  /// and the requests of peers that come together are one.
  std::uint64_t correlated_uses = 32;
};

/// Pure. Thread: its owner's.
class Eviction {
 public:
  explicit Eviction(EvictionLimits limits = {}) : limits_(limits) {}

  /// Adds a blob as the most recently used, or changes what is known of it. Pinned ones are never
  /// chosen.
  void put(InodeId inode, std::uint64_t bytes, Role role);
  void use(InodeId inode);
  void erase(InodeId inode);

  struct Victim {
    InodeId inode;
    /// Punch so many bytes out of it; 0: drop it whole.
    std::uint64_t punch_bytes = 0;
  };
  /// The cached blob to take `wanted` bytes from; nullopt when all are in use.
  std::optional<Victim> choose(std::uint64_t wanted,
                               const std::function<bool(InodeId)>& in_use) const;
  /// Replicas, then origins, coldest first, until their bytes reach `wanted`: others must agree.
  std::vector<InodeId> ask(std::uint64_t wanted, std::size_t count_max) const;
  /// Orders blobs by their last use.
  std::uint64_t last_use(InodeId inode) const;

 private:
  enum Queue : std::uint8_t { seen_once, used_again, replicas, origins, pinned, kQueues };
  struct Node {
    InodeId colder;  // 0: none
    InodeId warmer;
    std::uint64_t bytes = 0;
    std::uint64_t used = 0;
    Queue queue = seen_once;
  };
  struct Ends {
    InodeId coldest;
    InodeId warmest;
    std::uint64_t bytes = 0;
  };

  void link(InodeId inode, Node& node, Queue queue);
  void unlink(Node& node);
  void limit_used_again();

  const EvictionLimits limits_;
  std::unordered_map<InodeId, Node> nodes_;
  Ends ends_[kQueues];
  std::uint64_t now_ = 0;  // counts uses
  InodeId last_used_;
};

}  // namespace shoal::cache
