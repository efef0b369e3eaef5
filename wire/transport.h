// SPDX-License-Identifier: MIT
// The one seam to the network. TlsNetwork is the real one; the simulation has its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/task.h"
#include "wire/frame.h"
#include "wire/identity.h"

namespace shoal::wire {

/// How a connection ended, as far as we can tell.
enum class CloseReason {
  local,     ///< we closed it
  finished,  ///< the other side's socket was closed (its process may be dead)
  failed,    ///< reset, timed out, or a protocol violation: the other side may still be alive
};

/// Frames to and from one identified party, after handshake and preamble. Thread: the loop.
/// One task receives, one sends.
class Connection {
 public:
  virtual ~Connection() = default;
  virtual const PeerId& remote() const = 0;
  virtual std::string remote_address() const = 0;
  /// The next whole frame. Errors: unreachable (ended), corrupt, too_large, timed_out (a frame
  /// that began did not end in kFrameTime), canceled.
  virtual Task<Result<Frame>> receive() = 0;
  /// Returns when the frame is handed to the kernel. Errors: unreachable, canceled.
  virtual Task<Result<void>> send(Frame frame) = 0;
  /// Ends both directions at once. `abruptly` resets instead of finishing, so that the other side
  /// cannot take it for a dead process (see docs/coherence.md). Idempotent.
  virtual void close(bool abruptly = false) = 0;
  virtual CloseReason close_reason() const = 0;
};

class Listener {
 public:
  virtual ~Listener() = default;
  /// Errors: canceled; busy (out of descriptors: wait and try again). Failed handshakes are
  /// counted and never end the listener.
  virtual Task<Result<std::unique_ptr<Connection>>> accept() = 0;
  /// With the real port when 0 was asked for.
  virtual Endpoint local() const = 0;
  virtual void close() = 0;
};

class Network {
 public:
  virtual ~Network() = default;
  virtual const PeerId& self() const = 0;
  /// Connects, and makes sure that the other side is `expected`. Errors: unreachable,
  /// unauthenticated (somebody else answered), version_mismatch, timed_out, canceled.
  virtual Task<Result<std::unique_ptr<Connection>>> connect(Endpoint endpoint, PeerId expected,
                                                            Deadline deadline) = 0;
  /// Any key is let through the handshake: whether remote() is a member is the caller's check.
  /// Errors: busy (the address is in use), invalid, access_denied.
  virtual Result<std::unique_ptr<Listener>> listen(const Endpoint& endpoint) = 0;
};

/// TLS 1.3 with the identity's key on both sides. loop, timer and identity outlive it.
std::unique_ptr<Network> make_tls_network(Loop& loop, Timer& timer, const Identity& identity);

/// The control socket: a Unix socket of mode 0600, the same frames without TLS. remote() is nobody.
/// listen replaces a socket file that nobody answers on. Errors: busy (somebody does), io.
Result<std::unique_ptr<Listener>> listen_control(Loop& loop, Timer& timer, const std::string& path);
Task<Result<std::unique_ptr<Connection>>> connect_control(Loop& loop, Timer& timer,
                                                          std::string path, Deadline deadline);

}  // namespace shoal::wire
