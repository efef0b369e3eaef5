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
/// that run on the loop, concurrently; a cancel frame or the channel's end cancels them. Each
/// begins in the order of arrival and runs to its first wait before the next one begins. A request
/// that does not decode is answered with corrupt.
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

/// One connection with a reader and a writer task. An unknown type, a malformed frame, an answer
/// to nothing or a flood of requests from the other side end it (up to the limit of requests at
/// once the surplus is answered with busy). Thread: the loop.
class RpcChannel {
 public:
  /// router, timer outlive the channel.
  RpcChannel(Executor executor, Timer& timer, std::unique_ptr<Connection> connection,
             const RpcRouter& router);
  ~RpcChannel();  // after run() has returned

  /// Serves until the connection ends; all handlers have ended when it returns. A connection that
  /// was not closed by close() is reset, never finished. Canceled: ends it abruptly.
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
  /// The same, but `take` gets the reply the moment it is read, before handlers of what came behind
  /// it begin. Not called after an error.
  template <class Request>
  Task<Result<void>> call_in_order(Request request, Deadline deadline,
                                   std::function<void(typename Request::Reply)> take);

  std::size_t requests_in_flight() const;

  /// A request that has been queued, whose answer is awaited by finish().
  struct Started;
  using StartedCall = std::shared_ptr<Started>;
  /// Queues an encoded request at once, without waiting for room: requests go out in the order of
  /// these calls. Errors: unreachable, busy, too_large.
  Result<StartedCall> start_raw(std::uint16_t type, Bytes body);
  /// The encoded answer. Errors: as call(). The channel may be gone before this returns.
  static Task<RpcRouter::RawReply> finish_raw(StartedCall started, Deadline deadline);
  /// Both, after waiting until the queue has room. on_answer, if any, is called as call_in_order()
  /// says.
  using OnAnswer = std::function<void(const RpcRouter::RawReply&)>;
  Task<RpcRouter::RawReply> call_raw(std::uint16_t type, Bytes body, Deadline deadline,
                                     OnAnswer on_answer = {});

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace shoal::wire

#include "wire/rpc_impl.h"
