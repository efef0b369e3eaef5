// SPDX-License-Identifier: MIT
// TLS 1.3 over a socket; for wire/ only.
#pragma once

#include <openssl/types.h>

#include <memory>

#include "wire/identity.h"
#include "wire/socket_stream.h"

namespace shoal::wire::tls {

struct ContextFreer {
  void operator()(SSL_CTX* context) const;
};
struct SessionFreer {
  void operator()(SSL* session) const;
};
using Context = std::unique_ptr<SSL_CTX, ContextFreer>;
using Session = std::unique_ptr<SSL, SessionFreer>;

/// Settings for both roles: TLS 1.3 only, a certificate from both sides, Ed25519 keys only, no
/// session tickets. Any certificate passes the handshake, which proves that the other side has the
/// key; whose key it is, the caller looks up. Errors: corrupt, internal.
Result<Context> make_context(const Identity& identity);

enum class Role { client, server };

class TlsStream final : public SocketStream {
 public:
  /// What the session's BIO reads and writes.
  struct Channel {
    int descriptor = -1;
    bool is_gathering = false;  ///< records go to `records` instead of the socket
    Bytes records = {};         ///< encrypted, sent from `sent` on
    std::size_t sent = 0;
    bool has_unsent() const { return sent != records.size(); }
  };

  /// context may be freed before the stream.
  TlsStream(Executor executor, base::Fd socket, SSL_CTX* context, Role role);
  ~TlsStream() override;

  /// Errors: unauthenticated (it does not speak TLS 1.3, has no certificate or refuses ours),
  /// unreachable, canceled.
  Task<Result<void>> handshake();
  /// After the handshake: the identity whose key the other side has proved to own.
  Result<PeerId> remote() const;

  IoOutcome try_read(MutableByteView out) override;
  IoOutcome try_write(ByteView data) override;
  void say_goodbye() override;

 private:
  IoOutcome outcome_of(int result);
  IoOutcome write_records(ByteView data);

  Channel channel_;
  Session session_;
  bool is_established_ = false;
  std::size_t unreported_ = 0;  ///< bytes whose records are not all with the kernel yet
};

}  // namespace shoal::wire::tls
