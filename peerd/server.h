// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include "base/task.h"
#include "cache/blob_store.h"
#include "peerd/members.h"
#include "peerd/traffic.h"
#include "wire/messages.h"
#include "wire/rpc.h"

namespace shoal::peerd {

/// Answers other peers' requests for blocks. Members only, within limits per peer and in all.
/// Owner: the daemon. Thread: the loop; the disk is read in the pool.
class Server {
 public:
  /// All outlive it. bytes_per_second: 0 sets no limit.
  Server(Executor executor, Timer& timer, Pool& pool, cache::BlobStore& store,
         const Members& members, std::uint64_t bytes_per_second);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Called when somebody was sent here for a content of which nothing is here.
  std::function<void(const wire::ContentRef&)> on_absent;

  /// Enters its handlers; the server outlives the router's use.
  void register_on(wire::RpcRouter& router);

  Task<Result<wire::WithPayload<wire::ReadBlocksReply>>> read_blocks(PeerId remote,
                                                                     wire::ReadBlocks request);
  Task<Result<wire::ChunkMapReply>> chunk_map(PeerId remote, wire::ChunkMap request);

 private:
  /// A request being answered; gives its place back at its end.
  class Place;
  /// The queue and those who wait in it; shares keep it.
  struct Uploads;
  using Share = std::shared_ptr<const void>;

  Result<void> check_welcome(const PeerId& remote) const;
  Task<Result<Share>> enter(PeerId remote, std::uint64_t bytes);

  Executor executor_;
  Timer& timer_;
  Pool& pool_;
  cache::BlobStore& store_;
  const Members& members_;
  std::shared_ptr<Uploads> uploads_;
  std::unordered_map<PeerId, std::size_t> in_flight_;
  Traffic sent_;
};

}  // namespace shoal::peerd
