// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>

#include "base/result.h"
#include "cache/blob_files.h"

namespace shoal::cache {

/// How much of the disk the store takes, and how much it still may. Asks the disk only when what it
/// was told last is used up. Thread: any.
class Space {
 public:
  /// 0: half of the disk; 0: the smaller of 5% of it and 1 GiB. files outlives it.
  static Result<Space> open(BlobFiles& files, std::uint64_t ceiling_bytes,
                            std::uint64_t floor_bytes);
  Space(Space&& other) noexcept;

  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  std::uint64_t ceiling() const { return ceiling_bytes_; }
  /// Counts bytes that were allocated, or given back.
  void add(std::int64_t bytes);
  /// Whether so many bytes more may be stored.
  bool fits(std::uint64_t bytes);
  /// What may still be stored; asks the disk.
  std::uint64_t available();

 private:
  Space(BlobFiles& files, std::uint64_t ceiling_bytes, std::uint64_t floor_bytes)
      : files_(&files), ceiling_bytes_(ceiling_bytes), floor_bytes_(floor_bytes) {}
  std::uint64_t disk_room();

  BlobFiles* files_;
  std::uint64_t ceiling_bytes_;
  std::uint64_t floor_bytes_;
  std::atomic<std::uint64_t> used_{0};
  /// What the disk had over the floor when it was asked last, less what was stored since.
  std::atomic<std::int64_t> known_room_{0};
};

}  // namespace shoal::cache
