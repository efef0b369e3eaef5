// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "wire/identity.h"

namespace shoal::peerd {

/// Where others can reach a listener: its own address or, when it listens on all of them, the
/// machine's addresses without the loopback ones; at most wire::kMaxEndpoints.
std::vector<wire::Endpoint> reachable_at(const wire::Endpoint& local);

}  // namespace shoal::peerd
