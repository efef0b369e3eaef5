// SPDX-License-Identifier: MIT
// Accepts sockets and turns them into connections, many at a time; for wire/ only.
#pragma once

#include <functional>
#include <memory>

#include "base/file.h"
#include "wire/transport.h"

namespace shoal::wire {

/// Makes a connection of an accepted socket: handshake and preamble. Must not refer to anything
/// that may end before the loop.
using Establish = std::function<Task<Result<std::unique_ptr<Connection>>>(
    base::Fd socket, std::string remote_address)>;

/// socket: bound, listening and non-blocking. timer outlives the listener.
/// on_close runs once when the listener closes.
std::unique_ptr<Listener> make_socket_listener(Executor executor, Timer& timer, base::Fd socket,
                                               Endpoint local, Establish establish,
                                               std::function<void()> on_close = nullptr);

}  // namespace shoal::wire
