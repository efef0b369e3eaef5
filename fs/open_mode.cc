// SPDX-License-Identifier: MIT
#include "fs/open_mode.h"

namespace shoal::fs {

OpenMode choose_open_mode(const OpenSituation& situation) {
  if (situation.kernel_can_pass_through && situation.is_complete) return OpenMode::passthrough;
  return OpenMode::mediated;
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
