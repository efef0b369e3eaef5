// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "base/result.h"
#include "peerd/settings.h"

namespace shoal::peerd {

/// Takes what stands behind -o: allow_other, sync, async, delegation=on|off,
/// passthrough=auto|on|off, read_budget=TIME, workers=N; words that mount(8) hands to every
/// filesystem (defaults, nofail, _netdev, x-..., ...) are passed over. Pure. Errors: invalid,
/// naming the word.
Result<void> apply_mount_options(std::string_view options, Settings& settings);

}  // namespace shoal::peerd
