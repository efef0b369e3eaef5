// SPDX-License-Identifier: MIT
#include "base/clock.h"

namespace shoal::base {

SteadyTime SystemClock::steady() const { return std::chrono::steady_clock::now(); }

WallTime SystemClock::wall() const { return std::chrono::system_clock::now(); }

}  // namespace shoal::base
