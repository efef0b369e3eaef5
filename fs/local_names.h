// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "fs/meta_cache.h"
#include "wire/operations.h"

namespace shoal::fs {

/// The directories that are delegated to this session, and what may be changed under these
/// delegations without asking the tracker: docs/coherence.md, "Delegation of a directory". Pure: no
/// locks, no clock; the Volume wraps it. The outcome of a change is what the tracker will make of
/// the same operation later.
class LocalNames {
 public:
  explicit LocalNames(MetaCache& cache) : cache_(cache) {}

  bool holds(InodeId directory) const { return held_.contains(directory); }
  /// False when that would be more than wire::kMaxDelegatedDirectories.
  bool grant(InodeId directory);
  void drop(InodeId directory) { held_.erase(directory); }
  void drop_all() { held_.clear(); }
  std::vector<InodeId> held() const { return {held_.begin(), held_.end()}; }
  /// Whether nobody else can change the inode, or know of changes to it.
  bool covers(const wire::InodeRecord& record);

  /// What an operation makes of the present state.
  struct Plan {
    MetaCache::Effect effect;
    Touches touches;  ///< all that the operation is about
    InodeId granted;  ///< a directory that is delegated at birth
    InodeId dropped;  ///< a delegated directory that goes
  };
  /// nullopt: the tracker has to do it, because it needs more than what is held and known here. May
  /// complete the operation: what it expects to find. Errors: as the tracker would give them.
  /// has_file: the file concerned is delegated to this session, whatever its directory is.
  std::optional<Result<Plan>> plan(wire::Operation& operation, bool has_file);
  void apply(const Plan& plan);

 private:
  using Outcome = std::optional<Result<Plan>>;
  Outcome plan_create(wire::Create& change, std::int64_t time);
  Outcome plan_unlink(wire::Unlink& change, std::int64_t time);
  Outcome plan_rmdir(wire::Rmdir& change, std::int64_t time);
  Outcome plan_rename(wire::Rename& change, std::int64_t time);
  Outcome plan_set_attributes(const wire::SetAttributes& change, bool has_file, std::int64_t time);
  Outcome plan_publish(const wire::Publish& change, std::int64_t time);
  Outcome plan_take(const wire::TakeDelegation& change);

  std::optional<wire::InodeRecord> record(InodeId inode);
  /// A directory that is held, with its record; nullopt when not.
  std::optional<wire::InodeRecord> held_directory(InodeId directory);
  /// A file whose only name this is.
  std::optional<wire::InodeRecord> only_name_of(const NameRef& ref);

  MetaCache& cache_;
  std::unordered_set<InodeId> held_;
};

}  // namespace shoal::fs
