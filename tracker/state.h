// SPDX-License-Identifier: MIT
// What the parts of the core share. Internal to tracker/.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/random.h"
#include "tracker/census.h"
#include "tracker/contests.h"
#include "tracker/delegations.h"
#include "tracker/inputs.h"
#include "tracker/locks.h"
#include "tracker/members.h"
#include "tracker/replication.h"
#include "tracker/sessions.h"
#include "tracker/store.h"
#include "tracker/undo_log.h"
#include "tracker/watches.h"
#include "tracker/works.h"

namespace shoal::tracker {

struct CoreOptions {
  std::uint32_t copies = 2;  ///< complete holders that every content shall have
  Duration lease = wire::kLeaseTerm;
  /// A holder that is away this long no longer counts as one when contents are placed.
  Duration holder_grace = std::chrono::minutes(10);
  wire::Endpoint endpoint;  ///< where invitations send people
  PeerId tracker_id;
  std::uint64_t seed = 0;
};

/// A connection that the service has told of.
struct Link {
  PeerId remote;
  bool is_control = false;
};

/// A Lock or TestLock that came before all sessions had claimed the locks that they held.
struct LockWaiter {
  Token token;
  SessionId session;
  AnyRequest request;
};

struct State {
  State(Store& the_store, CoreOptions the_options)
      : store(the_store), options(std::move(the_options)), random(options.seed) {}

  Store& store;
  CoreOptions options;
  base::Random random;
  Moment now;

  std::uint64_t boot = 0;
  Bytes swarm;
  std::string swarm_name;

  std::map<ConnectionId, Link> links;
  Members members;
  Sessions sessions;
  Watches watches;
  Delegations delegations;
  Contests contests;
  Locks locks;
  Census census;
  Works works;
  Replication replication;

  /// After a start: sessions that have not come back yet, and until when they are waited for.
  std::set<SessionId> missing;
  SteadyTime grace_end;
  std::vector<WorkId> grace_waiters;
  /// The same for locks: sessions that have not claimed those they held, and who waits for that.
  std::set<SessionId> unclaimed;
  std::vector<LockWaiter> lock_waiters;

  /// Of the batch under way.
  std::vector<Output> outputs;
  UndoLog undo;                   ///< of delegations, sessions, members
  std::vector<Work> ended;        ///< works that ended in this batch
  std::set<WorkId> touched;       ///< works that changed the database in this batch
  std::set<PeerKey> journals;     ///< peers of whose journals operations were applied
  std::vector<Request> reads;     ///< requests answered without a change
  std::vector<Release> releases;  ///< contents that lost their last reference
  bool members_changed = false;
  /// Sessions that have ended but whose rows are still there, and when to try again if removing
  /// them has failed.
  std::set<SessionId> unforgotten;
  SteadyTime forget_again;
  bool is_refused = false;  ///< the last transaction with changes could not be committed

  bool in_grace() const { return !missing.empty() && now.steady < grace_end; }

  void reply(Token token, Result<AnyReply> result) {
    if (token) outputs.emplace_back(Reply{token, std::move(result)});
  }
  void reply_firmly(Token token, Result<AnyReply> result) {
    if (token) outputs.emplace_back(Reply{token, std::move(result), true});
  }
};

}  // namespace shoal::tracker
