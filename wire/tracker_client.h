// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/task.h"
#include "wire/locks.h"
#include "wire/messages.h"
#include "wire/rpc.h"
#include "wire/transport.h"

namespace shoal::wire {

/// What the tracker tells a peer on its own. All calls come on the loop. The tracker waits for
/// invalidate and recall, so they must end within the lease term whatever happens.
class TrackerEvents {
 public:
  virtual ~TrackerEvents() = default;
  virtual Task<Result<InvalidateReply>> invalidate(Invalidate event) = 0;
  virtual Task<Result<RecallReply>> recall(Recall event) = 0;
  virtual Task<Result<Empty>> copy_orders(CopyOrders orders) = 0;
  virtual Task<Result<Empty>> release_orders(ReleaseOrders orders) = 0;
  virtual void members(Members members) = 0;
  /// What to tell when a session is opened or resumed.
  virtual Capacity capacity() = 0;
  virtual std::vector<Reclaim> reclaims() = 0;
  /// The locks that are held here, for a tracker that has forgotten them.
  virtual std::vector<LockClaim> lock_claims() { return {}; }
  /// The tracker restarted or the session ended: nothing cached may be used any more. Called
  /// before any later answer is handed out; session_lost tells that delegations are gone too.
  virtual void caches_void(bool session_lost) = 0;
  /// A session is open (again): announce, resume publishing.
  virtual void connected() = 0;
};

/// The peer's session with the tracker: connects, opens or resumes the session, sends heartbeats,
/// reconnects with back-off for ever, numbers operations and repeats them after a reconnect.
/// Thread: the loop, except lease_end(), is_connected() and totals().
class TrackerClient {
 public:
  struct Options {
    Endpoint tracker;
    PeerId tracker_id;
    std::string name;                 ///< this peer's, for people
    std::vector<Endpoint> endpoints;  ///< where other peers reach us
    Bytes expected_swarm;             ///< empty: any; otherwise another swarm is unauthenticated
    std::uint64_t jitter_seed = 0;    ///< of the pauses between attempts; 0: from the system
  };

  /// network, timer and events outlive it.
  TrackerClient(Executor executor, Network& network, Timer& timer, TrackerEvents& events,
                Options options);
  ~TrackerClient();

  /// Begins; returns once the first session is open. Errors: those of connect that retrying does
  /// not mend (unauthenticated, version_mismatch), timed_out.
  Task<Result<void>> start(Deadline deadline);
  /// Ends the session in order and all tasks; calls under way end with canceled. abruptly: leaves
  /// the session to its lease, as a daemon that loses its network does.
  Task<void> stop(bool abruptly = false);

  /// Sends a request in the current session; waits for a connection while there is none, repeats
  /// it after a reconnect (every request but Mutate may be repeated). Errors: timed_out,
  /// unreachable (no tracker until the deadline), stale (the session ended meanwhile), others as
  /// the tracker answers.
  template <class Request>
  Task<Result<typename Request::Reply>> call(Request request, Deadline deadline);

  /// Sends operations under fresh sequence numbers; repeated under the same numbers after a
  /// reconnect, so each happens once. Calls may overlap; they are sent in the order of their first
  /// steps. Shape: 1 to kMaxOperations. Errors: stale (the session ended: whether the operations
  /// took place is unknown), unreachable (never sent), timed_out and canceled (once sent they may
  /// still take place, and nobody will hear of it), too_large, others as the tracker answers.
  Task<Result<std::vector<OperationReply>>> mutate(std::vector<Operation> operations,
                                                   Deadline deadline);
  /// One operation; its error, if any, becomes the result's.
  Task<Result<OperationReply>> mutate_one(Operation operation, Deadline deadline);

  /// Until when cached answers may be used. Thread: any.
  SteadyTime lease_end() const;
  bool is_connected() const;
  /// Numbers grow by one with each session: when one has ended, after caches_void(). Thread: any.
  std::uint64_t session_generation() const;
  /// As of the last heartbeat. Thread: any.
  SwarmTotals totals() const;
  const Bytes& swarm() const;
  std::string swarm_name() const;
  SessionId session() const;
  /// The last operation with a journal number that the tracker has applied for this peer, as far
  /// as we were told.
  std::uint64_t journal_applied() const;

  struct State;

 private:
  Task<RpcRouter::RawReply> call_raw(std::uint16_t type, Bytes body, Deadline deadline);
  std::shared_ptr<State> state_;
};

}  // namespace shoal::wire

#include "wire/tracker_client_impl.h"
