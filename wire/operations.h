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
  std::string target;     ///< symlinks
  bool delegate = false;  ///< regular files: this session writes to it next
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

/// Errors: not_found, is_directory.
struct Unlink {
  InodeId parent;
  std::string name;
  /// This session has the file open: it lives on until CloseOrphan or the session's end.
  bool keep_open = false;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(parent, name, keep_open);
  }
};

/// Errors: not_found, not_directory, not_empty, busy (the root).
struct Rmdir {
  InodeId parent;
  std::string name;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(parent, name);
  }
};

/// rename(2). Errors: not_found, exists (no_replace), not_empty, is_directory, not_directory,
/// invalid (a directory into itself).
struct Rename {
  static constexpr std::uint32_t kNoReplace = 1;
  static constexpr std::uint32_t kExchange = 2;

  InodeId parent;
  std::string name;
  InodeId new_parent;
  std::string new_name;
  std::uint32_t flags = 0;
  bool keep_open = false;  ///< as in Unlink, for the file that is replaced

  template <class Archive>
  void serialize(Archive& archive) {
    archive(parent, name, new_parent, new_name, flags, keep_open);
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
  std::optional<std::int64_t> mtime;  ///< unset: the file's times were set explicitly since
  bool release = false;               ///< gives the delegation back
  bool drop_privileges = false;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode, version, content, layer, allocated_bytes, mtime, release, drop_privileges);
  }
};

using Change = std::variant<Create, Link, Unlink, Rmdir, Rename, SetAttributes, SetXattr,
                            RemoveXattr, Publish>;

struct Operation {
  Change change;
  std::int64_t time = 0;  ///< the peer's clock, nanoseconds since 1970

  template <class Archive>
  void serialize(Archive& archive) {
    archive(change, time);
  }
};

/// What came of one operation. When ok, records holds the inode concerned first, then every other
/// inode whose attributes changed and that still exists (parents, a replaced file with other
/// links).
struct OperationReply {
  std::optional<Errc> error;
  std::string context;
  std::vector<InodeRecord> records;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(error, context, records);
  }
};

}  // namespace shoal::wire
