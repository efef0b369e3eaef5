// SPDX-License-Identifier: MIT
// Names to addresses. The system's resolver blocks for as long as it likes and cannot be
// interrupted, so the asker only shares the answer's place with the look-up and may leave.
#include <asio/cancellation_signal.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/this_coro.hpp>
#include <cstring>
#include <memory>

#include "base/asio_alias.h"
#include "base/launch.h"
#include "wire/socket_address.h"

namespace shoal::wire {
namespace {

using Resolver = asio::ip::basic_resolver<asio::ip::tcp, Executor>;

struct Lookup {
  explicit Lookup(const Executor& executor) : done(executor) {}
  asio::cancellation_signal never;
  base::Signal done;
  asio::error_code failure;
  std::vector<SocketAddress> addresses;
};

Task<void> look_up(std::shared_ptr<Lookup> lookup, Endpoint endpoint) {
  const Executor executor = co_await asio::this_coro::executor;
  Resolver resolver(executor);
  const auto found =
      co_await resolver.async_resolve(endpoint.host, std::to_string(endpoint.port), base::use_task);
  lookup->failure = std::get<0>(found);
  for (const auto& entry : std::get<1>(found)) {
    const asio::ip::tcp::endpoint address = entry.endpoint();
    SocketAddress& copy = lookup->addresses.emplace_back();
    std::memcpy(&copy.storage, address.data(), address.size());
    copy.size = static_cast<socklen_t>(address.size());
  }
  lookup->done.set();
}

}  // namespace

Task<Result<std::vector<SocketAddress>>> resolve(Endpoint endpoint) {
  auto literal = parse_address(endpoint);
  if (literal) co_return std::vector<SocketAddress>{*literal};
  const Executor executor = co_await asio::this_coro::executor;
  const auto lookup = std::make_shared<Lookup>(executor);
  base::detail::launch(executor, lookup->never.slot(), look_up(lookup, endpoint), [lookup] {});
  Result<void> done = co_await lookup->done.wait();
  if (!done) co_return pass(std::move(done));
  if (lookup->failure || lookup->addresses.empty()) {
    co_return fail(Errc::unreachable, "\"{}\" has no address: {}", base::printable(endpoint.host),
                   lookup->failure.message());
  }
  co_return std::move(lookup->addresses);
}

}  // namespace shoal::wire
