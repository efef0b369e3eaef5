// SPDX-License-Identifier: MIT
#include "tracker/service.h"

#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/metrics.h"
#include "wire/codec.h"
#include "wire/limits.h"

namespace shoal::tracker {
namespace {

// How long a peer may take over an Invalidate before the tracker stops believing in the connection;
// it is sent again on the next one. A Recall may take as long as the session lives: a writer may
// have much to hash.
constexpr Duration kInvalidateTime = wire::kLeaseTerm;
// After as many events to one peer as may be under way at once.
constexpr Duration kBusyPause = std::chrono::milliseconds(5);
// A connection that has not become a member's by then is closed.
constexpr Duration kStrangerTime = wire::kHandshakeTime;
// What Find answers stays far below the largest frame.
constexpr std::size_t kMaxFoundBytes = wire::kMaxBodyBytes / 2;
// Paths that the core looks at in one go: others wait meanwhile.
constexpr std::size_t kDescribedAtOnce = 256;

/// The next paths to ask the core about, taken out of the list.
Describe take_some(std::deque<std::string>& paths) {
  Describe some;
  while (!paths.empty() && some.paths.size() < kDescribedAtOnce) {
    some.paths.push_back(std::move(paths.front()));
    paths.pop_front();
  }
  return some;
}

std::size_t encoded_bytes(const wire::Found& found) {
  return wire::encode(wire::FindReply{{found}, false}).size();
}

}  // namespace

/// One connection while it lives.
struct Service::Channel {
  Channel(Executor executor, Timer& timer, std::unique_ptr<wire::Connection> connection,
          const wire::RpcRouter& router)
      : rpc(executor, timer, std::move(connection), router), tasks(executor) {}

  ConnectionId id;
  bool has_session = false;
  wire::RpcChannel rpc;
  TaskGroup tasks;  ///< pushes under way
};

/// A request whose reply is to come.
struct Service::Waiter {
  explicit Waiter(const Executor& executor) : answered(executor) {}
  base::Signal answered;
  std::optional<Result<AnyReply>> reply;
};

Service::Service(Executor executor, Timer& timer, Submit submit, FindPaths find_paths)
    : executor_(std::move(executor)),
      timer_(timer),
      submit_(std::move(submit)),
      find_paths_(std::move(find_paths)),
      group_(executor_) {
  route<wire::Join>();
  route<wire::OpenSession>();
  route<wire::Heartbeat>();
  route<wire::CloseSession>();
  route<wire::AllocateInodes>();
  route<wire::Lookup>();
  route<wire::GetInode>();
  route<wire::ReadDirectory>();
  route<wire::GetXattrs>();
  route<wire::GetParent>();
  route<wire::Mutate>();
  route<wire::Delegate>();
  route<wire::ReturnDelegation>();
  route<wire::CloseOrphan>();
  route<wire::Locate>();
  route<wire::Announce>();
  route<wire::MayDrop>();
  route<wire::Status>();
  route<wire::Resolve>();
  route<wire::Invite>();
  route<wire::Lock>();
  route<wire::Unlock>();
  route<wire::TestLock>();
  route<wire::ClaimLocks>();
  router_.on<wire::Find>([this](wire::RequestContext context, wire::Find request) {
    return find(context, std::move(request));
  });
}

Service::~Service() = default;

// ---- requests

template <class Request>
void Service::route() {
  router_.on<Request>([this](wire::RequestContext context, Request request) {
    return ask(context, std::move(request));
  });
}

template <class Request>
Task<Result<typename Request::Reply>> Service::ask(wire::RequestContext context, Request request) {
  const ConnectionId connection = connections_.at(context.channel);
  auto reply = co_await submit_and_wait(connection, std::move(request));
  if (!reply) co_return pass(std::move(reply));
  auto* message = std::get_if<typename Request::Reply>(&*reply);
  CHECK(message != nullptr, "the core gave another reply than request {} has", Request::kType);
  if constexpr (std::is_same_v<Request, wire::OpenSession>) {
    channels_.at(connection)->has_session = true;
  }
  co_return std::move(*message);
}

Task<Result<AnyReply>> Service::submit_and_wait(ConnectionId connection, AnyRequest request) {
  const Token token(++last_token_);
  Waiter waiter(executor_);
  waiters_.emplace(token, &waiter);
  submit_(Request{connection, token, std::move(request)});
  auto waited = co_await waiter.answered.wait();
  waiters_.erase(token);
  if (!waited) {
    submit_(Canceled{token});
    co_return pass(waited);
  }
  co_return std::move(*waiter.reply);
}

Task<Result<wire::FindReply>> Service::find(wire::RequestContext context, wire::Find request) {
  const ConnectionId connection = connections_.at(context.channel);
  auto allowed = co_await submit_and_wait(connection, wire::Status{});  // members only
  if (!allowed) co_return pass(std::move(allowed));
  auto paths = co_await find_paths_(std::move(request));
  if (!paths) co_return pass(std::move(paths));
  wire::FindReply reply;
  reply.is_truncated = paths->is_truncated;
  std::size_t bytes = 0;
  while (!paths->paths.empty()) {
    auto described = co_await submit_and_wait(connection, take_some(paths->paths));
    if (!described) co_return pass(std::move(described));
    for (wire::Found& found : std::get<wire::FindReply>(*described).found) {
      bytes += encoded_bytes(found);
      if (bytes > kMaxFoundBytes) {
        reply.is_truncated = true;
        co_return reply;
      }
      reply.found.push_back(std::move(found));
    }
  }
  co_return reply;
}

// ---- connections

void Service::serve(std::unique_ptr<wire::Listener> listener, bool is_control) {
  listeners_.push_back(std::move(listener));
  spawn(group_, accept(*listeners_.back(), is_control));
}

Task<void> Service::accept(wire::Listener& listener, bool is_control) {
  for (;;) {
    auto connection = co_await listener.accept();
    if (!connection) {
      if (connection.error().code() != Errc::busy) co_return;
      auto waited = co_await timer_.wait_for(std::chrono::milliseconds(100));
      if (!waited) co_return;
      continue;
    }
    if (channels_.size() >= wire::kMaxConnections) {
      base::counter("shoal_tracker_connections_refused_total").add();
      (*connection)->close();
      continue;
    }
    spawn(group_, run_channel(std::move(*connection), is_control));
  }
}

Task<void> Service::run_channel(std::unique_ptr<wire::Connection> connection, bool is_control) {
  const PeerId remote = connection->remote();
  Channel channel(executor_, timer_, std::move(connection), router_);
  channel.id = ConnectionId(++last_connection_);
  channels_.emplace(channel.id, &channel);
  connections_.emplace(&channel.rpc, channel.id);
  submit_(Connected{channel.id, remote, is_control});
  if (!is_control) spawn(channel.tasks, close_strangers(channel));

  const wire::CloseReason reason = co_await channel.rpc.run();
  co_await channel.tasks.stop();
  channels_.erase(channel.id);
  connections_.erase(&channel.rpc);
  // Only a connection that ended in order tells that the process behind it is gone.
  submit_(Disconnected{channel.id, reason == wire::CloseReason::finished});
}

Task<void> Service::close_strangers(Channel& channel) {
  auto waited = co_await timer_.wait_for(kStrangerTime);
  if (!waited || channel.has_session) co_return;
  base::counter("shoal_tracker_strangers_closed_total").add();
  channel.rpc.close(true);
}

Task<void> Service::stop() {
  for (const auto& listener : listeners_) listener->close();
  for (const auto& [id, channel] : channels_) channel->rpc.close();
  co_await group_.stop();
}

// ---- what the core puts out

void Service::deliver(std::vector<Output> outputs) {
  std::vector<Push> pushes;
  for (Output& output : outputs) {
    if (auto* reply = std::get_if<Reply>(&output)) {
      const auto waiter = waiters_.find(reply->token);
      if (waiter == waiters_.end()) continue;
      waiter->second->reply = std::move(reply->result);
      waiter->second->answered.set();
    } else if (auto* message = std::get_if<Push>(&output)) {
      pushes.push_back(std::move(*message));
    } else if (auto* disconnect = std::get_if<Disconnect>(&output)) {
      const auto channel = channels_.find(disconnect->connection);
      if (channel != channels_.end()) channel->second->rpc.close(true);
    }
  }
  if (!pushes.empty()) spawn(group_, push_behind_replies(std::move(pushes)));
}

/// Those who wait for replies are woken through the loop's queue: behind them, a peer that is
/// granted a delegation hears of it before it is asked to give it back.
Task<void> Service::push_behind_replies(std::vector<Push> pushes) {
  co_await asio::post(executor_, asio::use_awaitable);
  for (Push& each : pushes) push(std::move(each));
}

void Service::push(Push push) {
  const auto found = channels_.find(push.connection);
  if (found == channels_.end()) return;  // the core will hear that it has ended
  Channel& channel = *found->second;
  if (auto* invalidate = std::get_if<wire::Invalidate>(&push.message)) {
    spawn(channel.tasks, send_event(channel, push.session, std::move(*invalidate)));
  } else if (auto* recall = std::get_if<wire::Recall>(&push.message)) {
    spawn(channel.tasks, send_event(channel, push.session, *recall));
  } else if (auto* orders = std::get_if<wire::CopyOrders>(&push.message)) {
    spawn(channel.tasks, send_orders(channel, push.session, std::move(*orders)));
  } else if (auto* releases = std::get_if<wire::ReleaseOrders>(&push.message)) {
    spawn(channel.tasks, tell(channel, push.session, std::move(*releases)));
  } else if (auto* members = std::get_if<wire::Members>(&push.message)) {
    spawn(channel.tasks, tell(channel, push.session, std::move(*members)));
  }
}

Task<void> Service::send_event(Channel& channel, SessionId session, wire::Invalidate event) {
  const EventId id = event.event;
  const Deadline deadline = Deadline::after(timer_.clock(), kInvalidateTime);
  // What the peer asks after its answer it asks as one who has answered.
  const auto take = [this, session, id](wire::InvalidateReply reply) {
    submit_(EventAnswer{session, id, std::move(reply)});
  };
  Result<void> told = co_await channel.rpc.call_in_order(event, deadline, take);
  while (!told && told.error().code() == Errc::busy && channel.rpc.is_open()) {
    auto waited = co_await timer_.wait_for(kBusyPause);
    if (!waited) co_return;
    told = co_await channel.rpc.call_in_order(event, deadline, take);
  }
  if (!told && channel.rpc.is_open()) {
    base::log_warning("a peer does not invalidate, resetting its connection peer={} error={}",
                      channel.rpc.remote().short_hex(), told.error().message());
    channel.rpc.close(true);
  }
}

Task<void> Service::send_event(Channel& channel, SessionId session, wire::Recall event) {
  const EventId id = event.event;
  const Deadline busy = Deadline::after(timer_.clock(), wire::kCallTime);
  auto reply = co_await channel.rpc.call(event, Deadline::never());
  while (!reply && reply.error().code() == Errc::busy && channel.rpc.is_open() &&
         !busy.has_passed(timer_.clock())) {
    auto waited = co_await timer_.wait_for(kBusyPause);
    if (!waited) co_return;
    reply = co_await channel.rpc.call(event, Deadline::never());
  }
  if (reply) {
    submit_(EventAnswer{session, id, *reply});
  } else if (channel.rpc.is_open()) {
    submit_(EventAnswer{session, id, reply.error()});
  }
}

Task<void> Service::send_orders(Channel& channel, SessionId session, wire::CopyOrders orders) {
  OrdersLost lost{channel.rpc.remote(), {}};
  for (const wire::CopyOrder& order : orders.orders) {
    lost.contents.push_back(order.located.content.id);
  }
  const Deadline deadline = Deadline::after(timer_.clock(), wire::kCallTime);
  auto reply = co_await channel.rpc.call(std::move(orders), deadline);
  if (reply) co_return;
  base::log_debug("orders are lost session={} error={}", session, reply.error().message());
  submit_(std::move(lost));
}

template <class Message>
Task<void> Service::tell(Channel& channel, SessionId session, Message message) {
  const Deadline deadline = Deadline::after(timer_.clock(), wire::kCallTime);
  auto reply = co_await channel.rpc.call(std::move(message), deadline);
  if (!reply) base::log_debug("not told session={} {}", session, reply.error().message());
}

}  // namespace shoal::tracker
