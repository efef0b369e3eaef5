// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

#include "wire/records.h"

namespace shoal::fs {

/// What stat(2) shows of a record.
struct stat stat_of(const wire::InodeRecord& record);

/// S_IFREG and so on.
mode_t kind_bits(wire::FileKind kind);
/// The inverse; regular for what no inode can be.
wire::FileKind kind_of(mode_t mode);

/// Nanoseconds since 1970 and back.
timespec time_of(std::int64_t nanoseconds);
std::int64_t nanoseconds_of(const timespec& time);

}  // namespace shoal::fs
