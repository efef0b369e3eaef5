// SPDX-License-Identifier: MIT
// Which holder is asked for which blocks. Pure: peers, bytes and moments come in as arguments.
//
// The cost of asking a peer is the time until its answer should be here: its latency, plus what is
// already asked of it and the new bytes at its measured rate. Failures make it dearer for a while
// and pause it shortly. A jitter of up to a quarter, drawn from peer and rotation, spreads requests
// of equal cost: each fetcher starts elsewhere, and one fetcher uses several holders. A holder has
// its fill at its window (see pace.h); when even so it would answer before the others, its next
// answer is waited for.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>

#include "base/clock.h"
#include "peerd/pace.h"
#include "wire/identity.h"

namespace shoal::peerd {

class Picker {
 public:
  struct Candidate {
    PeerId peer;
    bool online = true;    ///< as the tracker says; others are asked when nobody else is left
    bool is_dear = false;  ///< its uplink is for what nobody else has: others are preferred
  };

  enum class Verdict {
    chosen,
    later,  ///< every candidate pauses after a failure: ask again at retry_at
    busy,   ///< every candidate that could be asked has its fill of requests
    none,   ///< there is no candidate, or only banned ones
  };
  struct Choice {
    Verdict verdict = Verdict::none;
    PeerId peer;
    SteadyTime retry_at{};
  };

  enum class Failure {
    refused,  ///< busy: it is alive and has its fill
    broken,   ///< no connection, or one that broke
    stalled,  ///< no answer in time
  };

  /// self makes the jitter differ between fetchers.
  explicit Picker(std::uint64_t self) : self_(self) {}

  /// rotation: any number that differs between requests, such as the chunk's.
  Choice choose(std::span<const Candidate> candidates, std::uint64_t bytes, std::uint64_t rotation,
                SteadyTime now) const;

  /// Each started() is followed by exactly one of the others.
  void started(const PeerId& peer, std::uint64_t bytes, SteadyTime now);
  void succeeded(const PeerId& peer, std::uint64_t bytes, SteadyTime started_at, SteadyTime now);
  void failed(const PeerId& peer, std::uint64_t bytes, Failure failure, SteadyTime now);
  /// An answer that says nothing about the peer: it does not have the blocks, or nobody waits.
  void dropped(const PeerId& peer, std::uint64_t bytes);
  /// Another holder, asked later, was quicker.
  void outrun(const PeerId& peer, std::uint64_t bytes, SteadyTime started_at, SteadyTime now);

  /// Its bytes did not hash, as was found after succeeded(). The ban doubles with each lie and
  /// halves with each hour without one; answers that were under way when it began are part of the
  /// same lie. Returns how long it lasts.
  Duration lied(const PeerId& peer, SteadyTime now);
  /// Its answer is late, and somebody else is asked too: it is dearer for a while. All that are
  /// late at the same moment count once, since they may have waited for the same.
  void late(const PeerId& peer, SteadyTime now);
  /// Nothing comes from it any more: it is not asked for a moment, longer each time.
  void silent(const PeerId& peer, SteadyTime now);

  bool is_banned(const PeerId& peer, SteadyTime now) const;
  /// How long to wait for an answer of that many bytes.
  Duration patience(const PeerId& peer, std::uint64_t bytes) const;
  /// How it has answered so far.
  const Pace& pace(const PeerId& peer) const;

 private:
  struct Standing {
    Pace pace;
    double failures = 0;  ///< decaying count, as of failed_at
    SteadyTime failed_at{};
    SteadyTime paused_until{};
    SteadyTime late_at{};
    double lies = 0;  ///< decaying count, as of lied_at
    SteadyTime lied_at{};
    SteadyTime banned_until{};
  };

  const Standing* find(const PeerId& peer) const;
  /// What a peer that was never measured is taken for.
  struct Guess {
    double latency = 0;
    double rate = 0;
  };
  Guess best_of(std::span<const Candidate> candidates) const;
  double cost(const Candidate& candidate, std::uint64_t bytes, std::uint64_t rotation,
              SteadyTime now, Guess guess) const;
  void add_failure(Standing& standing, double weight, SteadyTime now);
  void pause(Standing& standing, SteadyTime now);

  std::uint64_t self_;
  std::unordered_map<PeerId, Standing> standings_;
};

}  // namespace shoal::peerd
