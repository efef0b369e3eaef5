// SPDX-License-Identifier: MIT
// Requests and replies over one connection, in both directions, many in flight.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/task.h"
#include "wire/codec.h"
#include "wire/frame.h"
#include "wire/limits.h"
#include "wire/transport.h"

namespace shoal::wire {

class RpcChannel;

/// A reply's message with the raw bytes behind it.
template <class Message>
struct WithPayload {
  Message message;
  Bytes payload;
};

/// What a handler may know of the request it answers.
struct RequestContext {
  RpcChannel* channel = nullptr;  ///< alive until the handler's task has ended
  PeerId remote;
};

/// Maps message types to handlers; shared by all channels of a service. Handlers are coroutines
/// that run on the loop, concurrently; a cancel frame or the channel's end cancels them.
class RpcRouter {
 public:
  using RawReply = Result<WithPayload<Bytes>>;  // encoded body and payload
  using RawHandler = std::function<Task<RawReply>(RequestContext, Bytes body)>;

  /// handler: Task<Result<Request::Reply>>(RequestContext, Request).
  template <class Request, class Handler>
  void on(Handler handler);
  /// handler: Task<Result<WithPayload<Request::Reply>>>(RequestContext, Request).
  template <class Request, class Handler>
  void on_with_payload(Handler handler);

  const RawHandler* find(std::uint16_t type) const;

 private:
  std::unordered_map<std::uint16_t, RawHandler> handlers_;
};

/// One connection with a reader and a writer task. An unknown type, a malformed frame or too many
/// requests at once from the other side end it. Thread: the loop.
class RpcChannel {
 public:
  /// router, timer outlive the channel.
  RpcChannel(Executor executor, Timer& timer, std::unique_ptr<Connection> connection,
             const RpcRouter& router);
  ~RpcChannel();  // after run() has returned

  /// Serves until the connection ends; all handlers have ended when it returns.
  Task<CloseReason> run();
  void close(bool abruptly = false);
  bool is_open() const;
  const PeerId& remote() const;
  std::string remote_address() const;

  /// Errors: what the other side answered, timed_out, unreachable (the connection ended; whether
  /// the request was carried out is unknown), canceled, busy (too many in flight), corrupt.
  /// A call that times out or is canceled sends a cancel frame.
  template <class Request>
  Task<Result<typename Request::Reply>> call(Request request, Deadline deadline);
  template <class Request>
  Task<Result<WithPayload<typename Request::Reply>>> call_with_payload(Request request,
                                                                       Deadline deadline);

  std::size_t requests_in_flight() const;

 private:
  Task<RpcRouter::RawReply> call_raw(std::uint16_t type, Bytes body, Deadline deadline);
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoal::wire

#include "wire/rpc_impl.h"
