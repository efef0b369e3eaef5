// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/task.h"
#include "base/waiter.h"

namespace shoal::test {

/// A clock and its timers that stand still until somebody turns them. Waits end in the order of
/// their moments, those of one moment in the order in which they began; so a run is replayed
/// exactly. Destroy it before the loop. Thread: the loop.
class VirtualTime final : public Clock, public Timer {
 public:
  /// Wall time starts at 2026-01-01 00:00 UTC, steady time an hour after its origin.
  VirtualTime();

  SteadyTime steady() const override { return now_; }
  WallTime wall() const override { return wall_; }
  const Clock& clock() const override { return *this; }
  /// A moment that has passed already still takes a turn of the loop.
  Task<Result<void>> wait_until(SteadyTime moment) override;

  /// Both clocks go on by duration; what is due wakes up. Shape: duration >= 0.
  void advance(Duration duration);
  /// Goes on to the next wait's moment and wakes what is due then. False when nobody waits.
  bool advance_to_next();
  /// The moment of the next wait.
  std::optional<SteadyTime> next() const;
  std::size_t waiting() const { return waits_.size(); }
  /// Sets the wall clock alone, as an administrator or NTP would.
  void jump_wall(Duration difference) { wall_ += difference; }

 private:
  using Place = std::pair<SteadyTime, std::uint64_t>;
  void wake_due();

  SteadyTime now_;
  WallTime wall_;
  std::uint64_t next_number_ = 0;
  std::map<Place, std::shared_ptr<base::Waiter>> waits_;
};

/// Runs the loop until is_done() is true; whenever nothing is ready, time goes on to the next wait.
/// is_done is asked between any two handlers. False when nothing can happen any more, or when the
/// next wait lies more than `limit` after the start. No thread but this one may feed the loop.
bool run_virtual(Loop& loop, VirtualTime& time, const std::function<bool()>& is_done,
                 Duration limit = std::chrono::hours(24 * 365));

/// Runs task to its end on virtual time; aborts with a message when it cannot end.
void run_virtual_until_done(Loop& loop, VirtualTime& time, Task<void> task);

/// Runs what is ready now and what that makes ready; time stands still.
void run_ready(Loop& loop);

}  // namespace shoal::test
