// SPDX-License-Identifier: MIT
#pragma once

#include "base/error.h"

namespace shoal::fs {

/// The errno that a program sees for a kind of failure, as a positive number. What a program would
/// read as its own mistake is never used for trouble with the network or the disk: that is EIO.
int errno_for(Errc code);

}  // namespace shoal::fs
