// SPDX-License-Identifier: MIT
// A copy of a whole content, chunk by chunk in the order of spread.h, while others copy it too.
#include <algorithm>
#include <cstring>
#include <set>

#include "base/hash_tree.h"
#include "peerd/content.h"
#include "peerd/flight.h"
#include "peerd/limits.h"
#include "peerd/spread.h"

namespace shoal::peerd {
namespace {

// Below so many chunks there is nothing to spread.
constexpr std::uint64_t kFewChunks = 4;

std::uint64_t head_of(const PeerId& peer) {
  std::uint64_t head;
  std::memcpy(&head, peer.digest.bytes.data(), sizeof head);
  return head;
}

/// The chunks of which a block is absent. Thread: pool.
std::vector<std::uint64_t> absent_chunks(const cache::Blob& blob, const cache::Shape& shape) {
  std::vector<std::uint64_t> chunks;
  const std::uint64_t per_chunk = base::blocks_per_chunk(shape.chunk_bytes);
  for (const cache::BlockRun& run : blob.missing(0, shape.content.size)) {
    for (std::uint64_t chunk = run.first / per_chunk; chunk * per_chunk < run.first + run.count;
         ++chunk) {
      if (chunks.empty() || chunks.back() != chunk) chunks.push_back(chunk);
    }
  }
  return chunks;
}

}  // namespace

/// One call of fetch_spread().
struct Fetcher::Spreading {
  explicit Spreading(Executor executor) : moved(executor), group(std::move(executor)) {}

  std::shared_ptr<cache::Blob> blob;
  cache::Shape shape;
  std::shared_ptr<ContentEntry> entry;
  Deadline deadline;
  std::vector<std::uint64_t> wanted;  ///< ascending, without those under way
  std::size_t under_way = 0;
  std::size_t own_under_way = 0;  ///< of these from whole holders
  SteadyTime began_at{};
  SteadyTime news_at{};  ///< when there was last something to begin or a chunk came
  SteadyTime look_at{};  ///< when the crowd is asked next
  bool is_looking = false;
  Result<void> outcome;
  base::Signal moved;
  TaskGroup group;
};

Task<Result<void>> Fetcher::fetch_spread(std::shared_ptr<cache::Blob> blob, Deadline deadline) {
  if (group_.is_stopping()) co_return fail(Errc::canceled, "the daemon is stopping");
  const cache::Shape shape = blob->info().shape;
  const std::uint64_t blocks = base::block_count(shape.content.size);
  if (base::chunk_count(shape.content.size, shape.chunk_bytes) < kFewChunks) {
    auto fetched = co_await fetch(std::move(blob), {0, blocks}, cache::Urgency::replica, deadline);
    co_return fetched;
  }
  Spreading work(environment_.executor);
  work.blob = std::move(blob);
  work.shape = shape;
  work.deadline = deadline;
  work.entry = book_.entry(to_ref(shape));
  work.wanted = co_await environment_.pool.run(
      [blob = work.blob, shape] { return absent_chunks(*blob, shape); });
  work.began_at = work.news_at = work.look_at = now();
  // Before there is anything to offer: others who begin now should know whom they share this with.
  if (hooks_.on_stored) hooks_.on_stored(work.blob, work.blob->info().state);
  Result<void> outcome = co_await drive_spread(work);
  co_await work.group.stop();
  co_return outcome;
}

Task<Result<void>> Fetcher::drive_spread(Spreading& work) {
  for (;;) {
    work.moved.reset();
    if (!work.outcome) co_return work.outcome;
    if (work.wanted.empty() && work.under_way == 0) co_return base::ok();
    if (now() >= work.look_at && !work.is_looking) {
      work.is_looking = true;
      work.look_at = now() + kCrowdInterval;
      spawn(work.group, look_around(&work));
    }
    start_chunks(work);
    if (work.deadline.has_passed(environment_.timer.clock())) {
      if (work.under_way == 0) co_return fail(Errc::timed_out, "a copy took too long");
      // The chunks under way end with the same deadline, and say why.
      auto moved = co_await work.moved.wait();
      if (!moved) co_return moved;
      continue;
    }
    const Deadline until = work.deadline.earlier(Deadline{now() + kCrowdInterval});
    auto moved = co_await base::with_deadline(environment_.timer, until, work.moved.wait());
    if (!moved && moved.error().code() != Errc::timed_out) co_return moved;
  }
}

void Fetcher::start_chunks(Spreading& work) {
  if (work.under_way >= kMaxSpreadChunks || work.wanted.empty()) return;
  const SteadyTime moment = now();
  std::vector<CrowdMember> crowd;
  std::uint64_t window = 0;
  for (const ContentEntry::Claim& claim : work.entry->claims) {
    if (claim.complete && claim.online) window += picker_.pace(claim.peer).window();
    const bool is_in_crowd = !claim.complete && claim.online && claim.peer != environment_.self &&
                             !picker_.is_banned(claim.peer, moment);
    if (!is_in_crowd) continue;
    const bool is_growing = moment - claim.grew_at < kCrowdPatience;
    crowd.push_back({head_of(claim.peer), &claim.chunks, is_growing});
  }
  const std::size_t room = kMaxSpreadChunks - work.under_way;
  const std::uint64_t chunks = base::chunk_count(work.shape.content.size, work.shape.chunk_bytes);
  const SpreadPlan plan = plan_spread(work.wanted, crowd, head_of(environment_.self), chunks, room);
  const std::size_t before = work.under_way;
  // From whole holders what their links take, so that what is another's by the time it could be
  // sent was not asked for; and little until it was possible to hear of others who copy the same.
  const bool is_early = moment - work.began_at < kCrowdFresh;
  const std::uint64_t links =
      std::clamp<std::uint64_t>(window / work.shape.chunk_bytes, 2, kMaxSpreadChunks / 2);
  const std::size_t own_limit =
      is_early ? std::min<std::uint64_t>(links, kFirstSpreadChunks) : links;
  for (const std::uint64_t chunk : plan.own) {
    if (work.own_under_way >= own_limit) break;
    begin_chunk(work, chunk, true);
  }
  for (const std::uint64_t chunk : plan.from_crowd) begin_chunk(work, chunk, false);
  if (work.under_way != before) {
    work.news_at = moment;
  } else if (work.under_way == 0 && moment - work.news_at >= kIdlePatience) {
    // Whoever was to fetch these does not: one at a time, since many may think so.
    if (!plan.others.empty()) begin_chunk(work, plan.others.front(), true);
  }
}

void Fetcher::begin_chunk(Spreading& work, std::uint64_t chunk, bool is_own) {
  if (work.under_way >= kMaxSpreadChunks) return;
  ++work.under_way;
  if (is_own) ++work.own_under_way;
  std::erase(work.wanted, chunk);
  spawn(work.group, fetch_chunk(&work, chunk, is_own));
}

/// work waits for the end of this.
Task<void> Fetcher::fetch_chunk(Spreading* work, std::uint64_t chunk, bool is_own) {
  const std::uint64_t per_chunk = base::blocks_per_chunk(work->shape.chunk_bytes);
  const cache::BlockRun run{chunk * per_chunk, per_chunk};
  auto fetched = co_await fetch(work->blob, run, cache::Urgency::replica, work->deadline);
  --work->under_way;
  if (is_own) --work->own_under_way;
  if (fetched) {
    work->news_at = now();
  } else if (work->outcome) {
    work->outcome = std::move(fetched);
  }
  work->moved.set();
}

/// Asks the tracker who copies this too, and those what they have by now.
Task<void> Fetcher::look_around(Spreading* work) {
  const std::shared_ptr<ContentEntry> entry = work->entry;
  const SteadyTime moment = now();
  const Deadline limit = work->deadline.earlier(Deadline{moment + kLocateTime});
  const bool is_early = moment - work->began_at < kCrowdFresh;
  if (moment - entry->asked_at >= (is_early ? Duration(kCrowdInterval) : Duration(kCrowdFresh))) {
    auto asked = co_await book_.ask(entry, limit);
    static_cast<void>(asked.has_value());  // those that are known will do
  }
  const Deadline maps =
      work->deadline.earlier(Deadline::after(environment_.timer.clock(), kCrowdFresh));
  co_await refresh_crowd(entry, maps);
  work->is_looking = false;
  work->moved.set();
}

Task<void> Fetcher::refresh_crowd(std::shared_ptr<ContentEntry> entry, Deadline deadline) {
  const SteadyTime moment = now();
  // Those that were asked longest ago: a large crowd is asked in turn.
  std::vector<ContentEntry::Claim*> partial;
  for (ContentEntry::Claim& claim : entry->claims) {
    const bool is_partial = !claim.complete && claim.online && claim.peer != environment_.self;
    if (is_partial && !picker_.is_banned(claim.peer, moment)) partial.push_back(&claim);
  }
  std::ranges::sort(partial, {}, &ContentEntry::Claim::map_asked_at);
  if (partial.size() > kMaxCrowdAsked) partial.resize(kMaxCrowdAsked);
  std::vector<Task<Result<void>>> questions;
  for (ContentEntry::Claim* claim : partial) {
    claim->map_asked_at = moment;
    questions.push_back(refresh_map(entry, claim->peer, claim->endpoints, deadline));
  }
  if (questions.empty()) co_return;
  // Each question keeps its own failure to itself, so this ends well or is canceled.
  auto ignored = co_await base::all_within(kMaxCrowdAsked, std::move(questions));
  static_cast<void>(ignored.has_value());
}

}  // namespace shoal::peerd
