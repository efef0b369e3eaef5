// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "fs/meta_cache.h"
#include "fs/tracker_port.h"

namespace shoal::fs {

/// Names, attributes and xattrs of the swarm as this peer may use them: from memory while the
/// lease lasts and nothing invalidated them, else from the tracker. Owner: the mount's Core.
/// Thread: finders and events any; coroutines the loop. Nothing survives the process.
class Volume {
 public:
  Volume(TrackerPort& tracker, const Clock& clock, MetaCache::Limits limits = {});

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

  // -- events ------------------------------------------------------------------------------------

  void invalidate(const wire::Stale& stale);
  void drop_all();

  std::pair<std::size_t, std::size_t> sizes() const;  ///< records, names

 private:
  class Transit;

  TrackerPort& tracker_;
  const Clock& clock_;
  mutable base::Mutex mutex_;
  mutable MetaCache cache_ GUARDED_BY(mutex_);
};

}  // namespace shoal::fs
