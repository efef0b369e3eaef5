// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <unordered_map>

#include "base/clock.h"
#include "base/strong_id.h"

namespace shoal::tracker {

/// When those who watch a directory may be asked whether they still need it, so that who changes it
/// can have it to itself. A directory that several sessions use by turns is left alone ever longer,
/// and the right to it does not go to and fro. Pure. Owner: the core.
class Contests {
 public:
  /// After a delegation was ended by another session's interest.
  static constexpr Duration kPause = std::chrono::seconds(2);
  /// After interests that follow one another; each doubles the pause.
  static constexpr Duration kPauseMax = std::chrono::seconds(60);
  /// After an answer that it is in use.
  static constexpr Duration kUsedPause = std::chrono::seconds(4);
  /// Directories that are remembered; beyond that nobody is asked about others.
  static constexpr std::size_t kMost = 10'000;

  /// Another session's interest has ended the directory's delegation.
  void ended(InodeId directory, SteadyTime now);
  /// True: ask now. Then the next time is a pause away.
  bool may_ask(InodeId directory, SteadyTime now);
  void forget(InodeId directory) { by_directory_.erase(directory); }
  std::size_t size() const { return by_directory_.size(); }

 private:
  struct Contest {
    Duration pause{};  ///< of the last interest
    SteadyTime next_ask = SteadyTime::min();
    SteadyTime calm_from = SteadyTime::min();  ///< then an interest is the first again
  };
  /// nullptr: there is no room.
  Contest* at(InodeId directory, SteadyTime now);

  std::unordered_map<InodeId, Contest> by_directory_;
};

}  // namespace shoal::tracker
