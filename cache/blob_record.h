// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "cache/blob.h"

namespace shoal::cache {

/// Up to this many blocks (one default chunk) a blob's presence bits and leaves live in its index
/// row; larger ones have files beside the data.
inline constexpr std::uint64_t kSmallBlocks = 64;

/// What the store knows of a blob without looking into its files.
struct BlobRecord {
  InodeId inode = {};
  BlobState state = BlobState::partial;
  Role role = Role::cached;
  /// No block is absent. Always true of sealed, mostly of working blobs.
  bool is_whole = false;
  Shape shape = {};        ///< working: what it was when it was opened for change
  Shape base = {};         ///< working or unpublished: the published content it came from
  std::uint64_t size = 0;  ///< of the file; working: as last heard of
  std::uint64_t allocated_bytes = 0;
  std::uint64_t blocks_present = 0;
  std::uint64_t small_bits = 0;  ///< presence of a small partial blob's blocks, bit 0 the first
};

/// State of a block in a map file: a byte a block.
enum class BlockMark : std::uint8_t {
  absent = 0,
  fetched = 1,  ///< verified bytes of the content in `shape`
  written = 2,  ///< bytes that were written here
};

/// How safe an index row has to be before the call that changed it returns.
enum class Persist {
  queued,     ///< written within a moment by the background
  committed,  ///< survives the daemon
  durable,    ///< survives a power cut
};

inline std::uint32_t block_bytes(std::uint64_t size, std::uint64_t block) {
  const std::uint64_t left = size - block * kBlockBytes;
  return static_cast<std::uint32_t>(left < kBlockBytes ? left : kBlockBytes);
}

/// Sealed here, and nobody else may have heard of it yet.
inline bool is_unpublished(const BlobRecord& record) {
  return record.state == BlobState::sealed && record.role == Role::origin;
}

inline BlobInfo info_of(const BlobRecord& record) {
  return BlobInfo{
      .inode = record.inode,
      .state = record.state,
      .role = record.role,
      .shape = record.state == BlobState::working ? record.base : record.shape,
      .size = record.size,
      .allocated_bytes = record.allocated_bytes,
      .blocks_present = record.is_whole ? base::block_count(record.size) : record.blocks_present};
}

}  // namespace shoal::cache
