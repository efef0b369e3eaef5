// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "fs/notifier.h"

namespace shoal::fs {

class Mount;

/// The real kernel behind a mount that has been initialised and outlives the result.
/// kernel_minor: the protocol's minor version as the kernel told it.
std::unique_ptr<KernelCaches> make_kernel_caches(const Mount& mount, unsigned kernel_minor);

}  // namespace shoal::fs
