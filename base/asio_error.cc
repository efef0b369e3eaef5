// SPDX-License-Identifier: MIT
#include <asio/ssl/error.hpp>

#include "base/asio_alias.h"
#include "base/file.h"

namespace shoal::base {

Errc errc_from(const asio::error_code& failure) {
  if (failure == asio::error::operation_aborted) return Errc::canceled;
  if (failure.category() == asio::error::get_system_category()) {
    return errc_from_errno(failure.value());
  }
  if (failure == asio::error::eof || failure == asio::ssl::error::stream_truncated ||
      failure.category() == asio::error::get_netdb_category()) {
    return Errc::unreachable;
  }
  return Errc::io;
}

Error error_from(const asio::error_code& failure, std::string_view doing) {
  return Error(errc_from(failure), fmt::format("{}: {}", doing, failure.message()));
}

}  // namespace shoal::base
