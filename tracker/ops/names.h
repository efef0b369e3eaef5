// SPDX-License-Identifier: MIT
// What the operations on names have in common. Internal to ops/.
#pragma once

#include <string_view>

#include "tracker/ops/plan.h"

namespace shoal::tracker {

/// Errors: invalid or name_too_long; not_found (no such directory), not_directory.
Result<InodeRow> open_parent(OpContext& context, InodeId parent, std::string_view name);

/// The same directory with a changed list of names: nlink by subdirectories, mtime and ctime.
void touch_directory(OpContext& context, InodeRow& directory, int subdirectories);

/// Takes a link away from an inode whose entry is gone (or points elsewhere): it loses its last one
/// and disappears, or lives on as an orphan, or keeps others.
void drop_link(OpContext& context, InodeRow inode, bool keep_open, Applied& applied);

/// For the plan of a change that takes the link away: where else the inode is linked, if anywhere.
void note_lost_link(OpContext& context, const InodeRow& inode, const LinkRow& lost, Plan& plan);

/// Errors: conflict when the peer meant another inode (0: none in particular).
Result<void> check_expected(const InodeRow& inode, InodeId expected);

/// An unlinked inode that nobody has open any more: gone with all that belonged to it.
void remove_inode(OpContext& context, const InodeRow& inode, Applied& applied);

/// How the inode's loss of one link touches caches.
TouchedInode touched_by_unlink(const InodeRow& inode);

inline TouchedInode touched_directory(InodeId inode) {
  return {.inode = inode, .is_directory = true, .attributes = true};
}
inline TouchedInode touched_attributes(const InodeRow& inode) {
  return {.inode = inode.inode, .is_directory = inode.is_directory(), .attributes = true};
}

}  // namespace shoal::tracker
