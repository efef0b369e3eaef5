// SPDX-License-Identifier: MIT
#include "wire/socket_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#include <asio/posix/stream_descriptor.hpp>
#include <asio/this_coro.hpp>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/asio_alias.h"
#include "wire/limits.h"

namespace shoal::wire {
namespace {

struct AddressListFreer {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, AddressListFreer>;

void set_option(int fd, int level, int name, int value) {
  (void)::setsockopt(fd, level, name, &value, sizeof value);
}

Errc errc_of_socket_error(int number) {
  switch (number) {
    case EADDRINUSE:
      return Errc::busy;
    case EADDRNOTAVAIL:
      return Errc::invalid;
    case EACCES:
    case EPERM:
      return Errc::access_denied;
    default:
      return Errc::unreachable;
  }
}

/// Asio's view of a socket that somebody else closes.
struct LentDescriptor {
  LentDescriptor(const Executor& executor, int fd) : descriptor(executor, fd) {}
  ~LentDescriptor() { (void)descriptor.release(); }
  asio::posix::stream_descriptor descriptor;
};

}  // namespace

Endpoint SocketAddress::endpoint() const {
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (::getnameinfo(get(), size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return {};
  }
  return Endpoint{host, static_cast<std::uint16_t>(std::atoi(port))};
}

static std::vector<SocketAddress> look_up(const Endpoint& endpoint, int flags, std::string& why) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failure =
      ::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found);
  const AddressList list(found);
  std::vector<SocketAddress> addresses;
  if (failure != 0) {
    why = ::gai_strerror(failure);
    return addresses;
  }
  for (const addrinfo* entry = list.get(); entry != nullptr; entry = entry->ai_next) {
    SocketAddress address;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.size = entry->ai_addrlen;
    addresses.push_back(address);
  }
  return addresses;
}

Result<SocketAddress> parse_address(const Endpoint& endpoint) {
  std::string why;
  const auto addresses = look_up(endpoint, AI_NUMERICHOST, why);
  if (!addresses.empty()) return addresses.front();
  return fail(Errc::invalid, "\"{}\" is not an address: {}", base::printable(endpoint.host), why);
}

Result<SocketAddress> resolve_now(const Endpoint& endpoint) {
  std::string why;
  const auto addresses = look_up(endpoint, AI_PASSIVE, why);
  if (!addresses.empty()) return addresses.front();
  return fail(Errc::invalid, "\"{}\" has no address: {}", base::printable(endpoint.host), why);
}

Result<SocketAddress> unix_address(const std::string& path) {
  SocketAddress address;
  auto* const local = reinterpret_cast<sockaddr_un*>(&address.storage);
  if (path.empty() || path.size() >= sizeof local->sun_path) {
    return fail(Errc::name_too_long, "the path of a socket has at most {} bytes: {}",
                sizeof local->sun_path - 1, path);
  }
  local->sun_family = AF_UNIX;
  std::memcpy(local->sun_path, path.c_str(), path.size() + 1);
  address.size = sizeof(sockaddr_un);
  return address;
}

Result<base::Fd> make_socket(const SocketAddress& address) {
  const int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return base::fail_errno(errno, "making a socket");
  return base::Fd(fd);
}

void tune_tcp(int fd) {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  const int probe = static_cast<int>(seconds(kHeartbeatInterval).count());
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, probe);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, probe);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(milliseconds(kLeaseTerm).count()));
}

Task<Result<void>> connect_socket(const base::Fd& socket, SocketAddress address) {
  const auto failed = [](int number) {
    return fail(errc_of_socket_error(number), "connecting: {}", std::strerror(number));
  };
  if (::connect(socket.get(), address.get(), address.size) == 0) co_return base::ok();
  if (errno != EINPROGRESS && errno != EINTR) co_return failed(errno);
  const Executor executor = co_await asio::this_coro::executor;
  LentDescriptor waiter(executor, socket.get());
  const auto waited = co_await waiter.descriptor.async_wait(
      asio::posix::descriptor_base::wait_write, base::use_task);
  if (std::get<0>(waited)) co_return fail(Errc::canceled, "canceled");
  int number = 0;
  socklen_t size = sizeof number;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &number, &size) != 0) number = errno;
  if (number != 0) co_return failed(number);
  co_return base::ok();
}

Result<base::Fd> listen_socket(const SocketAddress& address) {
  auto socket = make_socket(address);
  if (!socket) return socket;
  set_option(socket->get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (::bind(socket->get(), address.get(), address.size) != 0 ||
      ::listen(socket->get(), SOMAXCONN) != 0) {
    const int number = errno;
    return fail(errc_of_socket_error(number), "listening: {}", std::strerror(number));
  }
  return socket;
}

SocketAddress local_address(int fd) {
  SocketAddress address;
  address.size = sizeof address.storage;
  (void)::getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.size);
  return address;
}

}  // namespace shoal::wire
