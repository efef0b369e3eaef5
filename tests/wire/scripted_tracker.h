// SPDX-License-Identifier: MIT
// A tracker that keeps sessions and numbers, and otherwise does what a test tells it to.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "tests/sim/sim_network.h"
#include "wire/locks.h"
#include "wire/messages.h"
#include "wire/rpc.h"

namespace shoal::test {

class ScriptedTracker {
 public:
  static constexpr std::chrono::seconds kLease{20};

  ScriptedTracker(Loop& loop, Timer& timer, wire::Network& network, wire::Endpoint endpoint)
      : loop_(loop),
        timer_(timer),
        network_(network),
        endpoint_(std::move(endpoint)),
        group_(loop.get_executor()) {
    router_.on<wire::OpenSession>([this](wire::RequestContext context, wire::OpenSession request) {
      return open_session(context, std::move(request));
    });
    router_.on<wire::Heartbeat>([this](wire::RequestContext, wire::Heartbeat) { return beat(); });
    router_.on<wire::CloseSession>(
        [this](wire::RequestContext, wire::CloseSession) { return close_session(); });
    router_.on<wire::ClaimLocks>([this](wire::RequestContext, wire::ClaimLocks request) {
      return claim_locks(std::move(request));
    });
    router_.on<wire::Lookup>(
        [this](wire::RequestContext, wire::Lookup request) { return look_up(std::move(request)); });
    router_.on<wire::Mutate>([this](wire::RequestContext context, wire::Mutate request) {
      return mutate(context, std::move(request));
    });
    start();
  }

  void start() {
    auto listener = network_.listen(endpoint_);
    CHECK(listener.has_value());
    listener_ = std::move(*listener);
    spawn(group_, accept_all());
  }
  Task<void> stop() {
    listener_->close();
    co_await group_.stop();
    channels_.clear();
  }
  /// The process is killed and starts again; sessions and numbers are in its database.
  Task<void> restart() {
    for (const auto& channel : channels_) channel->close(true);
    listener_->close();
    while (group_.size() != 0) (void)co_await timer_.wait_for(std::chrono::milliseconds(1));
    channels_.clear();
    ++boot;
    start();
  }
  void drop_connections(bool abruptly = true) {
    for (const auto& channel : channels_) channel->close(abruptly);
  }
  /// All sessions are over; their operations stay applied.
  void forget_sessions() { sessions_.clear(); }

  wire::RpcChannel& channel() { return *channels_.back(); }
  bool has_session(SessionId session) const { return sessions_.contains(session); }

  // What the test wants.
  std::uint64_t boot = 1;
  bool answers_heartbeats = true;
  bool knows_sessions = true;      ///< false: heartbeats and operations are refused as stale
  bool refuses_strangers = false;  ///< OpenSession: unauthenticated
  bool answers_lookups_as_stale = false;
  Duration pause{};  ///< before operations and look-ups are answered
  Bytes swarm = Bytes(16, std::byte{5});

  // What has happened.
  std::vector<std::string> applied;  ///< names created, in order
  std::vector<wire::OpenSession> opened;
  std::vector<wire::ClaimLocks> claimed;
  std::vector<wire::CloseReason> ends;
  int heartbeats = 0;
  int lookups = 0;
  int repeats = 0;  ///< operations seen again
  int closed_sessions = 0;
  SteadyTime last_heartbeat{};

 private:
  struct Session {
    std::uint64_t last = 0;
    std::map<std::uint64_t, std::string> names;
  };

  Task<void> accept_all() {
    for (;;) {
      auto connection = co_await listener_->accept();
      if (!connection) co_return;
      channels_.push_back(std::make_shared<wire::RpcChannel>(loop_.get_executor(), timer_,
                                                             std::move(*connection), router_));
      spawn(group_, serve(channels_.back()));
    }
  }
  Task<void> serve(std::shared_ptr<wire::RpcChannel> channel) {
    const wire::CloseReason reason = co_await channel->run();
    ends.push_back(reason);
    open_.erase(channel.get());
  }

  Task<Result<wire::OpenSessionReply>> open_session(wire::RequestContext context,
                                                    wire::OpenSession request) {
    opened.push_back(request);
    if (refuses_strangers) co_return fail(Errc::unauthenticated, "who are you?");
    wire::OpenSessionReply reply;
    if (request.resume && !sessions_.contains(request.resume)) {
      co_return fail(Errc::stale, "that session is over");
    }
    reply.resumed = static_cast<bool>(request.resume);
    reply.session = request.resume ? request.resume : SessionId(next_session_++);
    Session& session = sessions_[reply.session];
    open_[context.channel] = reply.session;
    reply.tracker_boot = boot;
    reply.lease_nanoseconds = static_cast<std::uint64_t>(Duration(kLease).count());
    reply.last_sequence = Sequence(session.last);
    reply.swarm = swarm;
    reply.swarm_name = "sim";
    co_return reply;
  }

  Task<Result<wire::HeartbeatReply>> beat() {
    ++heartbeats;
    last_heartbeat = timer_.clock().steady();
    if (!knows_sessions) co_return fail(Errc::stale, "that session is over");
    if (!answers_heartbeats) {
      const Result<void> waited = co_await timer_.wait_for(std::chrono::hours(1));
      if (!waited) co_return pass(waited);
    }
    wire::HeartbeatReply reply;
    reply.totals.files = static_cast<std::uint64_t>(heartbeats);
    co_return reply;
  }

  Task<Result<wire::Empty>> close_session() {
    ++closed_sessions;
    co_return wire::Empty{};
  }

  Task<Result<wire::Empty>> claim_locks(wire::ClaimLocks request) {
    claimed.push_back(std::move(request));
    co_return wire::Empty{};
  }

  Task<Result<wire::LookupReply>> look_up(wire::Lookup request) {
    ++lookups;
    const Result<void> waited = co_await timer_.wait_for(pause);
    if (!waited) co_return pass(waited);
    if (answers_lookups_as_stale) co_return fail(Errc::stale, "no longer so");
    wire::LookupReply reply;
    reply.record.emplace().target = request.name;
    co_return reply;
  }

  /// Applies at once, in the order of arrival, and answers after the pause.
  Task<Result<wire::MutateReply>> mutate(wire::RequestContext context, wire::Mutate request) {
    if (!knows_sessions) co_return fail(Errc::stale, "that session is over");
    const auto open = open_.find(context.channel);
    if (open == open_.end() || !sessions_.contains(open->second)) {
      co_return fail(Errc::stale, "that session is over");
    }
    Session& session = sessions_[open->second];
    EXPECT_LE(request.first.value(), session.last + 1) << "numbers have no gaps";
    EXPECT_LE(request.answered_below, request.first);
    wire::MutateReply reply;
    for (std::size_t i = 0; i < request.operations.size(); ++i) {
      reply.replies.push_back(apply(session, request.first.value() + i, request.operations[i]));
    }
    const Result<void> waited = co_await timer_.wait_for(pause);
    if (!waited) co_return pass(waited);
    co_return reply;
  }

  wire::OperationReply apply(Session& session, std::uint64_t number,
                             const wire::Operation& operation) {
    const std::string& name = std::get<wire::Create>(operation.change).name;
    if (number <= session.last) {
      ++repeats;
      EXPECT_EQ(session.names[number], name) << "number " << number << " means another operation";
    } else {
      session.last = number;
      session.names[number] = name;
      applied.push_back(name);
    }
    wire::OperationReply reply;
    if (name == "refused") {
      reply.error = Errc::exists;
      reply.context = "there already";
    } else {
      reply.records.emplace_back().target = name;
    }
    return reply;
  }

  Loop& loop_;
  Timer& timer_;
  wire::Network& network_;
  const wire::Endpoint endpoint_;
  wire::RpcRouter router_;
  std::unique_ptr<wire::Listener> listener_;
  std::vector<std::shared_ptr<wire::RpcChannel>> channels_;
  std::map<wire::RpcChannel*, SessionId> open_;
  std::map<SessionId, Session> sessions_;
  std::uint64_t next_session_ = 100;
  TaskGroup group_;
};

}  // namespace shoal::test
