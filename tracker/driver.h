// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/task.h"
#include "tracker/core.h"

namespace shoal::tracker {

/// How often what is due by time is looked for: leases, orders to give again.
inline constexpr std::chrono::milliseconds kTick{100};

/// Feeds the core. Everything that has come in while a batch was worked off goes into the next one:
/// the busier the tracker, the more changes share one commit.
/// Owner: the daemon's main. Thread: the loop; core and store belong to the driver's thread.
class Driver {
 public:
  /// Takes what a batch has put out. Called on the loop, in the order of the batches.
  using Deliver = std::function<void(std::vector<Output>)>;

  virtual ~Driver() = default;
  virtual void submit(Input input) = 0;
  /// Works off what was submitted and ends; nothing is delivered afterwards.
  virtual Task<void> stop() = 0;
};

/// With a thread of its own, named "shoal-core". core, clock and what deliver touches outlive it.
std::unique_ptr<Driver> make_threaded_driver(Executor loop, const Clock& clock, Core& core,
                                             Driver::Deliver deliver);
/// On the loop itself, for simulation: same inputs at the same moments, same outputs.
std::unique_ptr<Driver> make_inline_driver(Executor loop, Timer& timer, Core& core,
                                           Driver::Deliver deliver);

}  // namespace shoal::tracker
