// SPDX-License-Identifier: MIT
// The messages about locks of files: docs/coherence.md, "Locks".
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "base/strong_id.h"
#include "wire/messages.h"

namespace shoal::wire {

/// The two kinds know nothing of each other.
enum class LockKind : std::uint8_t {
  flock = 1,  ///< flock(2): the whole file, owned by an open file description
  posix = 2,  ///< fcntl(2): bytes, owned by a process or by an open file description
};

enum class LockType : std::uint8_t {
  read = 1,   ///< shared
  write = 2,  ///< exclusive
};

/// Bytes first to last. Shape: inclusive, first <= last.
struct LockRange {
  static constexpr std::uint64_t kToTheEnd = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t first = 0;
  std::uint64_t last = kToTheEnd;

  bool operator==(const LockRange&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(first, last);
  }
};

struct LockPiece {
  LockRange range;
  LockType type = LockType::read;

  bool operator==(const LockPiece&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(range, type);
  }
};

enum class LockOutcome : std::uint8_t {
  granted = 1,
  refused = 2,   ///< somebody else's lock is in the way, and wait was not set
  deadlock = 3,  ///< whom it would wait for waits for this owner
  too_many = 4,  ///< the session has as many locks, or waiting ones, as it may have
};

struct LockReply {
  LockOutcome outcome = LockOutcome::granted;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(outcome);
  }
};

/// Sets what the owner has in the range to the type. May be repeated; a canceled request that waits
/// is withdrawn. Errors: invalid (a range that ends before it begins).
struct Lock {
  using Reply = LockReply;
  static constexpr std::uint16_t kType = 70;
  InodeId inode;
  LockKind kind = LockKind::posix;
  LockType type = LockType::read;
  LockRange range;           ///< flock: everything
  std::uint64_t owner = 0;   ///< as the peer's kernel tells owners apart; within the session
  std::uint32_t pid = 0;     ///< of the process that asks, on its machine
  bool wait = false;         ///< until it can be granted, however long that takes
  std::uint64_t ticket = 0;  ///< names this request within the session, for Unlock

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode, kind, type, range, owner, pid, wait, ticket);
  }
};

/// Gives up what the owner has in the range. Errors: invalid.
struct Unlock {
  using Reply = Empty;
  static constexpr std::uint16_t kType = 71;
  InodeId inode;
  LockKind kind = LockKind::posix;
  LockRange range;
  std::uint64_t owner = 0;
  /// Not 0: a Lock nobody waits for any more. If it waits still it is withdrawn first.
  std::uint64_t ticket = 0;
  /// What stays, at most with this type, as far as the owner has it: what it had before that Lock.
  std::vector<LockPiece> keep;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode, kind, range, owner, ticket, keep);
  }
};

struct LockHolder {
  LockRange range;
  LockType type = LockType::read;
  std::uint32_t pid = 0;  ///< 0: on another machine

  template <class Archive>
  void serialize(Archive& archive) {
    archive(range, type, pid);
  }
};

struct TestLockReply {
  std::optional<LockHolder> holder;  ///< the first that is in the way

  template <class Archive>
  void serialize(Archive& archive) {
    archive(holder);
  }
};

/// Whether a posix lock would be granted. Errors: invalid.
struct TestLock {
  using Reply = TestLockReply;
  static constexpr std::uint16_t kType = 72;
  InodeId inode;
  LockType type = LockType::read;
  LockRange range;
  std::uint64_t owner = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode, type, range, owner);
  }
};

/// A lock that the peer held when the tracker died.
struct LockClaim {
  InodeId inode;
  LockKind kind = LockKind::posix;
  std::uint64_t owner = 0;
  std::uint32_t pid = 0;
  LockPiece piece;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode, kind, owner, pid, piece);
  }
};

/// Behind the OpenSession that resumes a session with a tracker that has restarted, before any
/// other request, with or without claims. New locks wait until all sessions have done so.
/// Errors: stale (somebody else has one of them: the session has ended).
struct ClaimLocks {
  using Reply = Empty;
  static constexpr std::uint16_t kType = 73;
  std::vector<LockClaim> claims;
  bool is_last = true;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(claims, is_last);
  }
};

}  // namespace shoal::wire
