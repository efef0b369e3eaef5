// SPDX-License-Identifier: MIT
// The two records of how a content is cut, the store's and the wire's.
#pragma once

#include <algorithm>

#include "cache/blob.h"
#include "wire/records.h"

namespace shoal::peerd {

inline cache::Shape to_shape(const wire::ContentRef& ref) { return {ref.id, ref.chunk_bytes}; }
inline wire::ContentRef to_ref(const cache::Shape& shape) {
  return {shape.content, shape.chunk_bytes};
}

/// Bytes of the content that a run of its blocks covers; the last block may be short.
inline std::uint64_t bytes_of(const cache::Shape& shape, cache::BlockRun run) {
  const std::uint64_t begin = run.first * kBlockBytes;
  const std::uint64_t end = std::min((run.first + run.count) * kBlockBytes, shape.content.size);
  return end > begin ? end - begin : 0;
}

/// Whether bit `chunk` of a chunk map is set; false beyond its end.
inline bool has_chunk(ByteView map, std::uint64_t chunk) {
  const std::uint64_t index = chunk / 8;
  if (index >= map.size()) return false;
  return (std::to_integer<unsigned>(map[index]) & (0x80u >> (chunk % 8))) != 0;
}
inline void clear_chunk(Bytes& map, std::uint64_t chunk) {
  const std::uint64_t index = chunk / 8;
  if (index >= map.size()) return;
  map[index] &= ~std::byte(0x80u >> (chunk % 8));
}

}  // namespace shoal::peerd
