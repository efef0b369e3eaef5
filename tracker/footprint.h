// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/strong_id.h"

namespace shoal::tracker {

/// A name that a change adds, removes or points elsewhere.
struct TouchedName {
  InodeId directory;
  std::string name;
  auto operator<=>(const TouchedName&) const = default;
};

/// What a change does to one inode, as far as caches are concerned.
struct TouchedInode {
  InodeId inode;
  bool is_directory = false;
  bool attributes = false;
  bool data = false;
  bool xattrs = false;
  bool orphaned = false;  ///< its last name goes away
};

/// Everything that a change touches: see docs/coherence.md.
struct Footprint {
  std::vector<TouchedName> names;
  std::vector<TouchedInode> inodes;
};

}  // namespace shoal::tracker
