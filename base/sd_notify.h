// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace shoal::base {

/// Tells the service manager how the daemon is: "READY=1", "STOPPING=1", "STATUS=sentence", several
/// on lines of their own. No-op unless NOTIFY_SOCKET is set; failures are of no concern to the
/// caller. Source: sd_notify(3). Thread: any.
void sd_notify(std::string_view state);

}  // namespace shoal::base
