// SPDX-License-Identifier: MIT
#include "base/check.h"
#include "wire/framed_connection.h"
#include "wire/limits.h"
#include "wire/socket_address.h"
#include "wire/socket_listener.h"
#include "wire/tls_stream.h"
#include "wire/transport.h"

namespace shoal::wire {
namespace {

using Connected = Result<std::unique_ptr<Connection>>;

/// A TLS context freed with its last handshake.
using SharedContext = std::shared_ptr<SSL_CTX>;

/// Handshake and preamble; expected is nobody on the accepting side, where any key may come.
Task<Connected> establish(Executor executor, Timer& timer, SharedContext context, tls::Role role,
                          base::Fd socket, std::string remote_address, PeerId expected) {
  auto stream = std::make_unique<tls::TlsStream>(executor, std::move(socket), context.get(), role);
  Result<void> shaken = co_await stream->handshake();
  if (!shaken) co_return pass(std::move(shaken));
  const Result<PeerId> remote = stream->remote();
  if (!remote) co_return pass(remote);
  if (expected && *remote != expected) {
    stream->close(true);
    co_return fail(Errc::unauthenticated, "{} answered with the identity {}, expected was {}",
                   remote_address, remote->short_hex(), expected.short_hex());
  }
  // With TLS 1.3 the client is done before the server has looked at its certificate; the server's
  // preamble tells that it has.
  Result<void> agreed = co_await exchange_preambles(*stream);
  if (!agreed) co_return pass(std::move(agreed));
  co_return std::make_unique<FramedConnection>(timer, std::move(stream), *remote,
                                               std::move(remote_address));
}

class TlsNetwork final : public Network {
 public:
  TlsNetwork(Loop& loop, Timer& timer, PeerId self, SharedContext context)
      : executor_(loop.get_executor()), timer_(timer), self_(self), context_(std::move(context)) {}

  const PeerId& self() const override { return self_; }

  Task<Connected> connect(Endpoint endpoint, PeerId expected, Deadline deadline) override {
    const std::string where = endpoint.text();
    auto connected =
        co_await base::with_deadline(timer_, deadline, connect_any(std::move(endpoint), expected));
    if (!connected) {
      co_return std::unexpected(connected.error().with(fmt::format("connecting to {}", where)));
    }
    co_return connected;
  }

  Result<std::unique_ptr<Listener>> listen(const Endpoint& endpoint) override {
    auto address = resolve_now(endpoint);
    if (!address) return pass(std::move(address));
    auto socket = listen_socket(*address);
    if (!socket) return std::unexpected(socket.error().with(endpoint.text()));
    Endpoint local = local_address(socket->get()).endpoint();
    Establish establish_accepted = [executor = executor_, &timer = timer_, context = context_](
                                       base::Fd accepted, std::string remote_address) {
      return establish(executor, timer, context, tls::Role::server, std::move(accepted),
                       std::move(remote_address), PeerId{});
    };
    return make_socket_listener(executor_, timer_, std::move(*socket), std::move(local),
                                std::move(establish_accepted));
  }

 private:
  /// Tries the addresses in turn; the last one's error is the answer.
  Task<Connected> connect_any(Endpoint endpoint, PeerId expected) {
    auto addresses = co_await resolve(std::move(endpoint));
    if (!addresses) co_return pass(std::move(addresses));
    Connected connected = fail(Errc::unreachable, "no address");
    for (const SocketAddress& address : *addresses) {
      connected = co_await connect_one(address, expected);
      if (connected || connected.error().code() == Errc::canceled) break;
    }
    co_return connected;
  }

  Task<Connected> connect_one(SocketAddress address, PeerId expected) {
    auto socket = make_socket(address);
    if (!socket) co_return pass(std::move(socket));
    tune_tcp(socket->get());
    Result<void> connected = co_await connect_socket(*socket, address);
    if (!connected) co_return pass(std::move(connected));
    auto established = co_await base::with_deadline(
        timer_, Deadline::after(timer_.clock(), kHandshakeTime),
        establish(executor_, timer_, context_, tls::Role::client, std::move(*socket),
                  address.endpoint().text(), expected));
    co_return established;
  }

  const Executor executor_;
  Timer& timer_;
  const PeerId self_;
  const SharedContext context_;
};

}  // namespace

std::unique_ptr<Network> make_tls_network(Loop& loop, Timer& timer, const Identity& identity) {
  auto context = tls::make_context(identity);
  CHECK(context.has_value(), "{}", context.error().message());
  return std::make_unique<TlsNetwork>(loop, timer, identity.id(),
                                      SharedContext(std::move(*context)));
}

}  // namespace shoal::wire
