// SPDX-License-Identifier: MIT
// Every message of the protocol. A request names its Reply; its number goes into the frame header
// and is never used again for anything else. Fields are only added together with a new protocol
// version. docs/wire.md describes the encoding.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "wire/operations.h"
#include "wire/records.h"

namespace shoal::wire {

/// For replies without content.
struct Empty {
  template <class Archive>
  void serialize(Archive&) {}
};

// ---- peer to tracker: membership and session -------------------------------------------------

struct JoinReply {
  Bytes swarm;  ///< 16 bytes that name the swarm for ever
  std::string swarm_name;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(swarm, swarm_name);
  }
};

/// The only request that a stranger may send. Errors: unauthenticated (spent, expired, unknown).
struct Join {
  using Reply = JoinReply;
  static constexpr std::uint16_t kType = 1;
  Bytes secret;
  std::string name;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(secret, name);
  }
};

struct OpenSessionReply {
  SessionId session;
  bool resumed = false;            ///< false: a new session; every cache of an older one is void
  std::uint64_t tracker_boot = 0;  ///< changes when the tracker restarts: watches are gone then
  std::uint64_t lease_nanoseconds = 0;
  Sequence last_sequence;  ///< of the operations that the tracker has answered in this session
  std::uint64_t journal_applied = 0;  ///< the peer's last operation with a journal number
  Bytes swarm;
  std::string swarm_name;
  SwarmTotals totals;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(session, resumed, tracker_boot, lease_nanoseconds, last_sequence, journal_applied,
            swarm, swarm_name, totals);
  }
};

/// A delegation that the peer still holds: of a file with unpublished bytes, or of a directory.
struct Reclaim {
  InodeId inode;
  std::uint64_t version = 0;  ///< files

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode, version);
  }
};

/// First request on every connection of a member. Ends an older connection of the same session,
/// and, with resume unset, an older session of the same peer at once.
/// Errors: stale (the session named by resume has ended: drop all caches, open a new one).
struct OpenSession {
  using Reply = OpenSessionReply;
  static constexpr std::uint16_t kType = 2;
  SessionId resume;
  std::string name;
  std::vector<Endpoint> endpoints;
  Capacity capacity;
  std::vector<Reclaim> reclaims;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(resume, name, endpoints, capacity, reclaims);
  }
};

struct HeartbeatReply {
  SwarmTotals totals;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(totals);
  }
};

/// The lease then lasts a term from the moment this was sent (the tracker: received).
struct Heartbeat {
  using Reply = HeartbeatReply;
  static constexpr std::uint16_t kType = 3;
  Capacity capacity;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(capacity);
  }
};

/// The orderly end: watches, delegations and open orphans are given up at once.
struct CloseSession {
  using Reply = Empty;
  static constexpr std::uint16_t kType = 4;

  template <class Archive>
  void serialize(Archive&) {}
};

struct AllocateInodesReply {
  InodeId first;
  std::uint64_t count = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(first, count);
  }
};

struct AllocateInodes {
  using Reply = AllocateInodesReply;
  static constexpr std::uint16_t kType = 5;

  template <class Archive>
  void serialize(Archive&) {}
};

// ---- peer to tracker: names ------------------------------------------------------------------

struct LookupReply {
  std::optional<InodeRecord> record;  ///< unset: there is no such name
  /// Whether the name's presence or absence may be kept (the record has its own flag).
  bool cacheable = false;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(record, cacheable);
  }
};

/// Subscribes the session to the directory. Errors: not_found (no such directory), not_directory.
struct Lookup {
  using Reply = LookupReply;
  static constexpr std::uint16_t kType = 10;
  InodeId parent;
  std::string name;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(parent, name);
  }
};

struct GetInodeReply {
  InodeRecord record;
  /// for_data, and a content of at most a chunk with at most kMaxToldHolders holders: all of them.
  std::vector<Holder> holders;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(record, holders);
  }
};

/// Subscribes to a directory of the inode (itself, when it is one). for_data says that its bytes
/// are wanted: a session that holds the delegation publishes first. Errors: not_found.
struct GetInode {
  using Reply = GetInodeReply;
  static constexpr std::uint16_t kType = 11;
  InodeId inode;
  bool for_data = false;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode, for_data);
  }
};

struct ReadDirectoryReply {
  std::vector<DirectoryEntry> entries;  ///< in the order of their names' bytes
  bool is_end = false;
  bool cacheable = false;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(entries, is_end, cacheable);
  }
};

/// A page of names behind `after` (empty: from the first on). Without "." and "..".
struct ReadDirectory {
  using Reply = ReadDirectoryReply;
  static constexpr std::uint16_t kType = 12;
  InodeId directory;
  std::string after;
  std::uint32_t limit = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(directory, after, limit);
  }
};

struct GetXattrsReply {
  std::vector<Xattr> xattrs;
  bool cacheable = false;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(xattrs, cacheable);
  }
};

/// All extended attributes of an inode at once.
struct GetXattrs {
  using Reply = GetXattrsReply;
  static constexpr std::uint16_t kType = 13;
  InodeId inode;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode);
  }
};

struct GetParentReply {
  InodeId parent;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(parent);
  }
};

/// The directory that holds a directory; the root is its own. Errors: not_found, not_directory.
struct GetParent {
  using Reply = GetParentReply;
  static constexpr std::uint16_t kType = 14;
  InodeId directory;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(directory);
  }
};

struct MutateReply {
  std::vector<OperationReply> replies;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(replies);
  }
};

/// Operations first, first + 1, ... of the session, applied in this order, each on its own; the
/// answer comes when all are durable. A repeated number gets the old answer again.
struct Mutate {
  using Reply = MutateReply;
  static constexpr std::uint16_t kType = 15;
  Sequence first;
  Sequence answered_below;  ///< the peer has the answers of all numbers below
  std::vector<Operation> operations;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(first, answered_below, operations);
  }
};

struct DelegateReply {
  InodeRecord record;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(record);
  }
};

/// Asks for the exclusive right to write a file. Answered when no other session caches it and the
/// former holder has published. Errors: not_found, is_directory.
struct Delegate {
  using Reply = DelegateReply;
  static constexpr std::uint16_t kType = 16;
  InodeId inode;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode);
  }
};

/// Gives a delegation back without a change.
struct ReturnDelegation {
  using Reply = Empty;
  static constexpr std::uint16_t kType = 17;
  InodeId inode;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode);
  }
};

/// The session's last handle on an unlinked file is closed.
struct CloseOrphan {
  using Reply = Empty;
  static constexpr std::uint16_t kType = 18;
  InodeId inode;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode);
  }
};

// ---- peer to tracker: contents and holders ---------------------------------------------------

struct LocateReply {
  std::vector<Located> contents;  ///< those asked for that the tracker knows

  template <class Archive>
  void serialize(Archive& archive) {
    archive(contents);
  }
};

struct Locate {
  using Reply = LocateReply;
  static constexpr std::uint16_t kType = 20;
  std::vector<ContentRef> contents;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(contents);
  }
};

struct Announcement {
  ContentRef content;
  bool dropped = false;  ///< no longer held; complete and chunks are then ignored
  bool complete = false;
  Bytes chunks;               ///< as in Holder
  bool order_failed = false;  ///< a copy order for it came to nothing: choose somebody else

  template <class Archive>
  void serialize(Archive& archive) {
    archive(content, dropped, complete, chunks, order_failed);
  }
};

struct AnnounceReply {
  /// Contents announced that nothing refers to: the peer may drop them.
  std::vector<ContentRef> unwanted;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(unwanted);
  }
};

struct Announce {
  using Reply = AnnounceReply;
  static constexpr std::uint16_t kType = 21;
  std::vector<Announcement> announcements;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(announcements);
  }
};

struct MayDropReply {
  std::vector<bool> may_drop;  ///< in the order asked; the tracker counts a yes as dropped

  template <class Archive>
  void serialize(Archive& archive) {
    archive(may_drop);
  }
};

/// Asked before an origin or replica is evicted: yes when enough other holders are online.
struct MayDrop {
  using Reply = MayDropReply;
  static constexpr std::uint16_t kType = 22;
  std::vector<ContentRef> contents;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(contents);
  }
};

// ---- anyone to tracker: looking around -------------------------------------------------------

struct StatusReply {
  std::string swarm_name;
  SwarmTotals totals;
  Health health;
  std::vector<Member> members;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(swarm_name, totals, health, members);
  }
};

struct Status {
  using Reply = StatusReply;
  static constexpr std::uint16_t kType = 30;

  template <class Archive>
  void serialize(Archive&) {}
};

struct Found {
  std::string path;  ///< bytes, from the swarm's root, beginning with '/'
  InodeRecord record;
  std::vector<Holder> holders;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(path, record, holders);
  }
};

struct FindReply {
  std::vector<Found> found;
  bool is_truncated = false;  ///< there are more than the limit, or than fit one answer

  template <class Archive>
  void serialize(Archive& archive) {
    archive(found, is_truncated);
  }
};

/// Names that match a shell pattern (fnmatch(3) on the last component, or on the whole path when
/// the pattern has a '/'); a pattern without *, ? or [ matches anywhere in the name.
struct Find {
  using Reply = FindReply;
  static constexpr std::uint16_t kType = 31;
  std::string pattern;
  std::uint32_t limit = 1000;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(pattern, limit);
  }
};

struct ResolveReply {
  Found found;
  Located located;  ///< regular files with bytes
  std::uint32_t wanted_copies = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(found, located, wanted_copies);
  }
};

/// A path from the root, no link followed. Errors: not_found, not_directory.
struct Resolve {
  using Reply = ResolveReply;
  static constexpr std::uint16_t kType = 32;
  std::string path;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(path);
  }
};

struct InviteReply {
  Invitation invitation;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(invitation.tracker, invitation.tracker_id, invitation.secret);
  }
};

/// Only over the tracker's own control socket. A new one-time secret.
struct Invite {
  using Reply = InviteReply;
  static constexpr std::uint16_t kType = 33;
  std::uint64_t valid_nanoseconds = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(valid_nanoseconds);
  }
};

// ---- tracker to peer -------------------------------------------------------------------------

/// Something cached that is about to change. Exactly one of name and inode is meant.
struct Stale {
  InodeId inode;     ///< the inode, or with a name the directory
  std::string name;  ///< not empty: this name in the directory
  bool attributes = false;
  bool data = false;  ///< the bytes: drop the page cache
  bool xattrs = false;
  bool orphaned = false;  ///< the last name goes away: say in the reply whether it is open here
  /// Of a directory: nothing is about to change, but somebody would like to have it. Forget it with
  /// all names and files in it and watch it no longer, or say in the reply that it is in use here.
  bool whole = false;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode, name, attributes, data, xattrs, orphaned, whole);
  }
};

struct InvalidateReply {
  std::vector<InodeId> still_open;  ///< of the orphaned ones; of those asked for as a whole: in use

  template <class Archive>
  void serialize(Archive& archive) {
    archive(still_open);
  }
};

/// The change waits for the answer, which is given once the daemon's and the kernel's caches no
/// longer show the old state. An event may come twice (after a reconnect).
struct Invalidate {
  using Reply = InvalidateReply;
  static constexpr std::uint16_t kType = 40;
  EventId event;
  std::vector<Stale> stale;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(event, stale);
  }
};

struct RecallReply {
  bool held = false;       ///< false: this session holds no delegation of it (any more)
  std::uint64_t size = 0;  ///< of the working copy
  std::uint64_t allocated_bytes = 0;
  std::int64_t mtime = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(held, size, allocated_bytes, mtime);
  }
};

/// Somebody else wants a delegated file or directory. With publish the holder of a file publishes
/// (with release) before it answers; without, it only tells size and time and keeps the delegation.
/// The holder of a directory sends its journal before it answers; with publish it gives the
/// delegation up, and held is false.
struct Recall {
  using Reply = RecallReply;
  static constexpr std::uint16_t kType = 41;
  EventId event;
  InodeId inode;
  bool publish = false;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(event, inode, publish);
  }
};

struct CopyOrder {
  InodeId inode;
  Located located;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode, located);
  }
};

/// Become a holder (role replica) of each. The outcome comes by Announce.
struct CopyOrders {
  using Reply = Empty;
  static constexpr std::uint16_t kType = 42;
  std::vector<CopyOrder> orders;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(orders);
  }
};

struct ReleaseOrder {
  InodeId inode;
  ContentRef content;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode, content);
  }
};

/// Nothing refers to these contents any more: drop them unless the inode's blob has moved on.
struct ReleaseOrders {
  using Reply = Empty;
  static constexpr std::uint16_t kType = 43;
  std::vector<ReleaseOrder> orders;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(orders);
  }
};

/// The swarm's members, whole, after every change: who may connect and where to.
struct Members {
  using Reply = Empty;
  static constexpr std::uint16_t kType = 44;
  std::vector<Member> members;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(members);
  }
};

// ---- peer to peer ----------------------------------------------------------------------------

struct ReadBlocksReply {
  std::vector<Digest> leaves;  ///< of the whole chunk, when asked for
  // The blocks' bytes are the frame's payload.

  template <class Archive>
  void serialize(Archive& archive) {
    archive(leaves);
  }
};

/// Blocks of one chunk. Errors: not_found (that content or one of the blocks is not here), busy.
struct ReadBlocks {
  using Reply = ReadBlocksReply;
  static constexpr std::uint16_t kType = 50;
  ContentRef content;
  std::uint64_t chunk = 0;
  std::uint32_t first_block = 0;  ///< within the chunk
  std::uint32_t block_count = 0;
  bool with_leaves = false;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(content, chunk, first_block, block_count, with_leaves);
  }
};

struct ChunkMapReply {
  bool complete = false;
  Bytes chunks;  ///< as in Holder

  template <class Archive>
  void serialize(Archive& archive) {
    archive(complete, chunks);
  }
};

/// Which whole chunks of a content the peer has now. Errors: not_found.
struct ChunkMap {
  using Reply = ChunkMapReply;
  static constexpr std::uint16_t kType = 51;
  ContentRef content;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(content);
  }
};

// ---- the shoal tool to its own peer daemon (control socket) ----------------------------------

struct PeerStatusReply {
  PeerId peer;
  std::string name;
  std::string swarm_name;
  std::string mount_point;  ///< empty: not mounted
  std::string mode;         ///< how file data reaches the kernel: "mediated", ...
  std::string hasher;       ///< LeafHasher::name()
  std::string version;
  bool tracker_connected = false;
  std::vector<Endpoint> endpoints;
  Capacity capacity;
  std::vector<std::string> metric_names;  ///< base::metrics_snapshot(), names and values
  std::vector<std::int64_t> metric_values;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(peer, name, swarm_name, mount_point, mode, hasher, version, tracker_connected,
            endpoints, capacity, metric_names, metric_values);
  }
};

struct PeerStatus {
  using Reply = PeerStatusReply;
  static constexpr std::uint16_t kType = 60;

  template <class Archive>
  void serialize(Archive&) {}
};

/// Bytes of a content, fetched from the swarm where they are not local; the reply's payload.
/// Errors: as BlobSource::fetch; out_of_range.
struct ReadContent {
  using Reply = Empty;
  static constexpr std::uint16_t kType = 61;
  InodeId inode;
  ContentRef content;
  std::uint64_t offset = 0;
  std::uint32_t length = 0;  ///< at most kMaxPayloadBytes

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inode, content, offset, length);
  }
};

/// Publishes what is unsent, unmounts, and ends the daemon's mount. Errors: busy (files are open).
struct Unmount {
  using Reply = Empty;
  static constexpr std::uint16_t kType = 62;
  bool lazy = false;  ///< detach even while files are open

  template <class Archive>
  void serialize(Archive& archive) {
    archive(lazy);
  }
};

}  // namespace shoal::wire
