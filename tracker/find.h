// SPDX-License-Identifier: MIT
#pragma once

#include <deque>
#include <string>

#include "tracker/store.h"

namespace shoal::tracker {

struct FoundPaths {
  std::deque<std::string> paths;  ///< from the root, beginning with '/'
  bool is_truncated = false;      ///< there are more than the limit, or than fit an answer
};

/// Paths that match a pattern, as wire::Find says. Reads the whole namespace of the store's last
/// commit. Thread: pool, with a store of its own.
FoundPaths find_paths(Store& store, const std::string& pattern, std::uint32_t limit);

}  // namespace shoal::tracker
