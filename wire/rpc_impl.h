// SPDX-License-Identifier: MIT
// The templates of rpc.h. Nobody includes this directly.
#pragma once

#include <utility>

namespace shoal::wire::detail {

/// Counted, and told to the sender.
Error malformed_message(std::uint16_t type, const Error& why);

template <class Request, class Handler>
Task<RpcRouter::RawReply> serve(std::shared_ptr<Handler> handler, RequestContext context,
                                Bytes body) {
  auto request = decode<Request>(body);
  if (!request) co_return std::unexpected(malformed_message(Request::kType, request.error()));
  Result<typename Request::Reply> reply = co_await (*handler)(context, std::move(*request));
  if (!reply) co_return pass(std::move(reply));
  co_return WithPayload<Bytes>{encode(*reply), {}};
}

template <class Request, class Handler>
Task<RpcRouter::RawReply> serve_with_payload(std::shared_ptr<Handler> handler,
                                             RequestContext context, Bytes body) {
  auto request = decode<Request>(body);
  if (!request) co_return std::unexpected(malformed_message(Request::kType, request.error()));
  Result<WithPayload<typename Request::Reply>> reply =
      co_await (*handler)(context, std::move(*request));
  if (!reply) co_return pass(std::move(reply));
  co_return WithPayload<Bytes>{encode(reply->message), std::move(reply->payload)};
}

}  // namespace shoal::wire::detail

namespace shoal::wire {

template <class Request, class Handler>
void RpcRouter::on(Handler handler) {
  auto shared = std::make_shared<Handler>(std::move(handler));
  handlers_[Request::kType] = [shared](RequestContext context, Bytes body) {
    return detail::serve<Request, Handler>(shared, context, std::move(body));
  };
}

template <class Request, class Handler>
void RpcRouter::on_with_payload(Handler handler) {
  auto shared = std::make_shared<Handler>(std::move(handler));
  handlers_[Request::kType] = [shared](RequestContext context, Bytes body) {
    return detail::serve_with_payload<Request, Handler>(shared, context, std::move(body));
  };
}

template <class Request>
Task<Result<typename Request::Reply>> RpcChannel::call(Request request, Deadline deadline) {
  auto answer = co_await call_raw(Request::kType, encode(request), deadline);
  if (!answer) co_return pass(std::move(answer));
  co_return decode<typename Request::Reply>(answer->message);
}

template <class Request>
Task<Result<void>> RpcChannel::call_in_order(Request request, Deadline deadline,
                                             std::function<void(typename Request::Reply)> take) {
  const auto decoded = std::make_shared<Result<void>>();
  OnAnswer on_answer = [decoded, take = std::move(take)](const RpcRouter::RawReply& answer) {
    if (!answer) return;
    auto reply = decode<typename Request::Reply>(answer->message);
    if (reply) {
      take(std::move(*reply));
    } else {
      *decoded = pass(std::move(reply));
    }
  };
  auto answer = co_await call_raw(Request::kType, encode(request), deadline, std::move(on_answer));
  if (!answer) co_return pass(std::move(answer));
  co_return *decoded;
}

template <class Request>
Task<Result<WithPayload<typename Request::Reply>>> RpcChannel::call_with_payload(
    Request request, Deadline deadline) {
  auto answer = co_await call_raw(Request::kType, encode(request), deadline);
  if (!answer) co_return pass(std::move(answer));
  auto reply = decode<typename Request::Reply>(answer->message);
  if (!reply) co_return pass(std::move(reply));
  co_return WithPayload<typename Request::Reply>{std::move(*reply), std::move(answer->payload)};
}

}  // namespace shoal::wire
