// SPDX-License-Identifier: MIT
// Every bound on what a stranger, a peer or a user can make us hold, with its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace shoal::wire {

/// Two peers speak when their ranges overlap; the highest common version is used.
inline constexpr std::uint16_t kProtocolMin = 1;
inline constexpr std::uint16_t kProtocolMax = 1;

/// The body of one frame: the largest honest ones are a page of a directory and a piece layer.
inline constexpr std::size_t kMaxBodyBytes = 4 * 1024 * 1024;
/// The raw payload behind a body: one chunk of the largest size, 16 MiB.
inline constexpr std::size_t kMaxPayloadBytes = 16 * 1024 * 1024;
/// POSIX names and targets.
inline constexpr std::size_t kMaxNameBytes = 255;
inline constexpr std::size_t kMaxTargetBytes = 4095;
/// Linux: XATTR_NAME_MAX, XATTR_SIZE_MAX; all values of one inode together as on ext4 with
/// ea_inode.
inline constexpr std::size_t kMaxXattrNameBytes = 255;
inline constexpr std::size_t kMaxXattrValueBytes = 64 * 1024;
inline constexpr std::size_t kMaxXattrsPerInode = 1024;
inline constexpr std::size_t kMaxXattrBytesPerInode = 1024 * 1024;
/// ext4's limit; a link count fits 32 bits everywhere.
inline constexpr std::uint32_t kMaxLinks = 65000;
/// Operations in one Mutate message: a batch stays below kMaxBodyBytes, and the tracker, which
/// works it off in one go, is free again for others within some tens of milliseconds.
inline constexpr std::size_t kMaxOperations = 4096;
/// Entries in one page of a directory.
inline constexpr std::uint32_t kMaxDirectoryPage = 2048;
/// Piece layer entries: chunk sizes grow so that honest files stay below (see chunk_bytes_for).
inline constexpr std::size_t kMaxLayerEntries = 65536;
/// Holders that travel with an inode's record; a content with more of them is asked for by Locate.
inline constexpr std::size_t kMaxToldHolders = 8;
/// Elements of any other list in a message.
inline constexpr std::size_t kMaxListEntries = 65536;
/// Requests of one connection that wait for an answer; more are refused with busy.
inline constexpr std::size_t kMaxRequestsInFlight = 1024;
/// Bytes queued towards one connection before senders wait.
inline constexpr std::size_t kMaxQueuedBytes = 32 * 1024 * 1024;
/// Connections that have not finished their handshake, and how long they may take.
inline constexpr std::size_t kMaxHandshakes = 64;
inline constexpr std::chrono::seconds kHandshakeTime{10};
/// Connections of one daemon in all.
inline constexpr std::size_t kMaxConnections = 10'000;
/// A frame that has begun must be whole within this time: against slow-drip clients.
inline constexpr std::chrono::seconds kFrameTime{30};
/// Directories one session may watch; answers beyond it are not cacheable.
inline constexpr std::size_t kMaxWatchesPerSession = 1'000'000;
/// Directories delegated to one session; all are named again when it resumes (kMaxListEntries). The
/// tracker refuses a Create that would add another, so the peer counts too.
inline constexpr std::size_t kMaxDelegatedDirectories = 50'000;
/// Inode numbers handed out at once.
inline constexpr std::uint64_t kInodeRange = 10'000;
/// Addresses one peer may announce.
inline constexpr std::size_t kMaxEndpoints = 8;
/// Pieces of locks that one session may hold: what a busy machine's databases need, and no more
/// memory than some megabytes.
inline constexpr std::size_t kMaxLocksPerSession = 50'000;
/// Locks that one session may wait for: each is a request in flight, and half of those stay free.
inline constexpr std::size_t kMaxWaitingLocks = kMaxRequestsInFlight / 2;
/// Claims in one ClaimLocks: a message stays far below kMaxBodyBytes.
inline constexpr std::size_t kMaxLockClaims = 16'384;
/// Replies the tracker keeps per session to recognise repeated operations.
inline constexpr std::size_t kMaxKeptReplies = 4096;

/// DESIGN section 9: heartbeats, and how long a silent session keeps its rights.
inline constexpr std::chrono::seconds kLeaseTerm{20};
inline constexpr std::chrono::seconds kHeartbeatInterval{5};
/// Waits for one answer of the tracker or of a peer, unless the caller says otherwise.
inline constexpr std::chrono::seconds kCallTime{30};

}  // namespace shoal::wire
