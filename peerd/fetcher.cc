// SPDX-License-Identifier: MIT
// The callers' side of the fetcher: what a call lacks, which flights it starts or joins. The
// flights themselves are in flight.cc.
#include "peerd/fetcher.h"

#include <algorithm>
#include <cstring>

#include "base/hash_tree.h"
#include "peerd/content.h"
#include "peerd/flight.h"
#include "peerd/limits.h"

namespace shoal::peerd {
namespace {

std::uint64_t head_of(const PeerId& peer) {
  std::uint64_t head;
  std::memcpy(&head, peer.digest.bytes.data(), sizeof head);
  return head;
}

cache::BlockRun overlap(cache::BlockRun a, cache::BlockRun b) {
  const std::uint64_t first = std::max(a.first, b.first);
  const std::uint64_t end = std::min(a.first + a.count, b.first + b.count);
  return {first, end > first ? end - first : 0};
}

/// The parts of run that none of `taken` covers.
std::vector<cache::BlockRun> without(cache::BlockRun run,
                                     const std::vector<cache::BlockRun>& taken) {
  std::vector<cache::BlockRun> left{run};
  for (const cache::BlockRun& hole : taken) {
    std::vector<cache::BlockRun> next;
    for (const cache::BlockRun& part : left) {
      const cache::BlockRun common = overlap(part, hole);
      if (common.count == 0) {
        next.push_back(part);
        continue;
      }
      const std::uint64_t before = common.first - part.first;
      const std::uint64_t behind = part.count - before - common.count;
      if (before > 0) next.push_back({part.first, before});
      if (behind > 0) next.push_back({common.first + common.count, behind});
    }
    left = std::move(next);
  }
  return left;
}

}  // namespace

Fetcher::Fetcher(Environment environment, Hooks hooks)
    : environment_(environment),
      hooks_(std::move(hooks)),
      book_(environment.executor, environment.timer, environment.pool, environment.tracker),
      picker_(head_of(environment.self)),
      hedges_(kHedgePart, kMaxHedgeBytes),
      admission_({kMaxFetchBytes, kMaxReadaheadBytes, kMaxReplicaBytes}),
      throttle_(environment.executor, environment.timer, environment.bytes_per_second),
      slot_freed_(environment.executor),
      received_("shoal_chunk_received_bytes_total", environment.members),
      lies_("shoal_chunk_lies_total", environment.members),
      group_(environment.executor) {}

Fetcher::~Fetcher() = default;

Task<void> Fetcher::stop() {
  co_await group_.stop();
  co_await book_.stop();
}

Task<Result<void>> Fetcher::fetch(std::shared_ptr<cache::Blob> blob, cache::BlockRun run,
                                  cache::Urgency urgency, Deadline deadline) {
  if (group_.is_stopping()) co_return fail(Errc::canceled, "the daemon is stopping");
  Call call;
  call.shape = blob->info().shape;
  call.blob = std::move(blob);
  call.next = run.first;
  const std::uint64_t blocks = base::block_count(call.shape.content.size);
  call.end = run.count > blocks || run.first > blocks - run.count ? blocks : run.first + run.count;
  call.urgency = urgency;
  call.deadline = deadline;
  call.entry = book_.entry(to_ref(call.shape));
  call.moved = std::make_shared<base::Signal>(environment_.executor);
  Result<void> outcome = co_await drive(call);
  for (const FlightPtr& flight : call.flights) {
    std::erase(flight->listeners, call.moved);
    leave(flight);
  }
  co_return outcome;
}

Task<Result<std::vector<Digest>>> Fetcher::layer(cache::Shape shape, Deadline deadline) {
  if (shape.content.size <= shape.chunk_bytes) co_return std::vector<Digest>();
  const std::shared_ptr<ContentEntry> entry = book_.entry(to_ref(shape));
  auto layer = co_await layer_of(nullptr, entry, deadline);
  if (!layer) co_return pass(layer);
  co_return std::vector<Digest>(**layer);
}

/// Null for contents of one chunk. blob may be null.
Task<Result<SharedLayer>> Fetcher::layer_of(std::shared_ptr<cache::Blob> blob,
                                            std::shared_ptr<ContentEntry> entry,
                                            Deadline deadline) {
  if (!entry->needs_layer()) co_return entry->layer;
  if (blob) {
    auto known = co_await environment_.pool.run([blob] { return blob->layer(); });
    if (known && blob->info().shape == to_shape(entry->content)) {
      auto shared = std::make_shared<const std::vector<Digest>>(std::move(*known));
      book_.keep_layer(*entry, std::move(shared));
      co_return entry->layer;
    }
  }
  for (;;) {
    auto asked = co_await book_.ask(entry, deadline);
    if (!entry->needs_layer()) co_return entry->layer;
    if (asked && entry->is_unknown) {
      co_return fail(Errc::stale, "the tracker no longer knows content {}",
                     entry->content.id.root.hex().substr(0, 16));
    }
    if (deadline.has_passed(environment_.timer.clock()) && !asked) co_return pass(asked);
    const SteadyTime retry_at = std::max(entry->next_ask, now());
    if (retry_at >= deadline.at) {
      if (!asked) co_return pass(asked);
      co_return fail(Errc::timed_out, "waiting for a piece layer");
    }
    auto waited = co_await environment_.timer.wait_until(retry_at);
    if (!waited) co_return pass(waited);
  }
}

Task<Result<void>> Fetcher::drive(Call& call) {
  auto layer = co_await layer_of(call.blob, call.entry, call.deadline);
  if (!layer) co_return pass(layer);
  for (;;) {
    call.moved->reset();
    Result<void> reaped = reap(call);
    if (!reaped) co_return reaped;
    if (call.next >= call.end && call.flights.empty()) co_return base::ok();
    if (call.next < call.end && call.flights.size() <= kMaxFlightsPerCall / 2) {
      const std::size_t limit = kMaxFlightsPerCall - call.flights.size();
      auto look = [blob = call.blob, &store = environment_.store, shape = call.shape,
                   layer = *layer, next = call.next, end = call.end,
                   limit] { return plan_fetch(blob, store, shape, layer, next, end, limit); };
      auto plan = co_await environment_.pool.run(std::move(look));
      if (!plan) co_return pass(plan);
      if (plan->has_filled && plan->is_kept && hooks_.on_stored) {
        hooks_.on_stored(call.blob, call.blob->info().state);
      }
      call.next = plan->next;
      if (group_.is_stopping()) co_return fail(Errc::canceled, "the daemon is stopping");
      take_off(call, *plan);
      continue;
    }
    auto moved =
        co_await base::with_deadline(environment_.timer, call.deadline, call.moved->wait());
    if (moved) continue;
    if (moved.error().code() != Errc::timed_out) co_return pass(moved);
    Result<void> last = reap(call);
    if (!last) co_return last;
    if (call.flights.empty()) continue;
    co_return std::unexpected(late_error(call));
  }
}

/// Takes ended flights out of the call; the first error among them is the call's.
Result<void> Fetcher::reap(Call& call) {
  Result<void> outcome;
  std::erase_if(call.flights, [&](const FlightPtr& flight) {
    if (!flight->is_done) return false;
    if (!flight->outcome && outcome) outcome = flight->outcome;
    std::erase(flight->listeners, call.moved);
    leave(flight);
    return true;
  });
  return outcome;
}

Error Fetcher::late_error(const Call& call) const {
  for (const FlightPtr& flight : call.flights) {
    if (!flight->trouble) continue;
    const bool is_nobody = flight->trouble->code() == Errc::unreachable;
    return {is_nobody ? Errc::unreachable : Errc::timed_out, flight->trouble->context()};
  }
  return {Errc::timed_out, "fetching blocks took too long"};
}

void Fetcher::take_off(Call& call, const Plan& plan) {
  for (const Wanted& wanted : plan.wanted) {
    std::vector<cache::BlockRun> taken;
    std::vector<FlightPtr>& others = flights_[call.blob.get()];
    for (const FlightPtr& other : others) {
      if (other->is_done || other->shape != call.shape) continue;
      if (overlap(other->wanted.run, wanted.run).count == 0) continue;
      taken.push_back(other->wanted.run);
      join(call, other);
    }
    for (const cache::BlockRun& run : without(wanted.run, taken)) {
      auto flight = std::make_shared<Flight>(environment_.executor);
      flight->blob = call.blob;
      flight->shape = call.shape;
      flight->entry = call.entry;
      flight->wanted = {run, wanted.leaves};
      flight->twin = plan.twin;
      flight->is_kept = plan.is_kept;
      flight->ticket = next_ticket_++;
      others.push_back(flight);
      ++flight_count_;
      join(call, flight);
      spawn(group_, fly(flight));
    }
    if (others.empty()) flights_.erase(call.blob.get());
  }
}

void Fetcher::join(Call& call, const FlightPtr& flight) {
  if (std::ranges::find(call.flights, flight) != call.flights.end()) return;
  call.flights.push_back(flight);
  ++flight->callers;
  flight->listeners.push_back(call.moved);
  if (flight->deadline.at < call.deadline.at) flight->deadline = call.deadline;
  if (call.urgency < flight->urgency) {
    flight->urgency = call.urgency;
    admission_.promote(flight->ticket, call.urgency);
    let_others_in();
  }
  flight->wake.set();
}

void Fetcher::leave(const FlightPtr& flight) {
  --flight->callers;
  if (flight->callers == 0) flight->wake.set();  // it ends at its next wait
}

}  // namespace shoal::peerd
