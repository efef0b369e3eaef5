// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "fs/local_names.h"
#include "fs/meta_cache.h"
#include "fs/outbox.h"
#include "fs/tracker_port.h"

namespace shoal::fs {

/// Names, attributes and xattrs of the swarm as this peer may use them: from memory while the
/// lease lasts and nothing invalidated them, else from the tracker. Owner: the mount's Core.
/// Thread: finders and events any; coroutines the loop. Nothing survives the process.
class Volume {
 public:
  /// outbox: nullptr: no directory is delegated to this session, and nothing takes effect here
  /// first.
  Volume(TrackerPort& tracker, Outbox* outbox, const Clock& clock, MetaCache::Limits limits = {});

  // -- from memory, only while the lease lasts
  // -----------------------------------------------------

  bool has_lease() const;
  std::optional<MetaCache::Name> find_name(InodeId directory, std::string_view name) const;
  std::optional<wire::InodeRecord> find_inode(InodeId inode) const;
  std::shared_ptr<const XattrList> find_xattrs(InodeId inode) const;
  std::shared_ptr<const Listing> find_listing(InodeId directory) const;
  /// Some name that is known for an inode; looks at all. For messages.
  std::optional<NameRef> find_any_name(InodeId inode) const;

  // -- from the tracker; kept when that is allowed
  // -------------------------------------------------

  /// nullopt: there is no such name. Errors: not_found (no such directory), not_directory, and
  /// those of the tracker client.
  Task<Result<std::optional<wire::InodeRecord>>> lookup(InodeId directory, std::string name,
                                                        Deadline deadline);
  /// for_data: see wire::GetInode. Errors: not_found.
  Task<Result<wire::InodeRecord>> get_inode(InodeId inode, bool for_data, Deadline deadline);
  Task<Result<std::shared_ptr<const Listing>>> list(InodeId directory, Deadline deadline);
  Task<Result<std::shared_ptr<const XattrList>>> get_xattrs(InodeId inode, Deadline deadline);
  /// The delegation of a file; its record is then ours to change.
  Task<Result<wire::InodeRecord>> delegate(InodeId inode, Deadline deadline);

  /// A name as it stands after an operation; inode 0: gone.
  struct Outcome {
    NameRef ref;
    InodeId inode;
    wire::FileKind kind = wire::FileKind::regular;
  };
  /// Sends operations; what they touch is forgotten first, and what the replies tell is kept.
  /// outcomes: the names when all has gone well. Errors: of the first operation that failed.
  Task<Result<std::vector<wire::OperationReply>>> mutate(std::vector<wire::Operation> operations,
                                                         Touches touches,
                                                         std::vector<Outcome> outcomes,
                                                         Deadline deadline);

  /// One operation, here if a delegation allows it, else as mutate() does it.
  Task<Result<wire::OperationReply>> change(wire::Operation operation, Touches touches,
                                            std::vector<Outcome> outcomes, Deadline deadline);

  // -- changes that take effect here first; docs/coherence.md, "Delegation of a directory"
  // ---------

  /// What makes a change ours to make: the delegation of the directory, or that of the file itself.
  enum class Right { directory, file };
  /// Makes a change that a delegation allows and leaves it in the outbox: the reply that the
  /// tracker will give. done: when it has; after an error the change has not taken place there.
  /// nullopt: use mutate(). Shape: Right::file: the caller holds the file's delegation. Thread:
  /// any.
  std::optional<Result<wire::OperationReply>> change_here(wire::Operation operation,
                                                          Right right = Right::directory,
                                                          Outbox::Done done = {});
  /// Whether nobody else can know of changes to the inode. Thread: any.
  bool covers(InodeId inode) const;
  /// From now on changes in the directory go to the tracker at once. False: it was not held.
  bool give_up(InodeId directory);
  bool is_delegated(InodeId directory) const;
  std::vector<InodeId> delegated_directories() const;
  /// Returns when the tracker has answered all that took effect here before the call.
  Task<Result<void>> settle(Deadline deadline);

  // -- events ------------------------------------------------------------------------------------

  void invalidate(const wire::Stale& stale);
  struct Left {
    std::set<InodeId> directories;
    std::vector<InodeId> inodes;  ///< of those that the kernel knows: themselves, and what may be
                                  ///< in them
  };
  /// Forgets directories for somebody who would like to have them, but those that are needed: that
  /// are ours, in which changes are unsent, or one of `used` may be. known: inodes of which the
  /// kernel may keep something.
  Left leave(std::set<InodeId> directories, std::span<const InodeId> used,
             std::span<const InodeId> known);
  void drop_all(bool session_lost);

  std::pair<std::size_t, std::size_t> sizes() const;  ///< records, names

  /// Told of the holders that come with a record, on the loop. Set before the first question.
  std::function<void(wire::Located)> on_located;

 private:
  class Transit;

  Task<Result<void>> complete(InodeId directory, Deadline deadline);

  TrackerPort& tracker_;
  Outbox* const outbox_;
  const Clock& clock_;
  mutable base::Mutex mutex_;
  mutable MetaCache cache_ GUARDED_BY(mutex_);
  mutable LocalNames local_ GUARDED_BY(mutex_);
  std::unordered_set<InodeId> large_ GUARDED_BY(mutex_);  ///< not worth knowing all names of
};

}  // namespace shoal::fs
