// SPDX-License-Identifier: MIT
// Asking for a flight's blocks: one holder, and others beside it when its answer is late.
#include <algorithm>

#include "base/hash_tree.h"
#include "base/log.h"
#include "base/metrics.h"
#include "peerd/content.h"
#include "peerd/flight.h"
#include "peerd/limits.h"

namespace shoal::peerd {
namespace {

// How soon a holder is looked for again when there was none to spare.
constexpr std::chrono::milliseconds kThinkAgain{20};

wire::ReadBlocks request_for(const cache::Shape& shape, const Wanted& wanted) {
  const std::uint64_t per_chunk = base::blocks_per_chunk(shape.chunk_bytes);
  wire::ReadBlocks request;
  request.content = to_ref(shape);
  request.chunk = wanted.run.first / per_chunk;
  request.first_block = static_cast<std::uint32_t>(wanted.run.first % per_chunk);
  request.block_count = static_cast<std::uint32_t>(wanted.run.count);
  request.with_leaves = !wanted.leaves;
  return request;
}

}  // namespace

/// Asks the peer, and others when it is late, until one has answered or all have failed.
Task<Result<Fetcher::Attempt>> Fetcher::ask(FlightPtr flight, PeerId peer) {
  Race race(environment_.executor);
  start_runner(race, flight, peer);
  std::shared_ptr<Runner> winner;
  Result<void> waited;
  while (waited && !winner && !race.runners.empty()) {
    race.moved.reset();
    winner = take_finished(race, *flight);
    if (winner || race.runners.empty()) break;
    if (race.check_at == SteadyTime::max()) {
      waited = co_await race.moved.wait();
      continue;
    }
    const Deadline until{race.check_at};
    waited = co_await base::with_deadline(environment_.timer, until, race.moved.wait());
    const bool is_time = !waited && waited.error().code() == Errc::timed_out;
    if (!is_time) continue;
    waited = base::ok();
    think_again(race, flight);
  }
  if (race.group.size() > 0) co_await race.group.stop();
  end_losers(race, *flight, winner.get());
  slot_freed_.pulse();
  if (winner) {
    auto stored = co_await store(flight, winner->peer, std::move(**winner->answer));
    co_return stored;
  }
  const bool is_canceled = co_await base::cancel_requested();
  if (is_canceled) co_return fail(Errc::canceled, "the daemon is stopping");
  co_return Attempt::again;
}

void Fetcher::start_runner(Race& race, const FlightPtr& flight, const PeerId& peer) {
  const std::uint64_t bytes = flight->bytes();
  auto runner = std::make_shared<Runner>();
  runner->peer = peer;
  runner->asked_at = now();
  const Deadline patience{runner->asked_at + picker_.patience(peer, bytes)};
  runner->deadline = patience.earlier(flight->deadline);
  picker_.started(peer, bytes, runner->asked_at);
  runner->queued = picker_.pace(peer).bytes();
  const bool has_others = candidates(*flight).size() > race.runners.size() + 1;
  const Duration late = picker_.pace(peer).late_after(bytes, runner->queued);
  race.check_at = has_others && race.runners.size() + 1 < kMaxRunners ? runner->asked_at + late
                                                                      : SteadyTime::max();
  race.runners.push_back(runner);
  std::vector<wire::Endpoint> endpoints;
  if (const ContentEntry::Claim* claim = flight->entry->find(peer)) endpoints = claim->endpoints;
  spawn(race.group, run(std::move(runner), std::move(endpoints),
                        request_for(flight->shape, flight->wanted), &race.moved));
}

/// moved belongs to the race, which waits for the end of this.
Task<void> Fetcher::run(std::shared_ptr<Runner> runner, std::vector<wire::Endpoint> endpoints,
                        wire::ReadBlocks request, base::Signal* moved) {
  auto answer = co_await environment_.blocks.read_blocks(runner->peer, std::move(endpoints),
                                                         request, runner->deadline);
  runner->answer.emplace(std::move(answer));
  moved->set();
}

/// The first runner that has brought the blocks, taken out of the race; those that failed leave it
/// on the way.
std::shared_ptr<Fetcher::Runner> Fetcher::take_finished(Race& race, Flight& flight) {
  std::shared_ptr<Runner> winner;
  std::erase_if(race.runners, [&](const std::shared_ptr<Runner>& runner) {
    if (!runner->answer || winner) return false;
    if (*runner->answer) {
      picker_.succeeded(runner->peer, flight.bytes(), runner->asked_at, now());
      winner = runner;
    } else {
      note_failure(flight, *runner);
    }
    return true;
  });
  return winner;
}

/// The last holder that was asked is late: asks another one, if there is one and it may cost that.
void Fetcher::think_again(Race& race, const FlightPtr& flight) {
  static base::Counter& hedged = base::counter("shoal_chunk_requests_hedged_total");
  static base::Counter& stolen = base::counter("shoal_chunk_requests_stolen_total");
  const SteadyTime moment = now();
  const std::uint64_t bytes = flight->bytes();
  const Runner& last = *race.runners.back();
  race.check_at = moment + kThinkAgain;
  const Pace& pace = picker_.pace(last.peer);
  const bool is_urgent = flight->urgency != cache::Urgency::replica;
  const bool is_silent = pace.is_silent(bytes, last.queued, moment) &&
                         (is_urgent || moment - pace.last_answer() > kCopySilence);
  if (!is_silent && !is_urgent) return;
  std::vector<Picker::Candidate> others = candidates(*flight);
  std::erase_if(others, [&race](const Picker::Candidate& candidate) {
    return std::ranges::any_of(race.runners, [&candidate](const std::shared_ptr<Runner>& runner) {
      return runner->peer == candidate.peer;
    });
  });
  const std::uint64_t rotation = flight->wanted.run.first / kMaxRequestBlocks;
  const Picker::Choice choice = picker_.choose(others, bytes, rotation, moment);
  if (choice.verdict != Picker::Verdict::chosen) return;
  // A silent holder sends nothing, so what is asked of another is not sent twice.
  if (!is_silent && !hedges_.take(bytes)) return;
  (is_silent ? stolen : hedged).add();
  if (is_silent) {
    picker_.silent(last.peer, moment);
  } else {
    picker_.late(last.peer, moment);
  }
  base::log_debug("peer {} is {}, another one is asked content={} chunk={}",
                  environment_.members.name_of(last.peer), is_silent ? "silent" : "late",
                  flight->shape.content.root.hex().substr(0, 16), flight->chunk());
  start_runner(race, flight, choice.peer);
}

/// After all of them have ended.
void Fetcher::end_losers(const Race& race, const Flight& flight, const Runner* winner) {
  static base::Counter& twice = base::counter("shoal_chunk_duplicate_bytes_total");
  const std::uint64_t bytes = flight.bytes();
  for (const std::shared_ptr<Runner>& runner : race.runners) {
    const bool has_come = runner->answer && *runner->answer;
    if (has_come) {
      twice.add(bytes);
      picker_.succeeded(runner->peer, bytes, runner->asked_at, now());
    } else if (winner != nullptr && runner->asked_at < winner->asked_at) {
      picker_.outrun(runner->peer, bytes, runner->asked_at, now());
    } else {
      picker_.dropped(runner->peer, bytes);
    }
  }
}

void Fetcher::note_failure(Flight& flight, const Runner& runner) {
  static base::Counter& failures = base::counter("shoal_chunk_request_failures_total");
  failures.add();
  const PeerId& peer = runner.peer;
  const Error& error = runner.answer->error();
  const std::uint64_t bytes = flight.bytes();
  // A request that ended with its flight's time says nothing about the peer.
  const bool was_patient = runner.deadline.at < flight.deadline.at ||
                           !flight.deadline.has_passed(environment_.timer.clock());
  flight.trouble = error.with("asking peer " + environment_.members.name_of(peer));
  base::log_debug("{} content={} chunk={}", flight.trouble->message(),
                  flight.shape.content.root.hex().substr(0, 16), flight.chunk());
  switch (error.code()) {
    case Errc::not_found:
      picker_.dropped(peer, bytes);
      if (ContentEntry::Claim* claim = flight.entry->find(peer)) {
        if (claim->complete) claim->denied_until = now() + kDenialTime;
        clear_chunk(claim->chunks, flight.chunk());
      }
      break;
    case Errc::busy:
      picker_.failed(peer, bytes, Picker::Failure::refused, now());
      break;
    case Errc::timed_out:
      if (was_patient) {
        picker_.failed(peer, bytes, Picker::Failure::stalled, now());
      } else {
        picker_.dropped(peer, bytes);
      }
      break;
    default:
      picker_.failed(peer, bytes, Picker::Failure::broken, now());
      break;
  }
}

}  // namespace shoal::peerd
