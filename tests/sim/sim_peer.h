// SPDX-License-Identifier: MIT
// A peer of a simulated swarm, with what an application does to it: publish, replace, read, remove.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "peerd/peer_daemon.h"
#include "tests/sim/sim_network.h"

namespace shoal::test {

/// Every content that was ever made, by all peers: what a read may return.
using KnownContents = std::map<ContentId, Bytes>;

class SimPeer {
 public:
  struct Options {
    std::string address;
    wire::Endpoint tracker;
    std::uint64_t store_bytes = 256 << 20;
    std::uint64_t seed = 0;
  };

  SimPeer(base::Loop& loop, Timer& timer, SimNetwork& network, Options options);
  ~SimPeer();  // stopped

  const std::string& address() const { return options_.address; }
  PeerId id() const { return SimNetwork::id_of(options_.address); }
  bool is_running() const { return daemon_ != nullptr; }
  peerd::PeerDaemon& daemon() { return *daemon_; }
  cache::BlobStore& store() { return *store_; }

  /// Becomes a member. Errors: as spend_invitation.
  Task<Result<void>> join(wire::Invitation invitation);
  /// The process starts over what is in its store.
  void start();
  /// In order, or as SIGKILL does it. Nobody may be using the daemon.
  Task<void> stop(bool abruptly);

  // -- what an application does. Errors: whatever went wrong on the way; nothing is retried.

  /// A new file in the root with these bytes; its inode.
  Task<Result<InodeId>> create(std::string name, Bytes bytes, KnownContents& known);
  Task<Result<void>> replace(InodeId inode, Bytes bytes, KnownContents& known);
  Task<Result<void>> remove(std::string name);
  /// Publishes what could not be published before, or gives it up when others changed the file.
  Task<void> publish_rest(KnownContents& known);
  bool has_unpublished() const { return !unpublished_.empty(); }
  /// The bytes of the file's current content, unless the content is not among the known.
  Task<Result<void>> read(InodeId inode, const KnownContents& known);

 private:
  Deadline soon() const;
  Task<Result<InodeId>> allocate();
  Task<void> publish_again(InodeId inode, std::uint64_t version, KnownContents& known);
  Result<void> seal_again(cache::Blob& blob);
  Task<Result<void>> publish(InodeId inode, std::uint64_t version, Bytes bytes,
                             KnownContents& known);

  base::Loop& loop_;
  Timer& timer_;
  SimNetwork& network_;
  Options options_;
  std::unique_ptr<Pool> pool_ = base::make_inline_pool();
  std::unique_ptr<cache::BlobStore> store_;
  std::unique_ptr<peerd::PeerDaemon> daemon_;
  std::map<InodeId, std::uint64_t> unpublished_;  ///< with the versions they started from
  std::uint64_t next_inode_ = 0;
  std::uint64_t inodes_left_ = 0;
};

}  // namespace shoal::test
