// SPDX-License-Identifier: MIT
#include "wire/tracker_client.h"

#include <algorithm>

#include "base/check.h"
#include "base/metrics.h"
#include "wire/tracker_session.h"

namespace shoal::wire {
namespace {

using SharedState = std::shared_ptr<TrackerClient::State>;

constexpr std::chrono::seconds kGoodbyeTime{2};

Error lost_session() { return Error(Errc::stale, "the session with the tracker ended"); }
Error stopped() { return Error(Errc::canceled, "stopped"); }

/// How a kind of request is called in the counters; the rare ones share a name.
const char* kind_name(std::uint16_t type) {
  switch (type) {
    case AllocateInodes::kType:
      return "allocate_inodes";
    case Lookup::kType:
      return "lookup";
    case GetInode::kType:
      return "get_inode";
    case ReadDirectory::kType:
      return "read_directory";
    case GetXattrs::kType:
      return "get_xattrs";
    case GetParent::kType:
      return "get_parent";
    case Mutate::kType:
      return "mutate";
    case Delegate::kType:
      return "delegate";
    case ReturnDelegation::kType:
      return "return_delegation";
    case CloseOrphan::kType:
      return "close_orphan";
    case Locate::kType:
      return "locate";
    case Announce::kType:
      return "announce";
    case MayDrop::kType:
      return "may_drop";
    case Lock::kType:
      return "lock";
    case Unlock::kType:
      return "unlock";
    case TestLock::kType:
      return "test_lock";
    default:
      return "other";
  }
}

/// What a peer asks the tracker for, repetitions too, in all and by kind; not what keeps the
/// session itself alive, nor the question that `shoal status` passes on, with which people read the
/// counters.
void count_request(std::uint16_t type) {
  if (type == Status::kType) return;
  static base::Counter& requests = base::counter("shoal_tracker_requests_total");
  requests.add();
  base::counter(fmt::format("shoal_tracker_requests_{}_total", kind_name(type))).add();
}

/// A request was refused as stale. Either that is its own answer, or the session has ended: then
/// nobody may hear of it before the caches are void. A heartbeat tells which.
Task<void> settle_staleness(SharedState state, std::shared_ptr<RpcChannel> channel) {
  Heartbeat heartbeat{state->events.capacity()};
  auto reply = co_await channel->call(std::move(heartbeat), state->after(kHeartbeatInterval));
  if (reply) co_return;
  channel->close(true);  // the next OpenSession is told for sure
}

/// Waits for the answer to one message of operations. Without an answer it stays queued.
Task<void> await_mutation(SharedState state, MutationQueue::Shared entry,
                          RpcChannel::StartedCall call, std::shared_ptr<RpcChannel> channel) {
  RpcRouter::RawReply answer = co_await RpcChannel::finish_raw(std::move(call), Deadline::never());
  if (!answer) {
    const Errc code = answer.error().code();
    if (code == Errc::canceled) co_return;
    if (code == Errc::unreachable && !channel->is_open()) co_return;
    if (code == Errc::stale) {  // the message as a whole: the session is over
      channel->close(true);
      co_return;
    }
    state->mutations.settle(entry, pass(std::move(answer)));
  } else {
    auto reply = decode<MutateReply>(answer->message);
    if (reply && reply->replies.size() != entry->message.operations.size()) {
      reply = fail(Errc::corrupt, "the tracker answered {} of {} operations", reply->replies.size(),
                   entry->message.operations.size());
    }
    state->mutations.settle(entry, std::move(reply));
  }
  send_mutations(state);
}

Task<Result<void>> wait_for_mutation(MutationQueue::Shared entry) {
  Result<void> settled = co_await entry->settled.wait();
  co_return settled;
}

}  // namespace

void send_mutations(const SharedState& state) {
  for (;;) {
    const std::shared_ptr<RpcChannel> channel = state->current();
    if (!channel) return;
    const MutationQueue::Shared entry = state->mutations.take_next();
    if (!entry) return;
    auto call = channel->start_raw(Mutate::kType, encode(entry->message));
    if (!call) {
      state->mutations.unsend(entry);
      const bool is_hopeless = call.error().code() == Errc::too_large && !entry->was_sent;
      if (!is_hopeless) return;  // sent when an answer or a connection comes
      state->mutations.settle(entry, pass(std::move(call)));
      continue;
    }
    count_request(Mutate::kType);
    spawn(state->group, await_mutation(state, entry, std::move(*call), channel));
  }
}

TrackerClient::TrackerClient(Executor executor, Network& network, Timer& timer,
                             TrackerEvents& events, Options options)
    : state_(std::make_shared<State>(std::move(executor), network, timer, events,
                                     std::move(options))) {}

TrackerClient::~TrackerClient() = default;

Task<Result<void>> TrackerClient::start(Deadline deadline) {
  const SharedState state = state_;
  if (!std::exchange(state->is_started, true)) spawn(state->group, keep_session(state));
  Result<void> settled =
      co_await base::with_deadline(state->timer, deadline, state->settled.wait());
  if (state->is_stopping) co_return std::unexpected(stopped());
  if (settled && !state->last_failure) co_return base::ok();
  if (!settled && settled.error().code() != Errc::timed_out) co_return settled;
  if (state->last_failure && settled) co_return std::unexpected(*state->last_failure);
  const std::string why =
      state->last_failure ? state->last_failure->message() : "it does not answer";
  co_return fail(Errc::timed_out, "no session with the tracker: {}", why);
}

Task<void> TrackerClient::stop(bool abruptly) {
  const SharedState state = state_;
  if (std::exchange(state->is_stopping, true)) {
    co_await state->group.stop();
    co_return;
  }
  const std::shared_ptr<RpcChannel> channel = state->current();
  if (channel && !abruptly) {
    auto closed = co_await channel->call(CloseSession{}, state->after(kGoodbyeTime));
    channel->close(!closed.has_value());
  } else if (channel) {
    channel->close(true);
  }
  co_await state->group.stop();
  state->mutations.fail_all(stopped());
  state->is_connected.store(false);
  state->lease_end.store(SteadyTime::min().time_since_epoch().count());
  state->connected.set();
  state->settled.set();
}

Task<RpcRouter::RawReply> TrackerClient::call_raw(std::uint16_t type, Bytes body,
                                                  Deadline deadline) {
  const SharedState state = state_;
  const std::uint64_t losses = state->losses;
  for (;;) {
    Result<void> is_connected = co_await wait_until_connected(state, deadline);
    if (!is_connected) co_return pass(std::move(is_connected));
    if (state->losses != losses) co_return std::unexpected(lost_session());
    const std::shared_ptr<RpcChannel> channel = state->current();
    const std::uint64_t voids = state->voids;
    count_request(type);
    RpcRouter::RawReply answer = co_await channel->call_raw(type, body, deadline);
    if (!answer && answer.error().code() == Errc::stale && channel->is_open()) {
      co_await settle_staleness(state, channel);
      if (channel->is_open()) co_return answer;
      continue;
    }
    if (state->losses != losses) co_return std::unexpected(lost_session());
    const bool is_lost =
        !answer && answer.error().code() == Errc::unreachable && !channel->is_open();
    if (!is_lost && state->voids == voids) co_return answer;
  }
}

Task<Result<std::vector<OperationReply>>> TrackerClient::mutate(std::vector<Operation> operations,
                                                                Deadline deadline) {
  const SharedState state = state_;
  if (operations.empty()) co_return std::vector<OperationReply>{};
  CHECK(operations.size() <= kMaxOperations, "{} operations in one call", operations.size());
  if (state->is_stopping) co_return std::unexpected(stopped());
  const MutationQueue::Shared entry = state->mutations.add(std::move(operations));
  send_mutations(state);
  Result<void> waited =
      co_await base::with_deadline(state->timer, deadline, wait_for_mutation(entry));
  if (entry->result) {
    if (!*entry->result) co_return pass(std::move(*entry->result));
    for (const Operation& operation : entry->message.operations) {
      state->journal_applied = std::max(state->journal_applied, operation.journal);
    }
    co_return std::move((*entry->result)->replies);
  }
  const bool was_never_sent = state->mutations.withdraw(entry);
  if (waited) co_return std::unexpected(stopped());
  if (waited.error().code() == Errc::timed_out && was_never_sent) {
    const std::string why = state->last_failure ? state->last_failure->message() : "no answer";
    co_return fail(Errc::unreachable, "no tracker: {}", why);
  }
  co_return pass(std::move(waited));
}

Task<Result<OperationReply>> TrackerClient::mutate_one(Operation operation, Deadline deadline) {
  std::vector<Operation> operations;
  operations.push_back(std::move(operation));
  auto replies = co_await mutate(std::move(operations), deadline);
  if (!replies) co_return pass(std::move(replies));
  OperationReply reply = std::move(replies->front());
  if (reply.error) co_return std::unexpected(Error(*reply.error, std::move(reply.context)));
  co_return reply;
}

SteadyTime TrackerClient::lease_end() const {
  return SteadyTime(Duration(state_->lease_end.load()));
}
bool TrackerClient::is_connected() const { return state_->is_connected.load(); }
std::uint64_t TrackerClient::session_generation() const { return state_->generation.load(); }
SwarmTotals TrackerClient::totals() const {
  const base::MutexLock lock(state_->mutex);
  return state_->totals;
}
const Bytes& TrackerClient::swarm() const { return state_->swarm; }
std::string TrackerClient::swarm_name() const { return state_->swarm_name; }
SessionId TrackerClient::session() const { return state_->session; }
std::uint64_t TrackerClient::journal_applied() const { return state_->journal_applied; }

}  // namespace shoal::wire
