// SPDX-License-Identifier: MIT
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/task.h"
#include "peerd/block_client.h"
#include "peerd/members.h"
#include "wire/rpc.h"
#include "wire/transport.h"

namespace shoal::peerd {

/// The connections to other peers, whoever made them: one serves for requests both ways, is made
/// when it is first needed, and ends when it has been idle. Only members get one.
/// Owner: the daemon. Thread: the loop. Nothing survives a crash.
class Swarm final : public BlockClient {
 public:
  /// All outlive it; router answers what other peers ask on any connection.
  Swarm(Executor executor, wire::Network& network, Timer& timer, const Members& members,
        const wire::RpcRouter& router);
  ~Swarm() override;  // after stop()

  /// Begins to accept connections; the address with its real port. Errors: as Network::listen.
  Result<wire::Endpoint> listen(const wire::Endpoint& endpoint);

  Task<Result<wire::WithPayload<wire::ReadBlocksReply>>> read_blocks(
      PeerId peer, std::vector<wire::Endpoint> endpoints, wire::ReadBlocks request,
      Deadline deadline) override;
  Task<Result<wire::ChunkMapReply>> chunk_map(PeerId peer, std::vector<wire::Endpoint> endpoints,
                                              wire::ChunkMap request, Deadline deadline) override;
  void hang_up(const PeerId& peer) override;

  /// The members list has changed: ends connections of those who are no longer on it, and forgets
  /// the back-off of those who came back.
  void members_changed();

  std::size_t link_count() const { return links_.size(); }
  /// Ends every connection and task.
  Task<void> stop();

 private:
  struct Link;
  struct Dial;

  Task<Result<std::shared_ptr<wire::RpcChannel>>> channel_to(PeerId peer,
                                                             std::vector<wire::Endpoint> endpoints,
                                                             Deadline deadline);
  std::shared_ptr<wire::RpcChannel> open_channel(const PeerId& peer);
  Task<void> dial(PeerId peer, std::vector<wire::Endpoint> endpoints);
  Task<Result<std::unique_ptr<wire::Connection>>> connect_any(
      PeerId peer, std::vector<wire::Endpoint> endpoints);
  Task<void> accept();
  void start_link(std::unique_ptr<wire::Connection> connection, bool is_outgoing);
  Task<void> run_link(std::list<Link>::iterator place);
  Task<void> sweep();
  bool make_room();

  Executor executor_;
  wire::Network& network_;
  Timer& timer_;
  const Members& members_;
  const wire::RpcRouter& router_;
  std::unique_ptr<wire::Listener> listener_;
  std::list<Link> links_;
  std::unordered_map<PeerId, std::shared_ptr<Dial>> dials_;
  TaskGroup group_;
};

}  // namespace shoal::peerd
