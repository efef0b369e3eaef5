// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace shoal::fs {

/// How far the kernel reads ahead in files of a mount, and so the longest READ that it sends: as
/// long as the longest request.
inline constexpr unsigned kKernelReadAheadKib = 1024;

/// Raises the kernel's read-ahead of a mount from its default of 128 KiB, which nothing in the FUSE
/// protocol can exceed. Needs root; without, or where the kernel has no such setting, the default
/// stays, and everything works in smaller requests. Asks the mount nothing. Shape: the kernel has
/// said hello, since its hello lowers the setting again. Returns what holds now in KiB, 0 when that
/// is unknown. Thread: pool.
unsigned raise_kernel_read_ahead(const std::string& mount_point);

}  // namespace shoal::fs
