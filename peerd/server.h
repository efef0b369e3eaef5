// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
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
  /// All outlive it.
  Server(Executor executor, Pool& pool, cache::BlobStore& store, const Members& members);

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
  Result<void> check_welcome(const PeerId& remote) const;

  Pool& pool_;
  cache::BlobStore& store_;
  const Members& members_;
  base::Semaphore upload_bytes_;
  std::unordered_map<PeerId, std::size_t> in_flight_;
  Traffic sent_;
};

}  // namespace shoal::peerd
