// SPDX-License-Identifier: MIT
// One file per operation. plan_X checks an operation against the present state, as Linux would and
// with its errors in Linux's order, and says what it touches and how to carry it out; nothing
// changes until apply() is called, in the same transaction and without anything in between.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/result.h"
#include "tracker/census.h"
#include "tracker/contents.h"
#include "tracker/footprint.h"
#include "tracker/rows.h"
#include "tracker/store.h"
#include "wire/operations.h"

namespace shoal::tracker {

/// Who makes the change, when, and on what.
struct OpContext {
  Store& store;
  Census& census;
  Contents& contents;
  SessionId session;
  PeerKey peer;
  std::int64_t time = 0;  ///< the peer's clock
  SessionId delegate;     ///< who holds the delegation of the inode that is changed
  std::set<std::pair<InodeId, SessionId>> still_open;  ///< answers about orphans
};

/// What a change has done, beyond the database.
struct Applied {
  /// Inodes whose attributes changed and that still exist, the one concerned first.
  std::vector<InodeRow> records;
  /// A directory that the first record's inode is linked in, when it is a file and known.
  InodeId home;
  /// Directories whose names the session knows now.
  std::vector<InodeId> watch;
  std::vector<InodeId> removed;
  std::optional<InodeId> granted;   ///< delegation that begins
  std::optional<InodeId> released;  ///< delegation that ends
};

/// A file that comes to another directory, or is left with a link there: who knows it from the
/// first may have it cached or open, and watches the second from then on.
struct Move {
  InodeId inode;
  InodeId from;  ///< 0: it had no name, and those know it who have it open
  InodeId to;
};

struct Plan {
  Footprint footprint;
  std::vector<Move> moves;
  /// The inode's delegation has to come home first.
  bool needs_release = false;
  std::move_only_function<Applied(OpContext&)> apply;
};

Result<Plan> plan_create(OpContext& context, const wire::Create& change);
Result<Plan> plan_link(OpContext& context, const wire::Link& change);
Result<Plan> plan_unlink(OpContext& context, const wire::Unlink& change);
Result<Plan> plan_rmdir(OpContext& context, const wire::Rmdir& change);
Result<Plan> plan_rename(OpContext& context, const wire::Rename& change);
Result<Plan> plan_set_attributes(OpContext& context, const wire::SetAttributes& change);
Result<Plan> plan_set_xattr(OpContext& context, const wire::SetXattr& change);
Result<Plan> plan_remove_xattr(OpContext& context, const wire::RemoveXattr& change);
Result<Plan> plan_publish(OpContext& context, const wire::Publish& change);
Result<Plan> plan_take_delegation(OpContext& context, const wire::TakeDelegation& change);
Result<Plan> plan_drop_delegation(OpContext& context, const wire::DropDelegation& change);

/// The one for the kind of change.
Result<Plan> plan_change(OpContext& context, const wire::Change& change);
/// The inode that the change is about, whose delegation matters to it: 0 for changes of names.
InodeId subject_of(const wire::Change& change);

}  // namespace shoal::tracker
