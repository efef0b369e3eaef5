// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>

#include <expected>
#include <utility>

#include "base/error.h"

namespace shoal::base {

/// A value or an Error. Unlike std::expected itself, dropping one is a compiler warning.
template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
};

/// Success without a value, where `return {}` cannot be written: co_return ok();
inline Result<void> ok() { return {}; }

/// fail(Errc::no_space, "writing {}", key) returns from any function with a Result.
template <class... Args>
[[nodiscard]] std::unexpected<Error> fail(Errc code, fmt::format_string<Args...> format,
                                          Args&&... args) {
  return std::unexpected<Error>(Error(code, fmt::format(format, std::forward<Args>(args)...)));
}

/// Passes the error of another result up unchanged: return pass(result).
template <class T>
[[nodiscard]] std::unexpected<Error> pass(std::expected<T, Error>&& result) {
  return std::unexpected<Error>(std::move(result).error());
}
template <class T>
[[nodiscard]] std::unexpected<Error> pass(const std::expected<T, Error>& result) {
  return std::unexpected<Error>(result.error());
}

}  // namespace shoal::base

namespace shoal {
using base::fail;
using base::ok;
using base::pass;
using base::Result;
}  // namespace shoal
