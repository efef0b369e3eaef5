// SPDX-License-Identifier: MIT
// How shoal awaits Asio operations, and the names that moved between Asio 1.22 and 1.30.
//
//   auto got = co_await socket.async_read_some(buffer, base::use_task);
//   const auto [failure, count] = got;
//   if (failure) co_return std::unexpected(error_from(failure, "reading the header"));
#pragma once

#include <asio/async_result.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/error_code.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#if __has_include(<asio/as_tuple.hpp>)
#include <asio/as_tuple.hpp>
#else
#include <asio/experimental/as_tuple.hpp>
#endif

#include <string_view>
#include <tuple>
#include <utility>

#include "base/task.h"

namespace shoal::base {

#if __has_include(<asio/as_tuple.hpp>)
using asio::as_tuple_t;
#else
using asio::experimental::as_tuple_t;
#endif

/// Completion token: the operation becomes a Task of its arguments, a tuple that starts with the
/// error_code. Unlike a bare as_tuple(use_awaitable) it notices a cancellation that came before
/// the operation began: then it fails with operation_aborted at once instead of waiting.
struct use_task_t {};
inline constexpr use_task_t use_task{};

/// The kind of an Asio failure: operation_aborted -> canceled; end of stream, resets and unknown
/// hosts -> unreachable; errno as in errc_from_errno(); all else (TLS too) -> io.
Errc errc_from(const asio::error_code& failure);
/// The same with a sentence: "doing: Connection refused".
Error error_from(const asio::error_code& failure, std::string_view doing);

}  // namespace shoal::base

template <class... Args>
class asio::async_result<shoal::base::use_task_t, void(asio::error_code, Args...)> {
 public:
  using return_type = shoal::base::Task<std::tuple<asio::error_code, Args...>>;

  template <class Initiation, class... InitArgs>
  static return_type initiate(Initiation initiation, shoal::base::use_task_t, InitArgs... args) {
    using Token = shoal::base::as_tuple_t<asio::use_awaitable_t<shoal::base::Executor>>;
    const bool is_canceled = co_await shoal::base::cancel_requested();
    if (is_canceled) {
      co_return std::tuple<asio::error_code, Args...>(asio::error::operation_aborted, Args{}...);
    }
    Token token(asio::use_awaitable_t<shoal::base::Executor>{});
    auto done = co_await asio::async_initiate<Token, void(asio::error_code, Args...)>(
        std::move(initiation), token, std::move(args)...);
    co_return done;
  }
};
