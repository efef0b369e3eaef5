// SPDX-License-Identifier: MIT
#include "peerd/evictor.h"

#include <algorithm>
#include <unordered_set>

#include "base/config.h"
#include "base/log.h"
#include "base/metrics.h"
#include "peerd/content.h"
#include "peerd/drop.h"
#include "peerd/limits.h"
#include "wire/limits.h"

namespace shoal::peerd {
std::uint64_t bytes_to_keep_free(const cache::StoreUsage& usage) {
  return std::min<std::uint64_t>(kKeepFreeBytes, usage.ceiling_bytes / kKeepFreePart);
}

Evictor::Evictor(Executor executor, Timer& timer, Pool& pool, cache::BlobStore& store,
                 Announcer& announcer, Tracker& tracker)
    : timer_(timer),
      pool_(pool),
      store_(store),
      announcer_(announcer),
      tracker_(tracker),
      turn_(executor),
      group_(executor) {
  spawn(group_, run());
}

Evictor::~Evictor() = default;

Task<void> Evictor::run() {
  SteadyTime next_eviction = timer_.clock().steady();
  for (;;) {
    auto waited = co_await timer_.wait_for(kEvictInterval);
    if (!waited) co_return;
    co_await tell_departed();
    if (timer_.clock().steady() < next_eviction) continue;
    auto turn = co_await turn_.lock();
    if (!turn) co_return;
    const cache::StoreUsage before =
        co_await pool_.run([&store = store_] { return store.usage(); });
    const std::uint64_t wanted = bytes_to_keep_free(before);
    // Also when there is room: the store tells here what it has shortened by itself.
    auto evicted = co_await evict(wanted);
    if (!evicted && evicted.error().code() == Errc::canceled) co_return;
    if (!evicted) base::log_debug("{}", evicted.error().message());
    const cache::StoreUsage after = co_await pool_.run([&store = store_] { return store.usage(); });
    // Nothing but what is needed: there is no use in asking every few seconds.
    const bool is_fine = after.available_bytes >= wanted;
    next_eviction = timer_.clock().steady() + (is_fine ? Duration::zero() : kFullStoreInterval);
  }
}

Task<void> Evictor::tell_departed() {
  auto departed = co_await pool_.run([&store = store_] { return store.take_departed(); });
  for (const cache::Shape& shape : departed) announcer_.dropped(to_ref(shape));
}

Task<Result<void>> Evictor::make_room(std::uint64_t bytes) {
  auto turn = co_await turn_.lock();
  if (!turn) co_return pass(turn);
  cache::StoreUsage usage = co_await pool_.run([&store = store_] { return store.usage(); });
  if (usage.available_bytes >= bytes) co_return base::ok();
  // Some more than asked for: the next one does not have to wait then.
  auto evicted = co_await evict(bytes + bytes_to_keep_free(usage));
  if (!evicted) co_return evicted;
  usage = co_await pool_.run([&store = store_] { return store.usage(); });
  if (usage.available_bytes >= bytes) co_return base::ok();
  static base::Counter& failures = base::counter("shoal_store_full_total");
  failures.add();
  co_return fail(Errc::no_space, "the store is full: {} in {} blobs, {} available",
                 base::format_bytes(usage.bytes), usage.blobs,
                 base::format_bytes(usage.available_bytes));
}

/// Drops what is only cached, then what the tracker agrees to, until that many bytes are available.
/// Refused copies stay at the head of the store's list, so it is asked for so much more.
Task<Result<void>> Evictor::evict(std::uint64_t bytes) {
  static base::Counter& evicted_blobs = base::counter("shoal_blobs_evicted_total");
  std::unordered_set<InodeId> asked;
  std::uint64_t refused_bytes = 0;
  for (;;) {
    const std::uint64_t wanted = bytes + refused_bytes;
    auto evicted = co_await pool_.run([&store = store_, wanted] { return store.evict(wanted); });
    if (!evicted) co_return pass(evicted);
    evicted_blobs.add(evicted->dropped.size());
    for (const cache::BlobInfo& blob : evicted->punched) announcer_.shortened(to_ref(blob.shape));
    co_await tell_departed();
    std::erase_if(evicted->ask, [&asked](const cache::BlobInfo& blob) {
      return !asked.insert(blob.inode).second;
    });
    if (evicted->ask.empty()) co_return base::ok();
    for (const cache::BlobInfo& blob : evicted->ask) refused_bytes += blob.allocated_bytes;
    auto candidates = co_await without_unpublished(std::move(evicted->ask));
    if (!candidates) co_return pass(candidates);
    auto dropped_bytes = co_await drop_with_consent(std::move(*candidates));
    if (!dropped_bytes) co_return pass(dropped_bytes);
    refused_bytes -= std::min(refused_bytes, *dropped_bytes);
  }
}

/// Without those origins that the tracker does not know: they may be waiting to be published, and
/// it would let us drop them as something that nobody wants.
Task<Result<std::vector<cache::BlobInfo>>> Evictor::without_unpublished(
    std::vector<cache::BlobInfo> blobs) {
  std::vector<wire::ContentRef> contents;
  for (const cache::BlobInfo& blob : blobs) {
    if (blob.role == cache::Role::origin) contents.push_back(to_ref(blob.shape));
  }
  std::unordered_set<ContentId> known;
  for (std::size_t next = 0; next < contents.size(); next += kMaxLocateBatch) {
    const std::size_t end = std::min(contents.size(), next + kMaxLocateBatch);
    std::vector<wire::ContentRef> page(contents.begin() + static_cast<std::ptrdiff_t>(next),
                                       contents.begin() + static_cast<std::ptrdiff_t>(end));
    const Deadline deadline = Deadline::after(timer_.clock(), wire::kCallTime);
    auto located = co_await tracker_.locate(std::move(page), deadline);
    if (!located) co_return pass(located);
    for (const wire::Located& one : *located) known.insert(one.content.id);
  }
  std::erase_if(blobs, [&known](const cache::BlobInfo& blob) {
    return blob.role == cache::Role::origin && !known.contains(blob.shape.content);
  });
  co_return blobs;
}

/// Replicas and origins: the tracker counts a yes as dropped, so a blob that stays after all is
/// announced again. The bytes that were dropped.
Task<Result<std::uint64_t>> Evictor::drop_with_consent(std::vector<cache::BlobInfo> blobs) {
  std::uint64_t dropped_bytes = 0;
  for (std::size_t next = 0; next < blobs.size();) {
    const std::size_t count = std::min(blobs.size() - next, kMaxAnnounceBatch);
    std::vector<wire::ContentRef> contents;
    for (std::size_t i = 0; i < count; ++i) contents.push_back(to_ref(blobs[next + i].shape));
    const Deadline deadline = Deadline::after(timer_.clock(), wire::kCallTime);
    auto answers = co_await tracker_.may_drop(std::move(contents), deadline);
    if (!answers) co_return std::unexpected(answers.error().with("asking what may be dropped"));
    for (std::size_t i = 0; i < count; ++i) {
      if (!(*answers)[i]) continue;
      const cache::BlobInfo info = blobs[next + i];
      const Dropped dropped = co_await pool_.run(
          [&store = store_, info] { return drop_blob(store, info.inode, info.shape.content); });
      if (dropped == Dropped::kept) announcer_.complete(to_ref(info.shape));
      if (dropped == Dropped::gone) dropped_bytes += info.allocated_bytes;
    }
    next += count;
  }
  co_return dropped_bytes;
}

}  // namespace shoal::peerd
