// SPDX-License-Identifier: MIT
// The records that messages are made of: inodes, entries, contents, holders.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/hash_tree.h"
#include "base/strong_id.h"
#include "wire/identity.h"

namespace shoal::wire {

enum class FileKind : std::uint8_t {
  regular = 1,
  directory = 2,
  symlink = 3,
  fifo = 4,
  socket = 5,
  char_device = 6,
  block_device = 7,
};

/// What stat(2) shows. Times are nanoseconds since 1970 and come from the clock of the peer that
/// made the change.
struct Attributes {
  FileKind kind = FileKind::regular;
  std::uint32_t mode = 0;  ///< permission bits, 07777
  std::uint32_t nlink = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t rdev = 0;             ///< device nodes only
  std::uint64_t size = 0;             ///< bytes; symlinks: length of the target
  std::uint64_t allocated_bytes = 0;  ///< what the content takes without its holes
  std::int64_t atime = 0;
  std::int64_t mtime = 0;
  std::int64_t ctime = 0;

  bool operator==(const Attributes&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(kind, mode, nlink, uid, gid, rdev, size, allocated_bytes, atime, mtime, ctime);
  }
};

/// A content and how it is cut.
struct ContentRef {
  ContentId id;
  std::uint32_t chunk_bytes = base::kDefaultChunkBytes;

  bool operator==(const ContentRef&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(id.root.bytes, id.size, chunk_bytes);
  }
};

/// Everything the tracker knows of one inode that a peer may cache.
struct InodeRecord {
  InodeId inode;
  Attributes attributes;
  /// Regular files: the current content. attributes.size == content.id.size unless delegated.
  ContentRef content;
  /// Number of the last change of content; a Publish names the one it started from.
  std::uint64_t version = 0;
  std::string target;       ///< symlinks
  bool has_xattrs = false;  ///< false: every getxattr can be answered without asking
  /// False while a change is under way or another session holds the delegation: use once, do not
  /// keep, give the kernel no time-out.
  bool cacheable = false;
  /// True when the asking session holds the delegation of this file or directory.
  bool delegated = false;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode, attributes, content, version, target, has_xattrs, cacheable, delegated);
  }
};

struct DirectoryEntry {
  std::string name;
  InodeRecord record;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, record);
  }
};

struct Xattr {
  std::string name;
  Bytes value;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, value);
  }
};

/// A peer that has a content, wholly or in part.
struct Holder {
  PeerId peer;
  std::vector<Endpoint> endpoints;
  bool online = false;
  bool complete = false;
  /// One bit a chunk, first chunk in the highest bit of the first byte; empty when complete.
  Bytes chunks;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(peer, endpoints, online, complete, chunks);
  }
};

/// A content with all that is needed to fetch it. layer is empty up to one chunk.
struct Located {
  ContentRef content;
  std::vector<Digest> layer;
  std::vector<Holder> holders;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(content, layer, holders);
  }
};

struct Member {
  PeerId peer;
  std::string name;
  std::vector<Endpoint> endpoints;
  bool online = false;
  std::int64_t last_seen = 0;  ///< nanoseconds since 1970
  std::uint64_t capacity_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t stored_blobs = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(peer, name, endpoints, online, last_seen, capacity_bytes, free_bytes, stored_bytes,
            stored_blobs);
  }
};

/// What a peer can give and has.
struct Capacity {
  std::uint64_t capacity_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t stored_blobs = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(capacity_bytes, free_bytes, stored_bytes, stored_blobs);
  }
};

/// Totals of the swarm. under: files with fewer complete online holders than wanted copies;
/// unavailable: no online holder covers them; lost: no known holder does, online or not.
struct SwarmTotals {
  std::uint64_t files = 0;
  std::uint64_t directories = 0;
  std::uint64_t bytes = 0;
  std::uint64_t capacity_bytes = 0;  ///< of all members, net of copies
  std::uint64_t free_bytes = 0;      ///< of members online, net of copies
  std::uint32_t members = 0;
  std::uint32_t members_online = 0;
  std::uint32_t copies = 0;  ///< wanted by default

  template <class Archive>
  void serialize(Archive& archive) {
    archive(files, directories, bytes, capacity_bytes, free_bytes, members, members_online, copies);
  }
};

struct Health {
  std::uint64_t files = 0;
  std::uint64_t under = 0;
  std::uint64_t unavailable = 0;
  std::uint64_t lost = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(files, under, unavailable, lost);
  }
};

}  // namespace shoal::wire
