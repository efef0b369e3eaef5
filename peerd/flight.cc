// SPDX-License-Identifier: MIT
#include "peerd/flight.h"

#include <algorithm>

#include "base/hash_tree.h"
#include "base/log.h"
#include "base/metrics.h"
#include "peerd/content.h"
#include "peerd/limits.h"

namespace shoal::peerd {
namespace {

// How often a partial holder is asked for its map, and how long that may take.
constexpr std::chrono::milliseconds kMapInterval{500};
constexpr std::chrono::seconds kMapTime{2};
constexpr std::size_t kMapsAtOnce = 8;

std::string short_root(const cache::Shape& shape) { return shape.content.root.hex().substr(0, 16); }

bool may_serve(const ContentEntry::Claim& claim, std::uint64_t chunk, SteadyTime now) {
  if (now < claim.denied_until) return false;
  return claim.complete || has_chunk(claim.chunks, chunk);
}

}  // namespace

std::uint64_t Fetcher::Flight::bytes() const { return bytes_of(shape, wanted.run); }

std::uint64_t Fetcher::Flight::chunk() const {
  return wanted.run.first / base::blocks_per_chunk(shape.chunk_bytes);
}

Task<void> Fetcher::fly(FlightPtr flight) {
  Result<void> outcome = co_await carry_out(flight);
  flight->outcome = std::move(outcome);
  flight->is_done = true;
  const auto found = flights_.find(flight->blob.get());
  std::erase(found->second, flight);
  if (found->second.empty()) flights_.erase(found);
  --flight_count_;
  for (const std::shared_ptr<base::Signal>& listener : flight->listeners) listener->set();
}

Task<Result<void>> Fetcher::carry_out(FlightPtr flight) {
  if (flight->twin) {
    auto copy = [blob = flight->blob, twin = flight->twin, shape = flight->shape,
                 layer = flight->entry->layer, run = flight->wanted.run] {
      return copy_from_twin(blob, twin, shape, layer, run);
    };
    auto stored = co_await environment_.pool.run(std::move(copy));
    flight->twin.reset();
    if (stored) {
      static base::Counter& copied = base::counter("shoal_twin_copied_bytes_total");
      copied.add(stored->bytes);
      if (flight->is_kept && hooks_.on_stored) hooks_.on_stored(flight->blob, stored->state);
      co_return base::ok();
    }
    if (stored.error().code() == Errc::stale) co_return pass(stored);
  }
  auto admitted = co_await admit(flight);
  if (!admitted) co_return admitted;
  Result<void> outcome;
  if (!throttle_.is_unlimited()) {
    outcome = co_await base::with_deadline(
        environment_.timer, flight->deadline,
        throttle_.pass(flight->bytes(), static_cast<int>(flight->urgency)));
  }
  if (outcome) outcome = co_await seek_holders(flight);
  admission_.leave(flight->bytes());
  let_others_in();
  co_return outcome;
}

void Fetcher::let_others_in() {
  for (const Admission::Ticket ticket : admission_.let_in()) {
    const auto node = waiting_.extract(ticket);
    node.mapped()->is_admitted = true;
    node.mapped()->wake.set();
  }
}

Task<Result<void>> Fetcher::admit(FlightPtr flight) {
  if (admission_.enter(flight->ticket, flight->bytes(), flight->urgency)) co_return base::ok();
  waiting_.emplace(flight->ticket, flight);
  Result<void> outcome;
  while (!flight->is_admitted && outcome) {
    outcome = co_await nap(flight, SteadyTime::max());
  }
  if (flight->is_admitted) co_return base::ok();  // whoever waits for nothing ends a step later
  admission_.withdraw(flight->ticket);
  waiting_.erase(flight->ticket);
  let_others_in();  // those behind it may fit
  co_return outcome;
}

/// Waits for a change, at most until the moment. Errors: canceled, also when nobody waits for the
/// flight any more; the flight's trouble when its deadline has passed.
Task<Result<void>> Fetcher::nap(FlightPtr flight, SteadyTime until) {
  flight->wake.reset();
  if (flight->callers == 0) co_return fail(Errc::canceled, "nobody waits for these blocks");
  if (flight->deadline.has_passed(environment_.timer.clock())) {
    if (flight->trouble) co_return std::unexpected(*flight->trouble);
    co_return fail(Errc::timed_out, "fetching blocks took too long");
  }
  const Deadline limit{std::min(until, flight->deadline.at)};
  auto woken = co_await base::with_deadline(environment_.timer, limit, flight->wake.wait());
  if (!woken && woken.error().code() != Errc::timed_out) co_return pass(woken);
  co_return base::ok();
}

std::vector<Picker::Candidate> Fetcher::candidates(const Flight& flight) const {
  std::vector<Picker::Candidate> list;
  const SteadyTime moment = now();
  for (const ContentEntry::Claim& claim : flight.entry->claims) {
    if (claim.peer == environment_.self || !may_serve(claim, flight.chunk(), moment)) continue;
    // For copies the uplinks of those who have all are left to what nobody else has.
    const bool is_dear = flight.urgency == cache::Urgency::replica && claim.complete;
    list.push_back({claim.peer, claim.online, is_dear});
  }
  return list;
}

Task<Result<void>> Fetcher::seek_holders(FlightPtr flight) {
  book_.freshen(flight->entry);
  for (;;) {
    if (group_.is_stopping()) co_return fail(Errc::canceled, "the daemon is stopping");
    if (flight->callers == 0) co_return fail(Errc::canceled, "nobody waits for these blocks");
    const std::vector<Picker::Candidate> list = candidates(*flight);
    const std::uint64_t rotation = flight->wanted.run.first / kMaxRequestBlocks;
    const Picker::Choice choice = picker_.choose(list, flight->bytes(), rotation, now());
    if (choice.verdict == Picker::Verdict::chosen) {
      auto attempt = co_await ask(flight, choice.peer);
      if (!attempt) co_return pass(attempt);
      if (*attempt == Attempt::done) co_return base::ok();
    } else if (choice.verdict == Picker::Verdict::none) {
      auto found = co_await find_holders(flight);
      if (!found) co_return pass(found);
    } else if (choice.verdict == Picker::Verdict::later) {
      auto waited = co_await nap(flight, choice.retry_at);
      if (!waited) co_return pass(waited);
    } else {
      const Deadline limit = flight->deadline;
      auto freed = co_await base::with_deadline(environment_.timer, limit, slot_freed_.wait());
      if (!freed && freed.error().code() != Errc::timed_out) co_return pass(freed);
    }
    const bool is_late = flight->deadline.has_passed(environment_.timer.clock());
    if (is_late && flight->trouble) co_return std::unexpected(*flight->trouble);
    if (is_late) co_return fail(Errc::timed_out, "fetching blocks took too long");
  }
}

/// Asks the tracker, and partial holders for their maps, then lets the caller look again.
Task<Result<Fetcher::Attempt>> Fetcher::find_holders(FlightPtr flight) {
  const std::shared_ptr<ContentEntry> entry = flight->entry;
  if (now() < entry->next_ask) {
    auto waited = co_await nap(flight, entry->next_ask);
    if (!waited) co_return pass(waited);
    if (now() < entry->next_ask) co_return Attempt::again;
    if (!candidates(*flight).empty()) co_return Attempt::again;
  }
  auto asked = co_await book_.ask(entry, flight->deadline);
  if (!asked && asked.error().code() == Errc::canceled) co_return pass(asked);
  if (!asked) {
    flight->trouble = Error(Errc::unreachable, "asking who holds it: " + asked.error().context());
    co_return Attempt::again;
  }
  if (entry->is_unknown) {
    co_return fail(Errc::stale, "the tracker no longer knows content {}",
                   short_root(flight->shape));
  }
  std::string names;
  for (const ContentEntry::Claim& claim : entry->claims) {
    if (claim.peer == environment_.self) continue;
    names += (names.empty() ? "" : ", ") + environment_.members.name_of(claim.peer);
  }
  flight->trouble = Error(Errc::unreachable,
                          fmt::format("no holder of content {} answers (known holders: {})",
                                      short_root(flight->shape), names.empty() ? "none" : names));
  co_await refresh_maps(flight);
  co_return Attempt::again;
}

Task<void> Fetcher::refresh_maps(FlightPtr flight) {
  const SteadyTime moment = now();
  const Deadline limit = flight->deadline.earlier(Deadline{moment + kMapTime});
  std::vector<Task<Result<void>>> questions;
  for (ContentEntry::Claim& claim : flight->entry->claims) {
    if (claim.complete || !claim.online || claim.peer == environment_.self) continue;
    if (may_serve(claim, flight->chunk(), moment) || picker_.is_banned(claim.peer, moment))
      continue;
    if (claim.map_asked_at != SteadyTime{} && moment - claim.map_asked_at < kMapInterval) continue;
    claim.map_asked_at = moment;
    questions.push_back(refresh_map(flight->entry, claim.peer, claim.endpoints, limit));
    if (questions.size() == kMapsAtOnce) break;
  }
  if (questions.empty()) co_return;
  // Each question keeps its own failure to itself, so this ends well or is canceled.
  auto ignored = co_await base::all_within(kMapsAtOnce, std::move(questions));
  static_cast<void>(ignored);
}

Task<Result<void>> Fetcher::refresh_map(std::shared_ptr<ContentEntry> entry, PeerId peer,
                                        std::vector<wire::Endpoint> endpoints, Deadline deadline) {
  wire::ChunkMap request{entry->content};
  auto reply =
      co_await environment_.blocks.chunk_map(peer, std::move(endpoints), request, deadline);
  ContentEntry::Claim* claim = entry->find(peer);
  if (claim == nullptr) co_return base::ok();
  if (reply) {
    if (reply->complete != claim->complete || reply->chunks != claim->chunks) {
      claim->grew_at = now();
    }
    claim->complete = reply->complete;
    claim->chunks = std::move(reply->chunks);
  } else if (reply.error().code() == Errc::not_found) {
    claim->denied_until = now() + kDenialTime;
  }
  co_return base::ok();
}

Task<Result<Fetcher::Attempt>> Fetcher::store(FlightPtr flight, PeerId peer,
                                              wire::WithPayload<wire::ReadBlocksReply> answer) {
  const std::uint64_t bytes = flight->bytes();
  const std::uint64_t came = answer.payload.size();
  auto work = [blob = flight->blob, shape = flight->shape, layer = flight->entry->layer,
               run = flight->wanted.run, leaves = flight->wanted.leaves,
               new_leaves = std::move(answer.message.leaves),
               data = std::move(answer.payload)]() mutable {
    return store_answer(blob, shape, layer, run, std::move(leaves), std::move(new_leaves),
                        std::move(data));
  };
  auto stored = co_await environment_.pool.run(std::move(work));
  if (!stored && stored.error().code() == Errc::corrupt) {
    condemn(*flight, peer, stored.error());
    co_return Attempt::again;
  }
  received_.add(peer, came);
  hedges_.received(came);
  flight->entry->fruitless_asks = 0;
  flight->entry->next_ask = {};
  if (stored) {
    if (flight->is_kept && hooks_.on_stored) hooks_.on_stored(flight->blob, stored->state);
    co_return Attempt::done;
  }
  const bool may_retry =
      stored.error().code() == Errc::no_space && hooks_.make_room && !flight->has_made_room;
  if (!may_retry) co_return pass(stored);
  flight->has_made_room = true;
  auto room = co_await hooks_.make_room(bytes);
  if (!room) co_return pass(stored);
  co_return Attempt::again;
}

void Fetcher::condemn(const Flight& flight, const PeerId& peer, const Error& error) {
  static base::Counter& lies = base::counter("shoal_chunk_verify_failures_total");
  lies.add();
  lies_.add(peer, 1);
  const Duration ban = picker_.lied(peer, now());
  base::log_warning(
      "peer {} sent bytes that do not hash, it is not asked for {} s: {} content={} chunk={} "
      "peer_id={}",
      environment_.members.name_of(peer),
      std::chrono::duration_cast<std::chrono::seconds>(ban).count(), error.context(),
      short_root(flight.shape), flight.chunk(), peer.hex());
  environment_.blocks.hang_up(peer);
}

}  // namespace shoal::peerd
