// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "base/task.h"
#include "wire/messages.h"
#include "wire/rpc.h"

namespace shoal::peerd {

/// Asks other peers for blocks. Thread: the loop.
/// Errors: what the peer answered (not_found, busy), unreachable, timed_out, canceled, corrupt.
class BlockClient {
 public:
  virtual ~BlockClient() = default;
  /// endpoints: where the tracker says the peer is; used when the members list does not know.
  virtual Task<Result<wire::WithPayload<wire::ReadBlocksReply>>> read_blocks(
      PeerId peer, std::vector<wire::Endpoint> endpoints, wire::ReadBlocks request,
      Deadline deadline) = 0;
  virtual Task<Result<wire::ChunkMapReply>> chunk_map(PeerId peer,
                                                      std::vector<wire::Endpoint> endpoints,
                                                      wire::ChunkMap request,
                                                      Deadline deadline) = 0;
  /// Ends every connection to a peer that lied.
  virtual void hang_up(const PeerId& peer) = 0;
};

}  // namespace shoal::peerd
