// SPDX-License-Identifier: MIT
// Every bound on what a peer daemon holds, asks for or gives, with its reason. What strangers can
// send is bounded in wire/limits.h.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace shoal::peerd {

// ---- connections -----------------------------------------------------------------------------

/// Open connections to other peers, both ways; the longest idle one makes room.
inline constexpr std::size_t kMaxLinks = 1024;
/// Connections one peer may keep open to us: two that crossed, and one that is being replaced.
inline constexpr std::size_t kMaxLinksPerPeer = 4;
/// Accepted links end after this long without a request; ours end earlier (kIdleLinkTime), so that
/// the side that knows of no request in flight hangs up.
inline constexpr std::chrono::seconds kIdleLinkTime{120};
/// One attempt to reach one address: a connection within a continent takes well under a second.
inline constexpr std::chrono::seconds kDialTime{5};
/// Back-off after a failed dial: doubles from the first to the second.
inline constexpr std::chrono::milliseconds kDialBackoffMin{100};
inline constexpr std::chrono::seconds kDialBackoffMax{5};

// ---- fetching --------------------------------------------------------------------------------

/// Bytes asked for and not yet stored, in all. Above 1 Gb/s times 100 ms, far below the daemon's
/// memory. The less urgent may only use a part of it, so that a reader never queues behind them.
inline constexpr std::uint64_t kMaxFetchBytes = 64 << 20;
inline constexpr std::uint64_t kMaxReadaheadBytes = 56 << 20;
inline constexpr std::uint64_t kMaxReplicaBytes = 40 << 20;
/// Bytes and requests under way to one peer: it refuses more than kMaxServedRequests. The bytes
/// follow the measured rate and delay between the first two. Before there is a measure it may be a
/// slow link, on which more would only queue.
inline constexpr std::uint64_t kMinPeerWindow = 2 << 20;
inline constexpr std::uint64_t kMaxPeerBytes = 32 << 20;
inline constexpr std::uint64_t kFirstPeerWindow = 2 << 20;
inline constexpr std::uint32_t kMaxPeerRequests = 96;
/// Blocks in one request: 1 MiB. Chunks may be larger; their leaves come with each request then.
inline constexpr std::uint32_t kMaxRequestBlocks = 64;
/// Requests that one call of fetch() keeps under way; enough to fill kMaxPeerBytes.
inline constexpr std::size_t kMaxFlightsPerCall = 32;
/// How long an answer may take: this, and twice what its bytes should take at the peer's rate. It
/// may be shared by many all of a sudden; who cannot wait asks another one long before (race.cc).
inline constexpr std::chrono::seconds kRequestTime{6};
/// Nothing came from a holder for so long that a copy takes its requests elsewhere.
inline constexpr std::chrono::seconds kCopySilence{5};
/// Bytes asked of a second holder, as a part of all bytes received, and what can be saved up.
inline constexpr double kHedgePart = 0.05;
inline constexpr std::uint64_t kMaxHedgeBytes = 4 << 20;
/// A peer that said not_found is not asked for that content again before this.
inline constexpr std::chrono::seconds kDenialTime{1};
/// Holders that are asked for the same blocks at the same time.
inline constexpr std::size_t kMaxRunners = 3;
/// What the tracker said of a content's holders is asked again after this long.
inline constexpr std::chrono::seconds kHoldersFresh{10};
/// Pauses between two questions for the holders of a content that nobody serves.
inline constexpr std::chrono::milliseconds kLocateBackoffMin{100};
inline constexpr std::chrono::seconds kLocateBackoffMax{2};
/// Contents whose holders are remembered, and contents in one Locate.
inline constexpr std::size_t kMaxBookContents = 4096;
inline constexpr std::size_t kMaxLocateBatch = 256;
/// One Locate: below the read budget, so that there is time for another.
inline constexpr std::chrono::seconds kLocateTime{5};
/// A peer that sent bytes that do not hash is not asked for this long, doubling each time.
inline constexpr std::chrono::seconds kBanTime{60};
inline constexpr std::chrono::hours kMaxBanTime{1};

/// A copy of a large file: chunks under way at once, and from whole holders while others who copy
/// the same may not be known yet; how often its crowd is asked what it has by
/// now, how many of them at a time, and how often the tracker is asked who else is in it.
inline constexpr std::size_t kMaxSpreadChunks = 32;
inline constexpr std::size_t kFirstSpreadChunks = 2;
inline constexpr std::chrono::milliseconds kCrowdInterval{200};
inline constexpr std::size_t kMaxCrowdAsked = 16;
inline constexpr std::chrono::seconds kCrowdFresh{1};
/// A member of the crowd that got nothing new for so long fetches nothing for the others: a chunk
/// of 1 MiB over a link of some 2 Mb/s. Who has had nothing to do for the second takes what is
/// others'.
inline constexpr std::chrono::seconds kCrowdPatience{5};
inline constexpr std::chrono::seconds kIdlePatience{2};

// ---- serving ---------------------------------------------------------------------------------

/// Requests of one peer that are being answered; more are refused with busy.
inline constexpr std::size_t kMaxServedRequests = 128;
/// Bytes read from the disk and not yet handed to a connection, in all and for one peer: one that
/// asks for much holds up no other.
inline constexpr std::uint64_t kMaxUploadBytes = 64 << 20;
inline constexpr std::uint64_t kMaxPeerUploadBytes = 16 << 20;
/// Peers whose traffic is counted by name; the others share one counter.
inline constexpr std::size_t kMaxCountedPeers = 256;

// ---- announcing and copying ------------------------------------------------------------------

/// Announcements in one message, and how long the first of a batch waits for company.
inline constexpr std::size_t kMaxAnnounceBatch = 512;
inline constexpr std::chrono::milliseconds kAnnounceDelay{20};
/// How often the map of a blob that is being fetched is told, and how soon the first time: others
/// who fetch the same should know of each other before they have asked the source for the same.
inline constexpr std::chrono::seconds kPartialInterval{2};
inline constexpr std::chrono::milliseconds kFirstPartialDelay{100};
/// Announcements that wait while the tracker is away; a full announcement follows its return.
inline constexpr std::size_t kMaxWaitingAnnouncements = 100'000;
/// Files copied at the same time, and orders that wait. The tracker's own window is smaller.
inline constexpr std::size_t kMaxCopies = 64;
inline constexpr std::size_t kMaxWaitingOrders = 65'536;
/// One order: a floor, and a time for its bytes at a slow link's 1 MiB/s.
inline constexpr std::chrono::seconds kCopyTime{60};

// ---- room ------------------------------------------------------------------------------------

/// The store is kept this free: a write should seldom have to wait for an eviction.
inline constexpr std::uint64_t kKeepFreeBytes = 256 << 20;
/// ... or this part of the ceiling, when that is smaller.
inline constexpr std::uint64_t kKeepFreePart = 20;
inline constexpr std::chrono::seconds kEvictInterval{5};
/// The same when the last time could not free enough.
inline constexpr std::chrono::seconds kFullStoreInterval{60};

/// How long a question about the swarm waits for what programs here have just done to be sent.
inline constexpr std::chrono::seconds kSettleTime{3};

}  // namespace shoal::peerd
