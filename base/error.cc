// SPDX-License-Identifier: MIT
#include "base/error.h"

#include <fmt/format.h>

namespace shoal::base {

std::string_view name(Errc code) {
  switch (code) {
    case Errc::invalid:
      return "invalid";
    case Errc::not_found:
      return "not_found";
    case Errc::exists:
      return "exists";
    case Errc::not_directory:
      return "not_directory";
    case Errc::is_directory:
      return "is_directory";
    case Errc::not_empty:
      return "not_empty";
    case Errc::not_permitted:
      return "not_permitted";
    case Errc::access_denied:
      return "access_denied";
    case Errc::name_too_long:
      return "name_too_long";
    case Errc::too_many_links:
      return "too_many_links";
    case Errc::too_large:
      return "too_large";
    case Errc::no_space:
      return "no_space";
    case Errc::no_attribute:
      return "no_attribute";
    case Errc::unsupported:
      return "unsupported";
    case Errc::read_only:
      return "read_only";
    case Errc::busy:
      return "busy";
    case Errc::stale:
      return "stale";
    case Errc::conflict:
      return "conflict";
    case Errc::corrupt:
      return "corrupt";
    case Errc::io:
      return "io";
    case Errc::timed_out:
      return "timed_out";
    case Errc::canceled:
      return "canceled";
    case Errc::unreachable:
      return "unreachable";
    case Errc::unauthenticated:
      return "unauthenticated";
    case Errc::version_mismatch:
      return "version_mismatch";
    case Errc::out_of_range:
      return "out_of_range";
    case Errc::internal:
      return "internal";
  }
  return "unknown";
}

bool is_retryable(Errc code) {
  return code == Errc::busy || code == Errc::timed_out || code == Errc::unreachable;
}

Error Error::with(std::string_view outer) const& {
  return Error(code_, fmt::format("{}: {}", outer, context_));
}

Error Error::with(std::string_view outer) && {
  context_.insert(0, ": ");
  context_.insert(0, outer);
  return std::move(*this);
}

std::string Error::message() const {
  if (context_.empty()) return std::string(name(code_));
  return fmt::format("{} ({})", context_, name(code_));
}

}  // namespace shoal::base
