// SPDX-License-Identifier: MIT
//                  connect, OpenSession
//   no connection ---------------------> connected --- heartbeat every 5 s ---+
//        ^                                   |  ^                             |
//        +--- reset by us, lost, no answer --+  +------- lease renewed -------+
//
// The session outlives its connections: each new one resumes it. Only the tracker's word that it is
// over (stale, or another session in return) makes a new one.
#include "wire/tracker_session.h"

#include <algorithm>

#include "base/log.h"

namespace shoal::wire {
namespace {

using SharedState = std::shared_ptr<TrackerClient::State>;
using Channel = std::shared_ptr<RpcChannel>;

constexpr std::chrono::milliseconds kFirstPause{50};
constexpr std::chrono::seconds kLastPause{2};
/// A connection that leaves a question unanswered for so long is given up for a new one, while
/// there is still lease left to resume the session in.
constexpr std::chrono::seconds kPatience{10};
/// A lease longer than this is not believed.
constexpr std::chrono::hours kMaxLease{1};

bool is_final(Errc code) { return code == Errc::unauthenticated || code == Errc::version_mismatch; }

template <class Event, class Reply>
void route(RpcRouter& router, TrackerEvents& events,
           Task<Result<Reply>> (TrackerEvents::*handler)(Event)) {
  router.on<Event>([&events, handler](RequestContext, Event event) {
    return (events.*handler)(std::move(event));
  });
}

Task<Result<Empty>> take_members(TrackerEvents& events, Members members) {
  events.members(std::move(members));
  co_return Empty{};
}

Task<Result<OpenSessionReply>> ask_for_session(SharedState state, Channel channel) {
  OpenSession request;
  request.resume = state->session;
  request.name = state->options.name;
  request.endpoints = state->options.endpoints;
  request.capacity = state->events.capacity();
  if (request.resume) request.reclaims = state->events.reclaims();
  auto reply = co_await channel->call(std::move(request), state->after(kPatience));
  co_return reply;
}

/// A tracker that has restarted knows the session, but not its locks. It must hear of them before
/// anything else: locks and unlocks wait until the session is adopted.
Task<Result<void>> claim_locks(SharedState state, Channel channel) {
  const std::vector<LockClaim> all = state->events.lock_claims();
  auto next = all.begin();
  do {
    const auto count = std::min<std::ptrdiff_t>(all.end() - next, kMaxLockClaims);
    ClaimLocks request{{next, next + count}, next + count == all.end()};
    next += count;
    auto reply = co_await channel->call(std::move(request), state->after(kPatience));
    if (!reply) co_return pass(std::move(reply));
  } while (next != all.end());
  co_return base::ok();
}

Task<Result<void>> open_session(SharedState state, Channel channel) {
  SteadyTime sent = state->timer.clock().steady();
  const SessionId asked = state->session;
  auto reply = co_await ask_for_session(state, channel);
  if (!reply && reply.error().code() == Errc::stale && asked) {
    state->lose_session("the tracker ended it");
    sent = state->timer.clock().steady();
    reply = co_await ask_for_session(state, channel);
  }
  if (!reply) co_return pass(std::move(reply));
  const Bytes& expected = state->options.expected_swarm;
  if (!expected.empty() && reply->swarm != expected) {
    co_return fail(Errc::unauthenticated, "the tracker serves another swarm, \"{}\"",
                   base::printable(reply->swarm_name));
  }
  if (!reply->session) co_return fail(Errc::corrupt, "the tracker opened session 0");
  if (state->session && (!reply->resumed || reply->session != state->session)) {
    state->lose_session("the tracker began another one");
  }
  if (state->session && reply->tracker_boot != state->tracker_boot) {
    Result<void> claimed = co_await claim_locks(state, channel);
    if (!claimed) co_return claimed;
  }
  state->adopt_session(*reply, sent, std::move(channel));
  co_return base::ok();
}

/// Heartbeats until the connection ends or leaves one unanswered.
Task<Result<void>> keep_alive(SharedState state, Channel channel) {
  for (;;) {
    Result<void> waited = co_await state->timer.wait_for(kHeartbeatInterval);
    if (!waited) co_return waited;
    if (!channel->is_open()) co_return fail(Errc::unreachable, "the connection ended");
    const SteadyTime sent = state->timer.clock().steady();
    Heartbeat heartbeat{state->events.capacity()};
    auto reply = co_await channel->call(std::move(heartbeat), state->after(kPatience));
    if (!reply) co_return pass(std::move(reply));
    if (state->current() != channel) co_return fail(Errc::unreachable, "the connection ended");
    state->renew_lease(sent);
    state->keep_totals(reply->totals);
  }
}

Task<void> hold_session(SharedState state, Channel channel) {
  Result<void> held = co_await open_session(state, channel);
  if (held) {
    send_mutations(state);
    state->events.connected();
    held = co_await keep_alive(state, channel);
  }
  if (state->is_stopping) co_return;  // stop() says goodbye
  if (!held && channel->is_open()) state->note_failure(held.error());
  channel->close(true);
}

/// One connection, from its beginning to its end.
Task<Result<void>> serve_connection(SharedState state) {
  auto connection = co_await state->network.connect(
      state->options.tracker, state->options.tracker_id, state->after(kPatience));
  if (!connection) co_return pass(std::move(connection));
  const auto channel = std::make_shared<RpcChannel>(state->executor, state->timer,
                                                    std::move(*connection), state->router);
  spawn(state->group, hold_session(state, channel));
  (void)co_await channel->run();
  if (state->channel == channel) state->connection_lost();
  co_return base::ok();
}

}  // namespace

TrackerClient::State::State(Executor executor_, Network& network_, Timer& timer_,
                            TrackerEvents& events_, Options options_)
    : executor(std::move(executor_)),
      network(network_),
      timer(timer_),
      events(events_),
      options(std::move(options_)),
      group(executor),
      jitter(options.jitter_seed != 0 ? options.jitter_seed : base::system_seed()),
      connected(executor),
      settled(executor),
      mutations(executor),
      lease_end(SteadyTime::min().time_since_epoch().count()) {
  route(router, events, &TrackerEvents::invalidate);
  route(router, events, &TrackerEvents::recall);
  route(router, events, &TrackerEvents::copy_orders);
  route(router, events, &TrackerEvents::release_orders);
  router.on<Members>([&events = events](RequestContext, Members members) {
    return take_members(events, std::move(members));
  });
}

std::shared_ptr<RpcChannel> TrackerClient::State::current() const {
  return channel && channel->is_open() ? channel : nullptr;
}

void TrackerClient::State::renew_lease(SteadyTime sent) {
  lease_end.store((sent + lease).time_since_epoch().count());
}

void TrackerClient::State::keep_totals(const SwarmTotals& now) {
  const base::MutexLock lock(mutex);
  totals = now;
}

void TrackerClient::State::lose_session(std::string_view why) {
  base::log_warning("session lost session={} reason=\"{}\"", session, why);
  lease_end.store(SteadyTime::min().time_since_epoch().count());
  session = SessionId{};
  ++losses;
  ++voids;
  events.caches_void(true);
  generation.fetch_add(1);  // what comes now belongs to the session that is yet to be opened
  mutations.fail_all(Error(Errc::stale, "the session with the tracker ended"));
}

void TrackerClient::State::adopt_session(const OpenSessionReply& reply, SteadyTime sent,
                                         std::shared_ptr<RpcChannel> on) {
  const bool is_new = !session;
  if (is_new) {
    if (generation.load() == 0) generation.store(1);
    mutations.start_numbering(reply.last_sequence);
  } else {
    if (reply.tracker_boot != tracker_boot) {
      ++voids;
      events.caches_void(false);
    }
    mutations.requeue();
  }
  session = reply.session;
  tracker_boot = reply.tracker_boot;
  journal_applied = reply.journal_applied;
  swarm = reply.swarm;
  swarm_name = reply.swarm_name;
  const auto longest = static_cast<std::uint64_t>(Duration(kMaxLease).count());
  lease = Duration(static_cast<std::int64_t>(std::min(reply.lease_nanoseconds, longest)));
  keep_totals(reply.totals);
  renew_lease(sent);
  base::log_info("session {} session={} tracker={} address={}", is_new ? "opened" : "resumed",
                 session, on->remote().short_hex(), on->remote_address());
  channel = std::move(on);
  last_failure.reset();
  is_connected.store(true);
  connected.set();
  settled.set();
}

void TrackerClient::State::connection_lost() {
  channel.reset();
  connected.reset();
  is_connected.store(false);
  if (!is_stopping) base::log_warning("connection to the tracker lost session={}", session);
}

void TrackerClient::State::note_failure(Error error) {
  const bool is_news = !last_failure || last_failure->code() != error.code();
  if (is_news) {
    base::log_warning("no session with the tracker, trying on reason=\"{}\"", error.message());
  } else {
    base::log_debug("no session with the tracker reason=\"{}\"", error.message());
  }
  const bool is_over = is_final(error.code());
  last_failure.emplace(std::move(error));
  if (is_over) settled.set();
}

Task<void> keep_session(SharedState state) {
  Duration pause = kFirstPause;
  while (!state->is_stopping) {
    const std::uint64_t generation = state->generation.load();
    const SteadyTime began = state->timer.clock().steady();
    Result<void> served = co_await serve_connection(state);
    if (state->is_stopping) co_return;
    if (!served) state->note_failure(served.error());
    const bool is_better = state->generation.load() != generation ||
                           state->timer.clock().steady() - began > kLastPause;
    if (served && is_better) pause = kFirstPause;
    const auto spread = state->jitter.below(static_cast<std::uint64_t>(pause.count()));
    Result<void> waited =
        co_await state->timer.wait_for(pause / 2 + Duration(static_cast<std::int64_t>(spread)));
    if (!waited) co_return;
    pause = std::min<Duration>(pause * 2, kLastPause);
  }
}

Task<Result<void>> wait_until_connected(SharedState state, Deadline deadline) {
  while (!state->is_stopping && !state->current()) {
    state->connected.reset();
    Result<void> waited =
        co_await base::with_deadline(state->timer, deadline, state->connected.wait());
    if (waited) continue;
    if (waited.error().code() != Errc::timed_out) co_return waited;
    const std::string why = state->last_failure ? state->last_failure->message() : "not connected";
    co_return fail(Errc::unreachable, "no tracker: {}", why);
  }
  if (state->is_stopping) co_return fail(Errc::canceled, "stopped");
  co_return base::ok();
}

}  // namespace shoal::wire
