// SPDX-License-Identifier: MIT
#include "fs/read_aside.h"

#include "base/log.h"
#include "base/metrics.h"

namespace shoal::fs {
namespace {

/// Room for one read and the chunks around it.
constexpr std::uint64_t kAsideBytes = 64 * 1024 * 1024;
/// After this, storing is tried again.
constexpr std::chrono::seconds kFullTime{1};

}  // namespace

bool is_store_full(const Core& core) {
  return core.clock().steady() < SteadyTime(Duration(core.store_full_until.load()));
}

void note_full_store(Core& core) {
  const SteadyTime now = core.clock().steady();
  const SteadyTime before(Duration(core.store_full_until.load()));
  if (before + kFullTime < now) {
    base::log_warning(
        "the store is full, what is read is not kept: raise cache.ceiling, or free "
        "space on its disk");
  }
  core.store_full_until = (now + kFullTime).time_since_epoch().count();
}

Task<Result<std::size_t>> read_aside(Core* core, std::shared_ptr<cache::Blob> blob,
                                     std::uint64_t offset, MutableByteView out, Deadline deadline) {
  static base::Counter& reads = base::counter("shoal_reads_aside_total");
  reads.add();
  const cache::BlobInfo info = blob->info();
  const std::unique_ptr<cache::BlobStore> store = cache::make_memory_store(kAsideBytes);
  auto aside = store->obtain(info.inode, info.shape, {}, cache::Role::cached);
  if (!aside) co_return pass(std::move(aside));
  // The source finds what the blob has by the content, and does not fetch it.
  for (const cache::BlockRun run : (*aside)->missing(offset, out.size())) {
    Result<void> fetched =
        co_await core->env.source.fetch(*aside, run, cache::Urgency::reader, deadline);
    if (!fetched) co_return pass(std::move(fetched));
  }
  auto got = (*aside)->read_at(offset, out);
  co_return got;
}

}  // namespace shoal::fs
