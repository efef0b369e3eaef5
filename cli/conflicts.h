// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "wire/conflict_name.h"
#include "wire/messages.h"

namespace shoal::cli {

/// Something that is kept under a conflict name.
struct Conflict {
  const wire::Found* found = nullptr;
  wire::ConflictName kept;  ///< views into found->path
};

/// Those of the names found that are really such names, oldest first. Shape: found outlives the
/// result. Pure.
std::vector<Conflict> conflicts_in(const std::vector<wire::Found>& found);

}  // namespace shoal::cli
