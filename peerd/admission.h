// SPDX-License-Identifier: MIT
// How many bytes may be under way, the more urgent first. Pure: who waits is a number; the fetcher
// wakes the tasks that this lets in.
#pragma once

#include <cstdint>
#include <list>
#include <vector>

#include "cache/blob_source.h"

namespace shoal::peerd {

class Admission {
 public:
  using Ticket = std::uint64_t;

  struct Limits {
    std::uint64_t reader = 0;  ///< bytes under way up to which a reader is let in
    std::uint64_t readahead = 0;
    std::uint64_t replica = 0;
  };

  explicit Admission(Limits limits) : limits_(limits) {}

  /// True: let in at once, leave with leave(bytes). False: the ticket waits its turn.
  /// A request larger than its limit is let in when nothing else is under way.
  bool enter(Ticket ticket, std::uint64_t bytes, cache::Urgency urgency);
  /// Somebody more urgent waits for the same bytes now.
  void promote(Ticket ticket, cache::Urgency urgency);
  /// Gives up waiting; no-op for one that does not wait.
  void withdraw(Ticket ticket);
  void leave(std::uint64_t bytes);

  /// The tickets that may go in now, most urgent first, then oldest; they are counted as in.
  std::vector<Ticket> let_in();

  std::uint64_t bytes() const { return bytes_; }
  std::size_t waiting() const { return waiting_.size(); }

 private:
  struct Waiting {
    Ticket ticket;
    std::uint64_t bytes;
    cache::Urgency urgency;
  };
  bool fits(std::uint64_t bytes, cache::Urgency urgency) const;

  Limits limits_;
  std::uint64_t bytes_ = 0;
  std::list<Waiting> waiting_;  ///< most urgent first, then oldest
};

}  // namespace shoal::peerd
