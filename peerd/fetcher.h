// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/task.h"
#include "cache/blob_source.h"
#include "cache/blob_store.h"
#include "peerd/admission.h"
#include "peerd/block_client.h"
#include "peerd/hedge_budget.h"
#include "peerd/holders.h"
#include "peerd/picker.h"
#include "peerd/throttle.h"
#include "peerd/traffic.h"

namespace shoal::peerd {

/// Gets absent blocks from the swarm: several holders at once, every byte verified before it is
/// stored, another holder when one fails. A run of blocks that is under way is a flight; callers
/// who want the same blocks join it. A holder whose answer is late is outrun by a second one,
/// within a budget of extra bytes; one that fell silent loses its requests to others. Owner: the
/// daemon. Thread: the loop. Nothing of it survives a crash; what was stored does.
class Fetcher final : public cache::BlobSource {
 public:
  /// What it works with; all outlive it.
  struct Environment {
    Executor executor;
    Timer& timer;
    Pool& pool;
    cache::BlobStore& store;
    Tracker& tracker;
    BlockClient& blocks;
    const Members& members;
    PeerId self;
    std::uint64_t bytes_per_second = 0;  ///< how fast to receive; 0 sets no limit
  };
  struct Hooks {
    /// Bytes were stored into the blob, which is in that state now.
    std::function<void(const std::shared_ptr<cache::Blob>&, cache::BlobState)> on_stored;
    /// The store is full: makes that many bytes available. Errors: no_space.
    std::function<Task<Result<void>>(std::uint64_t bytes)> make_room;
  };

  Fetcher(Environment environment, Hooks hooks);
  ~Fetcher() override;  // after stop()

  Task<Result<void>> fetch(std::shared_ptr<cache::Blob> blob, cache::BlockRun run,
                           cache::Urgency urgency, Deadline deadline) override;
  Task<Result<std::vector<Digest>>> layer(cache::Shape shape, Deadline deadline) override;

  /// The same for all of a content, for a copy: each peer takes the chunks in another order, and
  /// those that others copying it have from them, so that the source sends each about once.
  Task<Result<void>> fetch_spread(std::shared_ptr<cache::Blob> blob, Deadline deadline);

  /// Takes holders and layer from a message of the tracker. Errors: corrupt (the layer).
  Task<Result<void>> learn(wire::Located located) { return book_.learn(std::move(located)); }

  /// The same for what the tracker told of a content of at most a chunk. Without effect for others.
  void note(wire::Located located) { book_.note(std::move(located)); }

  std::uint64_t bytes_under_way() const { return admission_.bytes(); }
  std::size_t flight_count() const { return flight_count_; }
  Task<void> stop();

 private:
  struct Flight;
  struct Runner;
  struct Race;
  struct Call;
  struct Spreading;
  enum class Attempt { done, again };
  using FlightPtr = std::shared_ptr<Flight>;

  Task<Result<SharedLayer>> layer_of(std::shared_ptr<cache::Blob> blob,
                                     std::shared_ptr<ContentEntry> entry, Deadline deadline);
  Task<Result<void>> drive(Call& call);
  Result<void> reap(Call& call);
  void take_off(Call& call, const Plan& plan);
  void join(Call& call, const FlightPtr& flight);
  void leave(const FlightPtr& flight);
  Error late_error(const Call& call) const;

  Task<void> fly(FlightPtr flight);
  Task<Result<void>> carry_out(FlightPtr flight);
  Task<Result<void>> admit(FlightPtr flight);
  void let_others_in();
  Task<Result<void>> seek_holders(FlightPtr flight);
  Task<Result<Attempt>> find_holders(FlightPtr flight);
  Task<void> refresh_maps(FlightPtr flight);
  Task<Result<void>> refresh_map(std::shared_ptr<ContentEntry> entry, PeerId peer,
                                 std::vector<wire::Endpoint> endpoints, Deadline deadline);
  Task<Result<void>> drive_spread(Spreading& work);
  void start_chunks(Spreading& work);
  void begin_chunk(Spreading& work, std::uint64_t chunk, bool is_own);
  Task<void> fetch_chunk(Spreading* work, std::uint64_t chunk, bool is_own);
  Task<void> look_around(Spreading* work);
  Task<void> refresh_crowd(std::shared_ptr<ContentEntry> entry, Deadline deadline);
  std::vector<Picker::Candidate> candidates(const Flight& flight) const;
  Task<Result<Attempt>> ask(FlightPtr flight, PeerId peer);
  void start_runner(Race& race, const FlightPtr& flight, const PeerId& peer);
  Task<void> run(std::shared_ptr<Runner> runner, std::vector<wire::Endpoint> endpoints,
                 wire::ReadBlocks request, base::Signal* moved);
  std::shared_ptr<Runner> take_finished(Race& race, Flight& flight);
  void think_again(Race& race, const FlightPtr& flight);
  void end_losers(const Race& race, const Flight& flight, const Runner* winner);
  void note_failure(Flight& flight, const Runner& runner);
  Task<Result<Attempt>> store(FlightPtr flight, PeerId peer,
                              wire::WithPayload<wire::ReadBlocksReply> answer);
  void condemn(const Flight& flight, const PeerId& peer, const Error& error);
  Task<Result<void>> nap(FlightPtr flight, SteadyTime until);
  SteadyTime now() const { return environment_.timer.clock().steady(); }

  Environment environment_;
  Hooks hooks_;
  HolderBook book_;
  Picker picker_;
  HedgeBudget hedges_;
  Admission admission_;
  Throttle throttle_;
  Admission::Ticket next_ticket_ = 1;
  std::unordered_map<Admission::Ticket, FlightPtr> waiting_;
  std::unordered_map<const cache::Blob*, std::vector<FlightPtr>> flights_;
  std::size_t flight_count_ = 0;
  base::Signal slot_freed_;
  Traffic received_;
  Traffic lies_;  ///< answers that did not hash
  TaskGroup group_;
};

}  // namespace shoal::peerd
