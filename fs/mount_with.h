// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "fs/core.h"

namespace shoal::fs {

/// FileSystem::mount() over any tracker. parts outlive the result.
Task<Result<std::unique_ptr<FileSystem>>> mount_with(Parts parts,
                                                     std::unique_ptr<TrackerPort> tracker,
                                                     MountOptions options);

}  // namespace shoal::fs
