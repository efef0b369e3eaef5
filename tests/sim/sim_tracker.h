// SPDX-License-Identifier: MIT
// The real tracker, core and service, on a simulated network with tables in memory.
#pragma once

#include <memory>
#include <string>

#include "tests/sim/sim_network.h"
#include "tracker/core.h"
#include "tracker/driver.h"
#include "tracker/memory_store.h"
#include "tracker/service.h"

namespace shoal::test {

class SimTracker {
 public:
  SimTracker(base::Loop& loop, Timer& timer, SimNetwork& network, std::string address,
             tracker::CoreOptions options);
  ~SimTracker();  // stopped

  wire::Endpoint endpoint() const;
  bool is_running() const { return core_ != nullptr; }
  /// The process starts over what its tables hold.
  void start();
  /// As SIGKILL does it; what was committed stays.
  Task<void> kill();

  /// A one-time invitation, by way of the control listener.
  Task<Result<wire::Invitation>> invite();
  Task<Result<wire::StatusReply>> status();

 private:
  template <class Request>
  Task<Result<typename Request::Reply>> ask(Request request);

  base::Loop& loop_;
  Timer& timer_;
  SimNetwork& network_;
  const std::string address_;
  tracker::CoreOptions options_;
  tracker::MemoryStore store_;
  std::unique_ptr<tracker::Core> core_;
  std::unique_ptr<tracker::Driver> driver_;
  std::unique_ptr<tracker::Service> service_;
};

}  // namespace shoal::test
