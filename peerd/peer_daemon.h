// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/task.h"
#include "peerd/announcer.h"
#include "peerd/control.h"
#include "peerd/evictor.h"
#include "peerd/fetcher.h"
#include "peerd/members.h"
#include "peerd/mount.h"
#include "peerd/replicator.h"
#include "peerd/server.h"
#include "peerd/session_tracker.h"
#include "peerd/swarm.h"

namespace shoal::peerd {

/// One peer, put together: its session with the tracker, what it serves, fetches, copies and
/// drops. The parts that differ between a machine and a simulation are handed in.
/// Owner: main, or a simulation. Thread: the loop.
class PeerDaemon final : public wire::TrackerEvents {
 public:
  /// All outlive it.
  struct Environment {
    base::Loop& loop;
    wire::Network& network;
    Timer& timer;
    Pool& pool;
    cache::BlobStore& store;
  };
  struct Options {
    std::string name;
    wire::Endpoint listen{"127.0.0.1", 0};
    /// What others are told instead of the address listened on.
    std::vector<wire::Endpoint> advertise;
    wire::Endpoint tracker;
    PeerId tracker_id;
    Bytes swarm;
    std::string swarm_name;
    std::string members_file;  ///< empty: the members are not kept
    std::string hasher;        ///< LeafHasher::name(), for the status
    std::uint64_t jitter_seed = 0;
    std::uint64_t upload_rate = 0;  ///< bytes a second to other peers; 0 sets no limit
    std::uint64_t download_rate = 0;
  };

  PeerDaemon(Environment environment, Options options);
  ~PeerDaemon() override;  // after stop()

  /// Listens for other peers; from then on serves the members it knows. Errors: busy (the address
  /// is in use), invalid, access_denied.
  Result<void> open();
  /// Opens the session with the tracker. Errors: timed_out (it is tried on, call again),
  /// unauthenticated, version_mismatch.
  Task<Result<void>> connect(Deadline deadline);
  /// Answers the shoal tool on this listener. After open().
  void serve_control(std::unique_ptr<wire::Listener> listener);

  /// From then on the mount hears of the tracker's events. Null: no more.
  void set_mount(Mount* mount) { mount_ = mount; }
  /// Ends the mount in order, publishing first; no-op without one.
  Task<Result<void>> unmount(bool lazy);

  /// Tells the tracker what it has not heard yet, ends the session and all tasks.
  Task<void> stop(bool abruptly = false);

  wire::TrackerClient& tracker() { return *client_; }
  Fetcher& fetcher() { return *fetcher_; }
  Announcer& announcer() { return *announcer_; }
  Replicator& replicator() { return *replicator_; }
  Swarm& swarm() { return swarm_; }
  const Members& members() const { return members_; }
  const std::vector<wire::Endpoint>& endpoints() const { return endpoints_; }
  wire::PeerStatusReply status();
  Task<void> settle();

  // wire::TrackerEvents
  Task<Result<wire::InvalidateReply>> invalidate(wire::Invalidate event) override;
  Task<Result<wire::RecallReply>> recall(wire::Recall event) override;
  Task<Result<wire::Empty>> copy_orders(wire::CopyOrders orders) override;
  Task<Result<wire::Empty>> release_orders(wire::ReleaseOrders orders) override;
  void members(wire::Members members) override;
  wire::Capacity capacity() override;
  std::vector<wire::Reclaim> reclaims() override;
  std::vector<wire::LockClaim> lock_claims() override;
  void caches_void(bool session_lost) override;
  void connected() override;

 private:
  Task<void> keep_members();

  Environment environment_;
  Options options_;
  Mount* mount_ = nullptr;
  Members members_;
  bool is_keeping_ = false;
  bool has_new_members_ = false;
  wire::RpcRouter router_;
  Server server_;
  Swarm swarm_;
  std::vector<wire::Endpoint> endpoints_;
  std::unique_ptr<wire::TrackerClient> client_;
  std::unique_ptr<SessionTracker> tracker_;
  std::unique_ptr<Announcer> announcer_;
  std::unique_ptr<Evictor> evictor_;
  std::unique_ptr<Fetcher> fetcher_;
  std::unique_ptr<Replicator> replicator_;
  std::unique_ptr<Control> control_;
  TaskGroup group_;
};

}  // namespace shoal::peerd
