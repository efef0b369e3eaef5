// SPDX-License-Identifier: MIT
// The rows of the tracker's database, as plain structs. docs/storage.md describes the tables.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/strong_id.h"
#include "wire/records.h"

namespace shoal::tracker {

/// A content interned to a small number. 0 is the empty content, which has no row.
using ContentKey = base::StrongId<struct ContentKeyTag>;
/// A set of peers that hold a content whole, interned. 0 is the empty set.
using HolderSetId = base::StrongId<struct HolderSetTag>;
/// A member, interned. 0 is nobody (the control socket).
using PeerKey = base::StrongId<struct PeerKeyTag, std::uint32_t>;

struct InodeRow {
  InodeId inode;
  wire::FileKind kind = wire::FileKind::regular;
  std::uint32_t mode = 0;  ///< permission bits, 07777
  std::uint32_t nlink = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t rdev = 0;
  std::uint64_t allocated_bytes = 0;
  std::int64_t atime = 0;
  std::int64_t mtime = 0;
  std::int64_t ctime = 0;
  std::uint64_t version = 0;
  bool has_xattrs = false;
  std::string target;
  ContentKey content;
  /// Joined from the content's row when read; not stored.
  wire::ContentRef content_ref;

  bool operator==(const InodeRow&) const = default;
  bool is_directory() const { return kind == wire::FileKind::directory; }
};

struct ChildRow {
  std::string name;
  InodeRow inode;
};

/// Where an inode is linked.
struct LinkRow {
  InodeId parent;
  std::string name;
  bool operator==(const LinkRow&) const = default;
};

struct ContentRow {
  ContentKey key;
  wire::ContentRef ref;
  std::uint64_t refs = 0;  ///< inodes that have it
  HolderSetId holders;

  bool operator==(const ContentRow&) const = default;
};

struct PartialRow {
  PeerKey peer;
  Bytes chunks;  ///< as in wire::Holder
  bool operator==(const PartialRow&) const = default;
};

struct HolderSetRow {
  HolderSetId id;
  std::vector<PeerKey> peers;  ///< ascending
  std::uint64_t contents = 0;
  std::uint64_t files = 0;  ///< sum of refs of those contents
  bool operator==(const HolderSetRow&) const = default;
};

struct PeerRow {
  PeerKey key;
  PeerId id;
  std::string name;
  std::vector<wire::Endpoint> endpoints;
  std::int64_t last_seen = 0;  ///< nanoseconds since 1970
  wire::Capacity capacity;
  std::uint64_t journal = 0;  ///< its last operation with a journal number that was applied
};

struct SessionRow {
  SessionId id;
  PeerKey peer;
};

/// Numbers that the tracker keeps, by name.
enum class Number : std::uint8_t {
  next_inode = 1,
  next_session = 2,
  next_peer = 3,
  next_holder_set = 4,
  boot = 5,         ///< starts of this tracker
  files = 6,        ///< regular files
  directories = 7,  ///< with the root
  bytes = 8,        ///< sum of the sizes of regular files
};

}  // namespace shoal::tracker
