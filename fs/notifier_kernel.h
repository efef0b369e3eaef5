// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "fs/notifier.h"

struct fuse_session;

namespace shoal::fs {

/// The real kernel behind a FUSE session that has been initialised and outlives the result.
/// kernel_minor: the protocol's minor version as the kernel told it.
std::unique_ptr<KernelCaches> make_kernel_caches(fuse_session* session, unsigned kernel_minor);

}  // namespace shoal::fs
