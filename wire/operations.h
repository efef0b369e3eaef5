// SPDX-License-Identifier: MIT
// The operations that change the namespace. Each carries the time of the peer that made it, so that
// a replay gives the same result.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "wire/records.h"

namespace shoal::wire {

/// Makes an inode of any kind and its first name. The number comes from a range the tracker handed
/// to this peer. Errors: exists, not_found (parent), not_directory, name_too_long, stale (parent
/// was removed), no_space.
struct Create {
  InodeId parent;
  std::string name;  ///< empty with orphan: O_TMPFILE, nlink 0, kept open by this session
  InodeId inode;
  FileKind kind = FileKind::regular;
  std::uint32_t mode = 0;  ///< umask already applied; setgid inheritance is the tracker's
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t rdev = 0;
  std::string target;  ///< symlinks
  /// Regular files: this session writes to it next. Directories: nobody else knows of it, so this
  /// session may have its delegation.
  bool delegate = false;
  bool orphan = false;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(parent, name, inode, kind, mode, uid, gid, rdev, target, delegate, orphan);
  }
};

/// Another name for an inode that is no directory. Errors: exists, too_many_links, not_permitted.
struct Link {
  InodeId inode;
  InodeId parent;
  std::string name;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode, parent, name);
  }
};

/// Errors: not_found, is_directory, conflict (the name leads to another inode than expected).
struct Unlink {
  InodeId parent;
  std::string name;
  /// This session has the file open: it lives on until CloseOrphan or the session's end.
  bool keep_open = false;
  InodeId expected{};  ///< what the peer took away; 0: whatever has the name

  template <class Archive>
  void serialize(Archive& archive) {
    archive(parent, name, keep_open, expected);
  }
};

/// Errors: not_found, not_directory, not_empty, busy (the root), conflict (as Unlink).
struct Rmdir {
  InodeId parent;
  std::string name;
  InodeId expected{};

  template <class Archive>
  void serialize(Archive& archive) {
    archive(parent, name, expected);
  }
};

/// rename(2). Errors: not_found, exists (no_replace), not_empty, is_directory, not_directory,
/// invalid (a directory into itself), conflict (as Unlink, of the inode moved).
struct Rename {
  static constexpr std::uint32_t kNoReplace = 1;
  static constexpr std::uint32_t kExchange = 2;

  InodeId parent;
  std::string name;
  InodeId new_parent;
  std::string new_name;
  std::uint32_t flags = 0;
  bool keep_open = false;  ///< as in Unlink, for the file that is replaced
  InodeId expected{};      ///< as in Unlink, of the inode that is moved
  InodeId replaced{};      ///< what the peer replaces; 0: whatever there is, detached: nothing

  template <class Archive>
  void serialize(Archive& archive) {
    archive(parent, name, new_parent, new_name, flags, keep_open, expected, replaced);
  }
};

/// Changes what is set. Sizes change by Publish only.
struct SetAttributes {
  InodeId inode;
  std::optional<std::uint32_t> mode;
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  std::optional<std::int64_t> atime;
  std::optional<std::int64_t> mtime;
  /// chown and writes by others than root: drop setuid, setgid and security.capability.
  bool drop_privileges = false;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode, mode, uid, gid, atime, mtime, drop_privileges);
  }
};

/// setxattr(2). Errors: exists (create), no_attribute (replace), too_large.
struct SetXattr {
  static constexpr std::uint32_t kCreate = 1;
  static constexpr std::uint32_t kReplace = 2;

  InodeId inode;
  std::string name;
  Bytes value;
  std::uint32_t flags = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode, name, value, flags);
  }
};

/// Errors: no_attribute.
struct RemoveXattr {
  InodeId inode;
  std::string name;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode, name);
  }
};

/// Makes content the current content of inode; the publishing peer thereby is a complete holder.
/// Errors: conflict (version is not the current one and the session lost its delegation),
/// not_found, is_directory, corrupt (the layer does not lead to the root).
struct Publish {
  InodeId inode;
  std::uint64_t version = 0;  ///< the one the working copy started from
  ContentRef content;
  std::vector<Digest> layer;  ///< when larger than a chunk
  std::uint64_t allocated_bytes = 0;
  std::optional<std::int64_t> mtime;  ///< unset: stays as it is
  std::optional<std::int64_t> atime;  ///< the same
  bool release = false;               ///< gives the delegation back
  bool drop_privileges = false;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode, version, content, layer, allocated_bytes, mtime, atime, release,
            drop_privileges);
  }
};

/// The session has begun to write a file that nobody else can know of changes to, because its only
/// link is in a directory delegated to the session: from now on it has the file's delegation.
/// Errors: not_found, is_directory, conflict (another session has it).
struct TakeDelegation {
  InodeId inode;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode);
  }
};

/// Gives the delegation of a file back that was opened for writing and not changed. Without effect
/// when the session does not hold it. Errors: not_found.
struct DropDelegation {
  InodeId inode;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode);
  }
};

using Change = std::variant<Create, Link, Unlink, Rmdir, Rename, SetAttributes, SetXattr,
                            RemoveXattr, Publish, TakeDelegation, DropDelegation>;

struct Operation {
  Change change;
  std::int64_t time = 0;  ///< the peer's clock, nanoseconds since 1970
  /// Its number in the peer's journal: it took effect on the peer already. 0: it is not there.
  /// Numbers of one peer grow, over all its sessions; what is not above the last number that the
  /// tracker has applied for the peer is answered without records and not applied again.
  std::uint64_t journal = 0;
  /// Made under a delegation that was lost before the operation was sent: what would fail for what
  /// others did meanwhile gets another name instead, or is left out. docs/coherence.md has the
  /// rules.
  bool detached = false;
  /// The session would like the delegation of the directory whose names change.
  bool wants_directory = false;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(change, time, journal, detached, wants_directory);
  }
};

/// What came of one operation. When ok and not of a journal, whose peer knows them, records holds
/// the inode concerned first, then every other inode whose attributes changed and that still exists
/// (parents, a replaced file with other links).
struct OperationReply {
  std::optional<Errc> error;
  std::string context;
  std::vector<InodeRecord> records;
  /// The directory whose delegation the session wanted and has from now on; else the one it has
  /// made with `delegate`; 0: none.
  InodeId granted;
  /// Detached: the name that was used instead of the operation's; empty: that one.
  std::string renamed_to;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(error, context, records, granted, renamed_to);
  }
};

}  // namespace shoal::wire
