// SPDX-License-Identifier: MIT
#include "cache/space.h"

#include <algorithm>

namespace shoal::cache {
namespace {

/// The disk is asked again after so many bytes: others fill it too.
constexpr std::uint64_t kTrustBytes = 32 * 1024 * 1024;
constexpr std::uint64_t kFloorMaxBytes = std::uint64_t{1} << 30;

}  // namespace

Result<Space> Space::open(BlobFiles& files, std::uint64_t ceiling_bytes,
                          std::uint64_t floor_bytes) {
  auto disk = files.space();
  if (!disk) return pass(disk);
  if (ceiling_bytes == 0) ceiling_bytes = disk->total_bytes / 2;
  if (floor_bytes == 0) floor_bytes = std::min(disk->total_bytes / 20, kFloorMaxBytes);
  return Space(files, ceiling_bytes, floor_bytes);
}

Space::Space(Space&& other) noexcept
    : files_(other.files_),
      ceiling_bytes_(other.ceiling_bytes_),
      floor_bytes_(other.floor_bytes_),
      used_(other.used_.load()) {}

void Space::add(std::int64_t bytes) {
  used_.fetch_add(static_cast<std::uint64_t>(bytes), std::memory_order_relaxed);
  known_room_.fetch_sub(bytes, std::memory_order_relaxed);
}

std::uint64_t Space::disk_room() {
  auto disk = files_->space();
  // A disk that does not answer will say so when it is written to.
  if (!disk) return ceiling_bytes_;
  return disk->free_bytes > floor_bytes_ ? disk->free_bytes - floor_bytes_ : 0;
}

bool Space::fits(std::uint64_t bytes) {
  const std::uint64_t used_now = used();
  if (used_now > ceiling_bytes_ || bytes > ceiling_bytes_ - used_now) return false;
  const std::int64_t known = known_room_.load(std::memory_order_relaxed);
  if (known > 0 && bytes <= static_cast<std::uint64_t>(known)) return true;
  const std::uint64_t room = disk_room();
  known_room_.store(static_cast<std::int64_t>(std::min(room, kTrustBytes)),
                    std::memory_order_relaxed);
  return bytes <= room;
}

std::uint64_t Space::available() {
  const std::uint64_t used_now = used();
  if (used_now >= ceiling_bytes_) return 0;
  return std::min(ceiling_bytes_ - used_now, disk_room());
}

}  // namespace shoal::cache
