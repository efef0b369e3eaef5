// SPDX-License-Identifier: MIT
#include "peerd/picker.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "peerd/limits.h"

namespace shoal::peerd {
namespace {

using Seconds = std::chrono::duration<double>;

// What peers are taken for before any of them was measured.
constexpr double kDefaultLatency = 0.002;
constexpr double kDefaultRate = 200e6;
// The slowest rate that patience is computed with, so that a wait stays bounded.
constexpr double kMinRate = 256e3;
// Answers up to this size measure latency; larger ones are dominated by their bytes.
constexpr std::uint64_t kShortAnswer = 64 << 10;
// A rate sample is taken after this much busy time or this many bytes.
constexpr double kSampleSeconds = 0.05;
constexpr double kSampleBytes = 4 << 20;
constexpr double kSmoothing = 0.3;
constexpr double kJitter = 0.25;
constexpr double kFailureHalfLife = 10;
constexpr double kLieHalfLife = 3600;
constexpr double kPauseMin = 0.1;
constexpr double kPauseMax = 3;

double seconds(Duration duration) { return std::chrono::duration_cast<Seconds>(duration).count(); }

Duration from_seconds(double value) { return std::chrono::duration_cast<Duration>(Seconds(value)); }

double decayed(double value, SteadyTime since, SteadyTime now, double half_life) {
  if (value == 0) return 0;
  return value * std::exp2(-seconds(now - since) / half_life);
}

double smooth(double old, double sample) {
  return old == 0 ? sample : old + kSmoothing * (sample - old);
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
    best.rate = std::max(best.rate, standing->rate);
    const bool is_quicker = best.latency == 0 || standing->latency < best.latency;
    if (standing->latency > 0 && is_quicker) best.latency = standing->latency;
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
  const double latency = standing.latency > 0 ? standing.latency : guess.latency;
  const double rate = standing.rate > 0 ? standing.rate : guess.rate;
  const double queue = static_cast<double>(standing.bytes + bytes) / rate;
  const double failures = decayed(standing.failures, standing.failed_at, now, kFailureHalfLife);
  const double jitter = 1 + kJitter * unit_hash(candidate.peer, rotation ^ self_);
  return (latency + queue) * (1 + 4 * failures) * jitter;
}

Picker::Choice Picker::choose(std::span<const Candidate> candidates, std::uint64_t bytes,
                              std::uint64_t rotation, SteadyTime now) const {
  const Guess guess = best_of(candidates);
  Choice best;
  double best_cost = 0;
  bool best_online = false;
  bool is_busy = false;
  std::optional<SteadyTime> retry_at;
  for (const Candidate& candidate : candidates) {
    if (const Standing* standing = find(candidate.peer)) {
      if (now < standing->banned_until) continue;
      if (now < standing->paused_until) {
        retry_at = retry_at ? std::min(*retry_at, standing->paused_until) : standing->paused_until;
        continue;
      }
      const bool is_full = standing->requests >= kMaxPeerRequests ||
                           (standing->requests > 0 && standing->bytes + bytes > kMaxPeerBytes);
      if (is_full) {
        is_busy = true;
        continue;
      }
    }
    const double candidate_cost = cost(candidate, bytes, rotation, now, guess);
    const bool is_better = best.verdict != Verdict::chosen || (candidate.online && !best_online) ||
                           (candidate.online == best_online && candidate_cost < best_cost);
    if (!is_better) continue;
    best = {Verdict::chosen, candidate.peer, {}};
    best_cost = candidate_cost;
    best_online = candidate.online;
  }
  // Somebody who is said to be offline is not asked while another only has its fill.
  if (best.verdict == Verdict::chosen && (best_online || !is_busy)) return best;
  if (is_busy) return {Verdict::busy, {}, {}};
  if (retry_at) return {Verdict::later, {}, *retry_at};
  return {};
}

void Picker::started(const PeerId& peer, std::uint64_t bytes, SteadyTime now) {
  Standing& standing = standings_[peer];
  if (standing.requests == 0) standing.last_answer = now;
  ++standing.requests;
  standing.bytes += bytes;
}

void Picker::dropped(const PeerId& peer, std::uint64_t bytes) {
  Standing& standing = standings_[peer];
  CHECK(standing.requests > 0 && standing.bytes >= bytes, "answers without requests");
  --standing.requests;
  standing.bytes -= bytes;
}

void Picker::succeeded(const PeerId& peer, std::uint64_t bytes, SteadyTime started_at,
                       SteadyTime now) {
  dropped(peer, bytes);
  Standing& standing = standings_[peer];
  if (bytes <= kShortAnswer) {
    standing.latency = smooth(standing.latency, seconds(now - started_at));
  }
  // The time since the answer before it: several requests are under way at once.
  standing.sample_seconds += seconds(now - std::max(standing.last_answer, started_at));
  standing.sample_bytes += static_cast<double>(bytes);
  standing.last_answer = now;
  if (standing.sample_seconds >= kSampleSeconds || standing.sample_bytes >= kSampleBytes) {
    const double spent = std::max(standing.sample_seconds, 1e-6);
    // Small requests say nothing about the rate: there the latency is what is measured.
    if (standing.sample_bytes >= static_cast<double>(kShortAnswer)) {
      standing.rate = smooth(standing.rate, standing.sample_bytes / spent);
    }
    standing.sample_seconds = 0;
    standing.sample_bytes = 0;
  }
  standing.failures = decayed(standing.failures, standing.failed_at, now, kFailureHalfLife) / 2;
  standing.failed_at = now;
}

void Picker::add_failure(Standing& standing, double weight, SteadyTime now) {
  standing.failures =
      decayed(standing.failures, standing.failed_at, now, kFailureHalfLife) + weight;
  standing.failed_at = now;
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
}

Duration Picker::lied(const PeerId& peer, std::uint64_t bytes, SteadyTime now) {
  dropped(peer, bytes);
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
  const Standing* standing = find(peer);
  const double rate = standing != nullptr && standing->rate > 0 ? standing->rate : kDefaultRate;
  const std::uint64_t queued = standing != nullptr ? standing->bytes : 0;
  const double transfer = static_cast<double>(queued + bytes) / std::max(rate, kMinRate);
  return kRequestTime + from_seconds(2 * transfer);
}

}  // namespace shoal::peerd
