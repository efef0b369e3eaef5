// SPDX-License-Identifier: MIT
#include "peerd/picker.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <optional>

#include "peerd/limits.h"

namespace shoal::peerd {
namespace {

using Seconds = std::chrono::duration<double>;

// What peers are taken for before any of them was measured.
constexpr double kDefaultLatency = 0.002;
constexpr double kDefaultRate = 200e6;
// The slowest rate that patience is computed with, so that a wait stays bounded.
constexpr double kMinRate = 256e3;
constexpr double kJitter = 0.25;
// What a dear holder must be quicker by to be asked all the same.
constexpr double kDearFactor = 4;
constexpr double kFailureHalfLife = 10;
constexpr double kLieHalfLife = 3600;
constexpr double kPauseMin = 0.1;
constexpr double kPauseMax = 3;
// Answers that are late within this span count once.
constexpr std::chrono::milliseconds kLateSpan{100};

double seconds(Duration duration) { return std::chrono::duration_cast<Seconds>(duration).count(); }

Duration from_seconds(double value) { return std::chrono::duration_cast<Duration>(Seconds(value)); }

double decayed(double value, SteadyTime since, SteadyTime now, double half_life) {
  if (value == 0) return 0;
  return value * std::exp2(-seconds(now - since) / half_life);
}

// splitmix64's finaliser: spreads the bits of a small number.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

double unit_hash(const PeerId& peer, std::uint64_t rotation) {
  std::uint64_t head;
  std::memcpy(&head, peer.digest.bytes.data(), sizeof head);
  return static_cast<double>(mix(head ^ mix(rotation + 1)) >> 11) * 0x1p-53;
}

}  // namespace

const Picker::Standing* Picker::find(const PeerId& peer) const {
  const auto found = standings_.find(peer);
  return found == standings_.end() ? nullptr : &found->second;
}

/// An unknown peer is taken to be as good as the best one known: so it is tried.
Picker::Guess Picker::best_of(std::span<const Candidate> candidates) const {
  Guess best;
  for (const Candidate& candidate : candidates) {
    const Standing* standing = find(candidate.peer);
    if (standing == nullptr) continue;
    best.rate = std::max(best.rate, standing->pace.rate());
    const double latency = standing->pace.latency();
    if (latency > 0 && (best.latency == 0 || latency < best.latency)) best.latency = latency;
  }
  if (best.rate == 0) best.rate = kDefaultRate;
  if (best.latency == 0) best.latency = kDefaultLatency;
  return best;
}

double Picker::cost(const Candidate& candidate, std::uint64_t bytes, std::uint64_t rotation,
                    SteadyTime now, Guess guess) const {
  static const Standing kUnknown;
  const Standing* known = find(candidate.peer);
  const Standing& standing = known != nullptr ? *known : kUnknown;
  const Pace& pace = standing.pace;
  const double latency = pace.latency() > 0 ? pace.latency() : guess.latency;
  const double rate = pace.rate() > 0 ? pace.rate() : guess.rate;
  const double queue = static_cast<double>(pace.bytes() + bytes) / rate;
  const double failures = decayed(standing.failures, standing.failed_at, now, kFailureHalfLife);
  const double jitter = 1 + kJitter * unit_hash(candidate.peer, rotation ^ self_);
  const double dear = candidate.is_dear ? kDearFactor : 1;
  return (latency + queue) * (1 + 4 * failures) * jitter * dear;
}

Picker::Choice Picker::choose(std::span<const Candidate> candidates, std::uint64_t bytes,
                              std::uint64_t rotation, SteadyTime now) const {
  const Guess guess = best_of(candidates);
  Choice best;
  double best_cost = 0;
  bool best_online = false;
  std::optional<double> full_cost;  // of the full holder that would answer first
  std::optional<SteadyTime> retry_at;
  for (const Candidate& candidate : candidates) {
    const Standing* const standing = find(candidate.peer);
    if (standing != nullptr && now < standing->banned_until) continue;
    if (standing != nullptr && now < standing->paused_until) {
      retry_at = retry_at ? std::min(*retry_at, standing->paused_until) : standing->paused_until;
      continue;
    }
    const double candidate_cost = cost(candidate, bytes, rotation, now, guess);
    if (standing != nullptr && standing->pace.is_full(bytes)) {
      full_cost = std::min(full_cost.value_or(candidate_cost), candidate_cost);
      continue;
    }
    const bool is_better = best.verdict != Verdict::chosen || (candidate.online && !best_online) ||
                           (candidate.online == best_online && candidate_cost < best_cost);
    if (!is_better) continue;
    best = {Verdict::chosen, candidate.peer, {}};
    best_cost = candidate_cost;
    best_online = candidate.online;
  }
  // Somebody who is said to be offline is not asked while another only has its fill, nor one who
  // would answer later than that other.
  const bool is_worth_it = best_online && best_cost <= full_cost.value_or(best_cost);
  if (best.verdict == Verdict::chosen && (is_worth_it || !full_cost)) return best;
  if (full_cost) return {Verdict::busy, {}, {}};
  if (retry_at) return {Verdict::later, {}, *retry_at};
  return {};
}

void Picker::started(const PeerId& peer, std::uint64_t bytes, SteadyTime now) {
  standings_[peer].pace.started(bytes, now);
}

void Picker::dropped(const PeerId& peer, std::uint64_t bytes) {
  standings_[peer].pace.dropped(bytes);
}

void Picker::succeeded(const PeerId& peer, std::uint64_t bytes, SteadyTime started_at,
                       SteadyTime now) {
  Standing& standing = standings_[peer];
  standing.pace.answered(bytes, started_at, now);
  standing.failures = decayed(standing.failures, standing.failed_at, now, kFailureHalfLife) / 2;
  standing.failed_at = now;
}

void Picker::outrun(const PeerId& peer, std::uint64_t bytes, SteadyTime started_at,
                    SteadyTime now) {
  standings_[peer].pace.outrun(bytes, started_at, now);
}

void Picker::late(const PeerId& peer, SteadyTime now) {
  Standing& standing = standings_[peer];
  if (standing.late_at != SteadyTime{} && now - standing.late_at < kLateSpan) return;
  standing.late_at = now;
  add_failure(standing, 0.5, now);
}

void Picker::silent(const PeerId& peer, SteadyTime now) {
  Standing& standing = standings_[peer];
  if (now < standing.paused_until) return;
  add_failure(standing, 2, now);
  pause(standing, now);
}

const Pace& Picker::pace(const PeerId& peer) const {
  static const Pace kUnknown;
  const Standing* standing = find(peer);
  return standing != nullptr ? standing->pace : kUnknown;
}

void Picker::add_failure(Standing& standing, double weight, SteadyTime now) {
  standing.failures =
      decayed(standing.failures, standing.failed_at, now, kFailureHalfLife) + weight;
  standing.failed_at = now;
}

void Picker::pause(Standing& standing, SteadyTime now) {
  const double pause = std::min(kPauseMax, kPauseMin * std::exp2(standing.failures - 1));
  standing.paused_until = std::max(standing.paused_until, now + from_seconds(pause));
}

void Picker::failed(const PeerId& peer, std::uint64_t bytes, Failure failure, SteadyTime now) {
  dropped(peer, bytes);
  Standing& standing = standings_[peer];
  switch (failure) {
    case Failure::refused:
      add_failure(standing, 0.25, now);
      break;
    case Failure::broken:
      add_failure(standing, 1, now);
      break;
    case Failure::stalled:
      add_failure(standing, 2, now);
      break;
  }
  pause(standing, now);
}

Duration Picker::lied(const PeerId& peer, SteadyTime now) {
  Standing& standing = standings_[peer];
  if (now < standing.banned_until) return standing.banned_until - now;
  standing.lies = decayed(standing.lies, standing.lied_at, now, kLieHalfLife) + 1;
  standing.lied_at = now;
  const double longest = seconds(kMaxBanTime);
  const double ban = std::min(longest, seconds(kBanTime) * std::exp2(standing.lies - 1));
  standing.banned_until = now + from_seconds(ban);
  return from_seconds(ban);
}

bool Picker::is_banned(const PeerId& peer, SteadyTime now) const {
  const Standing* standing = find(peer);
  return standing != nullptr && now < standing->banned_until;
}

Duration Picker::patience(const PeerId& peer, std::uint64_t bytes) const {
  const Pace& known = pace(peer);
  const double rate = known.rate() > 0 ? known.rate() : kDefaultRate;
  const double transfer = static_cast<double>(known.bytes() + bytes) / std::max(rate, kMinRate);
  return kRequestTime + from_seconds(2 * transfer);
}

}  // namespace shoal::peerd
