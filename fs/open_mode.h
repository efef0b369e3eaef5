// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace shoal::fs {

/// How the bytes of an open inode reach the kernel; the same for all its handles, from the first
/// open to the last close, because the kernel allows no mixture.
enum class OpenMode : std::uint8_t {
  mediated,     ///< the daemon answers reads and writes; the kernel keeps pages
  passthrough,  ///< the kernel reads and writes the blob's file itself
};

/// What the decision rests on.
struct OpenSituation {
  bool kernel_can_pass_through = false;  ///< privilege, kernel and libfuse all allow it
  bool is_complete = false;              ///< every block is here, or the file is new or cut to zero
};

/// Passthrough needs a file without absent blocks, for the kernel would read them as zeroes.
OpenMode choose_open_mode(const OpenSituation& situation);

const char* name(OpenMode mode);

}  // namespace shoal::fs
