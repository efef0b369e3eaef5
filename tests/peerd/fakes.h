// SPDX-License-Identifier: MIT
// Contents, other peers and a tracker for tests of the peer daemon's parts.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/hash_tree.h"
#include "cache/blob_store.h"
#include "peerd/block_client.h"
#include "peerd/content.h"
#include "peerd/tracker.h"

namespace shoal::test {

/// A content with everything that is known of it.
struct MadeContent {
  Bytes bytes;
  std::vector<Digest> leaves;
  std::vector<Digest> layer;
  cache::Shape shape;

  wire::ContentRef ref() const { return peerd::to_ref(shape); }
  InodeId inode{7};
};

/// Random bytes by seed; with `zero_from` the bytes from there on are zero.
MadeContent make_content(std::uint64_t size, std::uint64_t seed,
                         std::uint32_t chunk_bytes = base::kDefaultChunkBytes,
                         std::uint64_t zero_from = ~std::uint64_t{0});

/// The bytes as a sealed blob of that inode in a store.
std::shared_ptr<cache::Blob> put_content(cache::BlobStore& store, InodeId inode,
                                         const MadeContent& content);
/// All bytes of a blob; empty when a block is absent.
Bytes read_all(cache::Blob& blob, std::uint64_t size);

PeerId peer_id(const std::string& name);

/// How another peer behaves.
struct FakePeer {
  enum class Way {
    honest,
    lies,          ///< flips a bit of the bytes
    lies_leaves,   ///< sends other leaves with other bytes
    short_answer,  ///< sends fewer bytes than asked for
    stalls,        ///< never answers
    denies,        ///< says not_found
    busy,
    gone,  ///< no connection
  };
  Way way = Way::honest;
  Duration delay = std::chrono::milliseconds(1);
  Bytes chunks;  ///< not empty: has only these
  std::size_t requests = 0;
  std::size_t map_requests = 0;
  std::size_t in_flight = 0;
  std::size_t most_in_flight = 0;
  std::size_t hang_ups = 0;
  std::uint64_t bytes_sent = 0;
  std::function<void(FakePeer&)> before_answer;  ///< called when an answer is due
};

/// Other peers that answer from memory. Thread: the loop.
class FakePeers final : public peerd::BlockClient {
 public:
  explicit FakePeers(Timer& timer) : timer_(timer) {}

  void add(const MadeContent& content);
  FakePeer& peer(const std::string& name) { return peers_[peer_id(name)]; }
  /// Every run that was asked for, in blocks of the file.
  std::vector<cache::BlockRun> asked;

  Task<Result<wire::WithPayload<wire::ReadBlocksReply>>> read_blocks(
      PeerId peer, std::vector<wire::Endpoint> endpoints, wire::ReadBlocks request,
      Deadline deadline) override;
  Task<Result<wire::ChunkMapReply>> chunk_map(PeerId peer, std::vector<wire::Endpoint> endpoints,
                                              wire::ChunkMap request, Deadline deadline) override;
  void hang_up(const PeerId& peer) override { ++peers_[peer].hang_ups; }

 private:
  Result<wire::WithPayload<wire::ReadBlocksReply>> answer(FakePeer& peer,
                                                          const wire::ReadBlocks& request);
  Timer& timer_;
  std::map<PeerId, FakePeer> peers_;
  std::map<ContentId, MadeContent> contents_;
};

/// A tracker that says what the test wrote into it. Thread: the loop.
class FakeTracker final : public peerd::Tracker {
 public:
  explicit FakeTracker(Timer& timer) : timer_(timer) {}

  bool is_away = false;
  Duration delay = std::chrono::milliseconds(1);
  std::map<ContentId, wire::Located> contents;
  std::set<ContentId> may_be_dropped;
  std::set<ContentId> unwanted;
  std::vector<std::vector<wire::Announcement>> announced;
  std::size_t locate_calls = 0;
  std::size_t locate_layers_max = ~std::size_t{0};  ///< cuts a reply with longer layers

  void add(const MadeContent& content);
  void hold(const MadeContent& content, const std::string& peer, bool online = true,
            Bytes chunks = {});
  /// The last word on each content that was announced.
  std::map<ContentId, wire::Announcement> last_words() const;

  Task<Result<std::vector<wire::Located>>> locate(std::vector<wire::ContentRef> contents,
                                                  Deadline deadline) override;
  Task<Result<std::vector<wire::ContentRef>>> announce(
      std::vector<wire::Announcement> announcements, Deadline deadline) override;
  Task<Result<std::vector<bool>>> may_drop(std::vector<wire::ContentRef> contents,
                                           Deadline deadline) override;

 private:
  Task<Result<void>> travel(Deadline deadline);
  Timer& timer_;
};

}  // namespace shoal::test
