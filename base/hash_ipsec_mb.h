// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "base/hash_choice.h"

namespace shoal::base {

/// The forms of libipsec-mb's multi-buffer SHA-256, widest first; each finds out when it is made
/// whether the CPU runs it. Empty when built without the library.
std::vector<HashCandidate> ipsec_mb_candidates();

}  // namespace shoal::base
