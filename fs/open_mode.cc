// SPDX-License-Identifier: MIT
#include "fs/open_mode.h"

#include <fcntl.h>

namespace shoal::fs {

bool is_plain_write(int flags) { return (flags & (O_DIRECT | O_SYNC | O_DSYNC)) == 0; }

OpenMode choose_open_mode(const OpenSituation& situation) {
  const int access = situation.flags & O_ACCMODE;
  const bool fits = access == O_WRONLY || (access == O_RDWR && situation.may_be_mapped);
  const bool passes = situation.can_pass_through && situation.is_ours && situation.is_empty &&
                      fits && is_plain_write(situation.flags);
  return passes ? OpenMode::passthrough : OpenMode::mediated;
}

const char* name(OpenMode mode) {
  switch (mode) {
    case OpenMode::mediated:
      return "mediated";
    case OpenMode::passthrough:
      return "passthrough";
  }
  return "unknown";
}

}  // namespace shoal::fs
