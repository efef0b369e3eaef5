// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "fs/tracker_port.h"

namespace shoal::wire {
class TrackerClient;
}

namespace shoal::fs {

/// The tracker as the peer's client reaches it. client outlives the result.
std::unique_ptr<TrackerPort> make_tracker_port(wire::TrackerClient& client);

}  // namespace shoal::fs
