// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "base/check.h"
#include "cache/blob_store.h"
#include "tests/support/temp_folder.h"

namespace shoal::cache {

inline Bytes test_swarm() { return Bytes(32, std::byte{7}); }

/// What the contract suite runs on: a store of its kind with a ceiling.
struct MemoryKind {
  std::unique_ptr<BlobStore> open(std::uint64_t ceiling_bytes) {
    return make_memory_store(ceiling_bytes);
  }
};

struct DiskKind {
  test::TempFolder folder;
  std::unique_ptr<BlobStore> open(std::uint64_t ceiling_bytes) {
    auto store = open_disk_store({.path = folder / "store",
                                  .swarm = test_swarm(),
                                  .ceiling_bytes = ceiling_bytes,
                                  .free_floor_bytes = 1});
    CHECK(store, "{}", store.error().message());
    return std::move(*store);
  }
};

}  // namespace shoal::cache
