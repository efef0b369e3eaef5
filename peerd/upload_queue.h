// SPDX-License-Identifier: MIT
// Whose request is served next, and how many bytes are read for answers. Pure: who waits is a
// number; the server wakes the tasks that this lets in.
//
// Short answers go first: a program waits for them. Among the others the peer that was given least
// goes first, counted from when it began to wait, so that each gets the same however much it asks
// for at once (start-time fair queueing).
#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "peerd/rate_limit.h"
#include "wire/identity.h"

namespace shoal::peerd {

class UploadQueue {
 public:
  using Ticket = std::uint64_t;

  struct Limits {
    std::uint64_t bytes = 0;             ///< being read for an answer, in all
    std::uint64_t peer_bytes = 0;        ///< the same for one peer
    std::uint64_t bytes_per_second = 0;  ///< 0: no limit
  };
  explicit UploadQueue(Limits limits) : limits_(limits), rate_(limits.bytes_per_second) {}

  void enter(Ticket ticket, const PeerId& peer, std::uint64_t bytes);
  /// Gives up waiting; no-op for one that does not wait.
  void withdraw(Ticket ticket);
  /// What was let in has been handed on or dropped.
  void leave(const PeerId& peer, std::uint64_t bytes);
  /// The tickets that may go on now; they are counted as in. One that is larger than a limit is let
  /// in when nothing else is.
  std::vector<Ticket> let_in(SteadyTime now);
  /// When the rate lets the next one in; max when something else has to happen first.
  SteadyTime next(SteadyTime now);

  std::uint64_t bytes() const { return bytes_; }
  std::size_t waiting() const { return waiting_.size(); }

 private:
  struct Waiting {
    Ticket ticket;
    PeerId peer;
    std::uint64_t bytes;
  };
  struct Share {
    std::uint64_t bytes = 0;  ///< on their way
    std::uint64_t given = 0;  ///< in all, on the scale of floor_
  };
  bool fits(const Waiting& waiting) const;
  std::list<Waiting>::iterator choose();
  void forget_idle();

  Limits limits_;
  RateLimit rate_;
  std::uint64_t bytes_ = 0;
  std::unordered_map<PeerId, Share> shares_;
  std::uint64_t floor_ = 0;     ///< what the peer that was served last had been given before
  std::list<Waiting> waiting_;  ///< oldest first
};

}  // namespace shoal::peerd
