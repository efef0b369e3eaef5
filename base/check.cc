// SPDX-License-Identifier: MIT
#include "base/check.h"

#include <cstdlib>

#include "base/log.h"

namespace shoal::base {

void check_failed(const char* file, int line, const char* condition, const std::string& message) {
  log_error("{}:{}: CHECK({}) failed{}{}", file, line, condition, message.empty() ? "" : ": ",
            message);
  std::abort();
}

}  // namespace shoal::base
