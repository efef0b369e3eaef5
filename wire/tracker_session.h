// SPDX-License-Identifier: MIT
// What is behind TrackerClient; for wire/ only.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "base/random.h"
#include "wire/mutation_queue.h"
#include "wire/tracker_client.h"

namespace shoal::wire {

/// The session and its present connection. Kept by the client and by its tasks. Thread: the loop,
/// except the atomics and the guarded part.
struct TrackerClient::State {
  State(Executor executor_, Network& network_, Timer& timer_, TrackerEvents& events_,
        Options options_);

  /// The connection on which the session is open, or null.
  std::shared_ptr<RpcChannel> current() const;
  Deadline after(Duration duration) const { return Deadline::after(timer.clock(), duration); }
  void renew_lease(SteadyTime sent);
  void keep_totals(const SwarmTotals& now);
  /// The session has ended at the tracker: caches first, then everybody who waits.
  void lose_session(std::string_view why);
  void adopt_session(const OpenSessionReply& reply, SteadyTime sent,
                     std::shared_ptr<RpcChannel> on);
  void connection_lost();
  void note_failure(Error error);

  const Executor executor;
  Network& network;
  Timer& timer;
  TrackerEvents& events;
  const Options options;
  RpcRouter router;
  TaskGroup group;
  base::Random jitter;

  bool is_started = false;
  bool is_stopping = false;
  SessionId session;
  std::uint64_t tracker_boot = 0;
  std::uint64_t journal_applied = 0;
  std::uint64_t losses = 0;  ///< sessions lost: calls from before end with stale
  std::uint64_t voids = 0;   ///< caches_void() calls: answers from before are asked for again
  Duration lease{};
  Bytes swarm;
  std::string swarm_name;
  std::shared_ptr<RpcChannel> channel;
  base::Signal connected;  ///< set while the session is open on a connection; also by stop()
  base::Signal settled;    ///< the first attempt succeeded or failed for good
  std::optional<Error> last_failure;
  MutationQueue mutations;

  std::atomic<std::int64_t> lease_end;  ///< nanoseconds of the steady clock
  std::atomic<bool> is_connected{false};
  std::atomic<std::uint64_t> generation{0};
  mutable base::Mutex mutex;
  SwarmTotals totals GUARDED_BY(mutex);
};

/// Connects and serves until the group stops.
Task<void> keep_session(std::shared_ptr<TrackerClient::State> state);
/// Sends what waits, as far as the window allows.
void send_mutations(const std::shared_ptr<TrackerClient::State>& state);
/// Waits until the session is open. Errors: unreachable (the deadline passed), canceled.
Task<Result<void>> wait_until_connected(std::shared_ptr<TrackerClient::State> state,
                                        Deadline deadline);

}  // namespace shoal::wire
