// SPDX-License-Identifier: MIT
#include "wire/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "wire/tls_key.h"

namespace shoal::wire::tls {
namespace {

/// Several records come with one system call.
constexpr std::size_t kReadAheadBytes = 64 * 1024;
/// ... and so many bytes of a large frame go out with one.
constexpr std::size_t kGatherBytes = 128 * 1024;
constexpr std::size_t kRecordBytes = 16 * 1024;
/// What TLS 1.3 with these ciphers adds to a record: header, content type, tag.
constexpr std::size_t kRecordOverhead = 5 + 1 + 16;

int accept_any_certificate(X509_STORE_CTX*, void*) { return 1; }

// A BIO over a descriptor that never raises SIGPIPE, or over the records that are gathered.
TlsStream::Channel& channel_of(BIO* bio) {
  return *static_cast<TlsStream::Channel*>(BIO_get_data(bio));
}

bool would_block(int number) {
  return number == EAGAIN || number == EWOULDBLOCK || number == EINTR;
}

int bio_write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  TlsStream::Channel& channel = channel_of(bio);
  const auto bytes = static_cast<std::size_t>(size);
  if (channel.is_gathering || channel.has_unsent()) {  // nothing overtakes what waits
    const ByteView view = as_bytes(std::string_view(data, bytes));
    channel.records.insert(channel.records.end(), view.begin(), view.end());
    return size;
  }
  const ssize_t count = ::send(channel.descriptor, data, bytes, MSG_NOSIGNAL);
  if (count < 0 && would_block(errno)) BIO_set_retry_write(bio);
  return static_cast<int>(count);
}

int bio_read(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t count = ::recv(channel_of(bio).descriptor, data, static_cast<std::size_t>(size), 0);
  if (count < 0 && would_block(errno)) BIO_set_retry_read(bio);
  if (count == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(count);
}

long bio_control(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_EOF:
      return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    default:
      return 0;
  }
}

BIO_METHOD* socket_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "shoal socket");
    CHECK(made != nullptr);
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

bool set_protocol(SSL_CTX* context) {
  return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_ciphersuites(context,
                                  "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:"
                                  "TLS_AES_256_GCM_SHA384") == 1 &&
         SSL_CTX_set1_groups_list(context, "X25519:P-256") == 1 &&
         SSL_CTX_set1_sigalgs_list(context, "ed25519") == 1 &&
         SSL_CTX_set_num_tickets(context, 0) == 1;
}

bool set_identity(SSL_CTX* context, const KeyPair& pair) {
  return SSL_CTX_use_certificate(context, pair.certificate.get()) == 1 &&
         SSL_CTX_use_PrivateKey(context, pair.key.get()) == 1;
}

}  // namespace

void ContextFreer::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
void SessionFreer::operator()(SSL* session) const { SSL_free(session); }

Result<Context> make_context(const Identity& identity) {
  auto pair = parse_pem(identity.pem());
  if (!pair) return pass(std::move(pair));
  Context context(SSL_CTX_new(TLS_method()));
  if (!context || !set_protocol(context.get()) || !set_identity(context.get(), *pair)) {
    return fail(Errc::internal, "setting up TLS: {}", take_openssl_error());
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(context.get(), accept_any_certificate, nullptr);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context.get(), 1);
  SSL_CTX_set_default_read_buffer_len(context.get(), kReadAheadBytes);
  return context;
}

TlsStream::TlsStream(Executor executor, base::Fd socket, SSL_CTX* context, Role role)
    : SocketStream(std::move(executor), std::move(socket)),
      channel_{.descriptor = fd()},
      session_(SSL_new(context)) {
  CHECK(session_ != nullptr, "no memory for a TLS session");
  BIO* const bio = BIO_new(socket_method());
  CHECK(bio != nullptr, "no memory for a TLS session");
  BIO_set_data(bio, &channel_);
  BIO_set_init(bio, 1);
  SSL_set_bio(session_.get(), bio, bio);
  if (role == Role::client) {
    SSL_set_connect_state(session_.get());
  } else {
    SSL_set_accept_state(session_.get());
  }
}

TlsStream::~TlsStream() { close(false); }

IoOutcome TlsStream::outcome_of(int result) {
  const int number = errno;
  switch (SSL_get_error(session_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {IoStep::want_read, 0};
    case SSL_ERROR_WANT_WRITE:
      return {IoStep::want_write, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {IoStep::finished, 0};
    case SSL_ERROR_SYSCALL:
      is_established_ = false;
      ERR_clear_error();
      if (number == 0) return {IoStep::finished, 0};
      return fail_with_errno(number);
    default:
      is_established_ = false;
      return fail_with("TLS: " + take_openssl_error());
  }
}

Task<Result<void>> TlsStream::handshake() {
  for (;;) {
    if (!is_open()) co_return fail(Errc::canceled, "closed");
    ERR_clear_error();
    errno = 0;
    const int result = SSL_do_handshake(session_.get());
    if (result == 1) {
      is_established_ = true;
      co_return base::ok();
    }
    const bool is_protocol = SSL_get_error(session_.get(), result) == SSL_ERROR_SSL;
    const IoOutcome io = outcome_of(result);
    if (is_protocol) co_return fail(Errc::unauthenticated, "no secure connection: {}", failure());
    if (io.step == IoStep::finished) {
      co_return fail(Errc::unreachable, "the other side closed the connection at once");
    }
    if (io.step == IoStep::failed) {
      co_return fail(Errc::unreachable, "the connection broke: {}", failure());
    }
    Result<void> waited = co_await wait(io.step);
    if (!waited) co_return waited;
  }
}

Result<PeerId> TlsStream::remote() const {
  const Certificate certificate(SSL_get1_peer_certificate(session_.get()));
  if (!certificate) return fail(Errc::unauthenticated, "the other side showed no certificate");
  return peer_id_of(certificate.get());
}

IoOutcome TlsStream::try_read(MutableByteView out) {
  if (!is_open()) return fail_with("closed");
  ERR_clear_error();
  errno = 0;
  std::size_t count = 0;
  const int result = SSL_read_ex(session_.get(), out.data(), out.size(), &count);
  if (result == 1) return {IoStep::done, count};
  return outcome_of(result);
}

IoOutcome TlsStream::try_write(ByteView data) {
  if (!is_open()) return fail_with("closed");
  ERR_clear_error();
  errno = 0;
  if (channel_.has_unsent() || data.size() > kRecordBytes) return write_records(data);
  std::size_t count = 0;
  const int result = SSL_write_ex(session_.get(), data.data(), data.size(), &count);
  if (result == 1) return {IoStep::done, count};
  return outcome_of(result);
}

/// Several records with one system call. What they hold counts as written when all of them are with
/// the kernel.
IoOutcome TlsStream::write_records(ByteView data) {
  if (!channel_.has_unsent()) {
    const ByteView part = data.first(std::min(data.size(), kGatherBytes));
    channel_.records.clear();
    channel_.sent = 0;
    channel_.records.reserve(part.size() + (part.size() / kRecordBytes + 1) * kRecordOverhead);
    channel_.is_gathering = true;
    unreported_ = 0;
    int result = 1;
    while (result == 1 && unreported_ < part.size()) {
      const ByteView rest = part.subspan(unreported_);
      std::size_t count = 0;
      result = SSL_write_ex(session_.get(), rest.data(), rest.size(), &count);
      if (result == 1) unreported_ += count;
    }
    channel_.is_gathering = false;
    if (result != 1) return outcome_of(result);
  }
  while (channel_.has_unsent()) {
    const ByteView rest = ByteView(channel_.records).subspan(channel_.sent);
    const ssize_t count = ::send(channel_.descriptor, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      channel_.sent += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return {IoStep::want_write, 0};
    } else if (errno != EINTR) {
      is_established_ = false;
      return fail_with_errno(errno);
    }
  }
  const std::size_t written = std::exchange(unreported_, 0);
  // The last part of a frame: idle connections keep no buffer.
  if (written >= data.size()) channel_.records = Bytes();
  channel_.sent = channel_.records.size();
  if (written == 0) return try_write(data);  // what waited was the session's own
  return {IoStep::done, written};
}

void TlsStream::say_goodbye() {
  // Behind half a record nothing makes sense.
  if (is_established_ && !channel_.has_unsent()) (void)SSL_shutdown(session_.get());
  ERR_clear_error();
}

}  // namespace shoal::wire::tls
