// SPDX-License-Identifier: MIT
// What the tracker tells the mount, carried into the daemon's and the kernel's caches as
// docs/coherence.md says. Tasks run on the loop; core outlives them.
#pragma once

#include "fs/core.h"

namespace shoal::fs {

Task<Result<wire::InvalidateReply>> invalidate(Core* core, wire::Invalidate event);
Task<Result<wire::RecallReply>> recall(Core* core, wire::Recall event);
/// Files with unpublished bytes under a delegation.
std::vector<wire::Reclaim> reclaims(const Core& core);
/// Forgets everything and begins to clear the kernel.
void void_caches(Core& core, bool session_lost);
/// Runs for ever: when the lease ends without a new one, drops the kernel's pages, which unlike
/// names and attributes have no time-out of their own.
Task<void> watch_lease(Core* core);

}  // namespace shoal::fs
