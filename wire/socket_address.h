// SPDX-License-Identifier: MIT
// Addresses and sockets of the operating system; for wire/ only.
#pragma once

#include <sys/socket.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "base/task.h"
#include "wire/identity.h"

namespace shoal::wire {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  /// With the address as host. Shape: IPv4 or IPv6.
  Endpoint endpoint() const;
};

/// Literal addresses only, never waits. Errors: invalid.
Result<SocketAddress> parse_address(const Endpoint& endpoint);
/// Asks the system's resolver when endpoint's host is a name. Errors: unreachable (no such name),
/// canceled. Cancellation does not wait for the resolver.
Task<Result<std::vector<SocketAddress>>> resolve(Endpoint endpoint);
/// Waits for the resolver: for start-up only.
Result<SocketAddress> resolve_now(const Endpoint& endpoint);

Result<SocketAddress> unix_address(const std::string& path);

/// A non-blocking stream socket for an address like this one.
Result<base::Fd> make_socket(const SocketAddress& address);
/// Small messages at once, and a silent other side is noticed within about the lease term.
void tune_tcp(int fd);
/// Errors: unreachable, access_denied, canceled.
Task<Result<void>> connect_socket(const base::Fd& socket, SocketAddress address);
/// Binds and listens. Errors: busy (the address is in use), invalid (not ours), access_denied.
Result<base::Fd> listen_socket(const SocketAddress& address);
/// The bound address.
SocketAddress local_address(int fd);

}  // namespace shoal::wire
