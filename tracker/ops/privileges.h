// SPDX-License-Identifier: MIT
#pragma once

#include "tracker/rows.h"
#include "tracker/store.h"

namespace shoal::tracker {

/// What a write or chown by somebody without privileges takes from a file: setuid, setgid and
/// security.capability. The caller stores the row.
void drop_privileges(Store& store, InodeRow& inode);

}  // namespace shoal::tracker
