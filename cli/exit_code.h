// SPDX-License-Identifier: MIT
#pragma once

#include "base/error.h"

namespace shoal::cli {

/// What the tool's process ends with; scripts rely on the numbers.
enum class ExitCode : int {
  ok = 0,
  failed = 1,
  usage = 2,
  degraded = 3,        ///< the question was answered, and the answer is that something is wrong
  unreachable = 4,     ///< no daemon answers, or it has no tracker
  authentication = 5,  ///< the other side does not know us, or is not who it should be
  not_found = 6,
  partial = 7,  ///< some of it was done
  interrupted = 130,
};

ExitCode exit_code_for(Errc code);

}  // namespace shoal::cli
