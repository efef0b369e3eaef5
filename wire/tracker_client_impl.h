// SPDX-License-Identifier: MIT
// The templates of tracker_client.h. Nobody includes this directly.
#pragma once

#include <type_traits>
#include <utility>

namespace shoal::wire {

template <class Request>
Task<Result<typename Request::Reply>> TrackerClient::call(Request request, Deadline deadline) {
  static_assert(!std::is_same_v<Request, Mutate>, "operations are numbered: use mutate()");
  auto answer = co_await call_raw(Request::kType, encode(request), deadline);
  if (!answer) co_return pass(std::move(answer));
  co_return decode<typename Request::Reply>(answer->message);
}

}  // namespace shoal::wire
