// SPDX-License-Identifier: MIT
// Internal to the fetcher.
#pragma once

#include "peerd/fetcher.h"

namespace shoal::peerd {

/// One run of blocks under way, for one or more calls of fetch().
struct Fetcher::Flight {
  explicit Flight(Executor executor) : wake(std::move(executor)) {}

  std::shared_ptr<cache::Blob> blob;
  cache::Shape shape;
  std::shared_ptr<ContentEntry> entry;
  Wanted wanted;
  std::shared_ptr<cache::Blob> twin;
  bool is_kept = true;                               ///< see Plan
  cache::Urgency urgency = cache::Urgency::replica;  ///< of the most urgent caller
  Deadline deadline{SteadyTime::min()};              ///< of the most patient caller
  std::size_t callers = 0;
  std::vector<std::shared_ptr<base::Signal>> listeners;

  Admission::Ticket ticket = 0;
  bool is_admitted = false;
  bool has_made_room = false;
  base::Signal wake;             ///< something has changed for a flight that naps
  std::optional<Error> trouble;  ///< why it has not succeeded yet
  bool is_done = false;
  Result<void> outcome;

  std::uint64_t bytes() const;
  std::uint64_t chunk() const;
};

/// One holder that is asked for a flight's blocks.
struct Fetcher::Runner {
  PeerId peer;
  SteadyTime asked_at{};
  std::uint64_t queued = 0;  ///< bytes under way to it then, these included
  Deadline deadline;
  std::optional<Result<wire::WithPayload<wire::ReadBlocksReply>>> answer;
};

/// The holders that are asked for a flight's blocks at the same time: the first answer wins, the
/// others are canceled. Mostly there is one.
struct Fetcher::Race {
  explicit Race(Executor executor) : moved(executor), group(std::move(executor)) {}

  base::Signal moved;  ///< a runner has its answer
  std::vector<std::shared_ptr<Runner>> runners;
  SteadyTime check_at = SteadyTime::max();  ///< when to think of another holder
  TaskGroup group;
};

/// One call of fetch().
struct Fetcher::Call {
  std::shared_ptr<cache::Blob> blob;
  cache::Shape shape;
  std::shared_ptr<ContentEntry> entry;
  std::uint64_t next = 0;  ///< the first block that was not looked at yet
  std::uint64_t end = 0;
  cache::Urgency urgency = cache::Urgency::reader;
  Deadline deadline;
  std::vector<FlightPtr> flights;
  std::shared_ptr<base::Signal> moved;  ///< set when one of them has ended
};

}  // namespace shoal::peerd
