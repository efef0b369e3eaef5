// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace shoal::fs {

/// How the bytes of an open inode reach the kernel; the same for all its handles, from the first
/// open to the last close, because the kernel allows no mixture.
enum class OpenMode : std::uint8_t {
  mediated,     ///< the daemon answers reads and writes; the kernel keeps pages
  passthrough,  ///< the kernel writes into the blob's file itself
};

/// What the decision rests on, at the first open of an inode.
struct OpenSituation {
  int flags = 0;                  ///< of open(2)
  bool can_pass_through = false;  ///< privilege, kernel and libfuse all allow it
  bool may_be_mapped = false;     ///< files that can be mapped may be passed through too
  bool is_ours = false;           ///< a working copy under the file's delegation
  bool is_empty = false;          ///< new, or cut to nothing
};

/// Direct and synchronous writes promise what the blob's file alone cannot keep.
bool is_plain_write(int flags);
/// Passthrough is for writers who cannot map the file: see docs/decisions/0011.
OpenMode choose_open_mode(const OpenSituation& situation);

const char* name(OpenMode mode);

}  // namespace shoal::fs
