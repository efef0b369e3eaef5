// SPDX-License-Identifier: MIT
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/task.h"
#include "tracker/driver.h"
#include "tracker/inputs.h"
#include "wire/rpc.h"

namespace shoal::tracker {

/// The tracker on the network: turns requests on connections into inputs of the core, and the
/// core's outputs into replies and pushes. Replies and pushes to one connection leave in the order
/// in which the core put them out. Owner: the daemon's main. Thread: the loop.
class Service {
 public:
  /// Paths that match, for Find; the service adds what the core knows of each.
  struct Paths {
    std::deque<std::string> paths;
    bool is_truncated = false;
  };
  using FindPaths = std::function<Task<Result<Paths>>(wire::Find request)>;
  using Submit = std::function<void(Input)>;

  Service(Executor executor, Timer& timer, Submit submit, FindPaths find_paths);
  ~Service();  // after stop()

  /// Accepts connections until stop(). Strangers get no further than Join; is_control is for the
  /// tracker's own Unix socket.
  void serve(std::unique_ptr<wire::Listener> listener, bool is_control);
  /// What the driver delivers.
  void deliver(std::vector<Output> outputs);
  /// Closes listeners and connections, and returns when all tasks have ended.
  Task<void> stop();

 private:
  struct Channel;
  struct Waiter;

  template <class Request>
  void route();
  template <class Request>
  Task<Result<typename Request::Reply>> ask(wire::RequestContext context, Request request);
  Task<Result<AnyReply>> submit_and_wait(ConnectionId connection, AnyRequest request);
  Task<Result<wire::FindReply>> find(wire::RequestContext context, wire::Find request);

  Task<void> accept(wire::Listener& listener, bool is_control);
  Task<void> run_channel(std::unique_ptr<wire::Connection> connection, bool is_control);
  Task<void> close_strangers(Channel& channel);
  Task<void> push_behind_replies(std::vector<Push> pushes);
  void push(Push push);
  Task<void> send_event(Channel& channel, SessionId session, wire::Invalidate event);
  Task<void> send_event(Channel& channel, SessionId session, wire::Recall event);
  Task<void> send_orders(Channel& channel, SessionId session, wire::CopyOrders orders);
  template <class Message>
  Task<void> tell(Channel& channel, SessionId session, Message message);

  Executor executor_;
  Timer& timer_;
  Submit submit_;
  FindPaths find_paths_;
  wire::RpcRouter router_;
  std::vector<std::unique_ptr<wire::Listener>> listeners_;
  std::unordered_map<ConnectionId, Channel*> channels_;
  std::unordered_map<const wire::RpcChannel*, ConnectionId> connections_;
  std::unordered_map<Token, Waiter*> waiters_;
  std::uint64_t last_connection_ = 0;
  std::uint64_t last_token_ = 0;
  TaskGroup group_;
};

}  // namespace shoal::tracker
