// SPDX-License-Identifier: MIT
// Stands in for hash_ipsec_mb.cc where the library is missing.
#include "base/hash_ipsec_mb.h"

namespace shoal::base {

std::vector<HashCandidate> ipsec_mb_candidates() { return {}; }

}  // namespace shoal::base
