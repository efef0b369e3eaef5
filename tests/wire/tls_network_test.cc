// SPDX-License-Identifier: MIT
// Strangers, liars and dawdlers against the TLS listener. Time is turned by hand, sockets are real.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/metrics.h"
#include "tests/wire/network_worlds.h"
#include "wire/framed_connection.h"
#include "wire/limits.h"
#include "wire/socket_address.h"
#include "wire/tls_stream.h"
#include "wire/transport.h"

namespace shoal::wire {
namespace {

using namespace std::chrono_literals;
using Connected = Result<std::unique_ptr<Connection>>;

base::Counter& failures() { return base::counter("shoal_handshakes_failed_total"); }

struct SslFreer {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

class TlsNetworkTest : public testing::Test {
 protected:
  TlsNetworkTest() {
    auto listening = network_->listen(Endpoint{"127.0.0.1", 0});
    CHECK(listening.has_value());
    listener_ = std::move(*listening);
    base::spawn(group_, accept_all());
  }
  ~TlsNetworkTest() override {
    listener_->close();
    base::run_until_done(loop_, group_.stop());
  }

  Task<void> accept_all() {
    for (;;) {
      auto connection = co_await listener_->accept();
      if (!connection && connection.error().code() == Errc::canceled) co_return;
      accepted_.push_back(std::move(connection));
    }
  }

  void run_until(const std::function<bool()>& is_done) {
    loop_.restart();
    while (!is_done()) loop_.run_one();
  }

  /// A plain, blocking socket to the listener.
  base::Fd dial() {
    const auto address = parse_address(listener_->local());
    CHECK(address.has_value());
    base::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CHECK(::connect(socket.get(), address->get(), address->size) == 0);
    return socket;
  }

  /// A stream past the TLS handshake, before the preamble.
  Task<void> shake_hands(std::unique_ptr<tls::TlsStream>* place, SSL_CTX* context) {
    const auto address = parse_address(listener_->local());
    auto socket = make_socket(*address);
    CHECK(socket.has_value());
    tune_tcp(socket->get());
    const Result<void> connected = co_await connect_socket(*socket, *address);
    CHECK(connected.has_value());
    auto stream = std::make_unique<tls::TlsStream>(loop_.get_executor(), std::move(*socket),
                                                   context, tls::Role::client);
    const Result<void> shaken = co_await stream->handshake();
    CHECK(shaken.has_value(), "{}", shaken.error().message());
    *place = std::move(stream);
  }

  Task<void> send_raw(SocketStream& stream, Bytes bytes, bool* done) {
    const Result<void> sent = co_await stream.write_all(bytes);
    EXPECT_TRUE(sent);
    *done = true;
  }

  Task<void> read_preamble(SocketStream& stream, bool* done) {
    Bytes theirs(kPreambleBytes);
    const Result<void> received = co_await stream.read_exactly(theirs);
    EXPECT_TRUE(received);
    *done = true;
  }

  std::unique_ptr<tls::TlsStream> stream_after_handshake() {
    std::unique_ptr<tls::TlsStream> stream;
    base::spawn(group_, shake_hands(&stream, context_.get()));
    run_until([&] { return stream != nullptr; });
    return stream;
  }

  void write(SocketStream& stream, Bytes bytes) {
    bool done = false;
    base::spawn(group_, send_raw(stream, std::move(bytes), &done));
    run_until([&] { return done; });
  }

  /// A connection accepted by the listener, and our raw end of it.
  std::unique_ptr<tls::TlsStream> connected_stream() {
    auto stream = stream_after_handshake();
    write(*stream, format_preamble());
    run_until([&] { return !accepted_.empty(); });
    CHECK(accepted_.front().has_value());
    bool done = false;
    base::spawn(group_, read_preamble(*stream, &done));
    run_until([&] { return done; });
    return stream;
  }

  Task<void> receive_into(Connection& connection, std::optional<Result<Frame>>* place) {
    auto frame = co_await connection.receive();
    place->emplace(std::move(frame));
  }

  /// What the accepted connection makes of bytes that never become a frame.
  Error error_of(Connection& connection, const std::function<void()>& meanwhile = nullptr) {
    std::optional<Result<Frame>> frame;
    base::spawn(group_, receive_into(connection, &frame));
    if (meanwhile) meanwhile();
    run_until([&] { return frame.has_value(); });
    CHECK(!frame->has_value());
    return frame->error();
  }

  void expect_one_failure(std::uint64_t before) {
    run_until([&] { return failures().value() > before; });
    EXPECT_TRUE(accepted_.empty());
  }

  Loop loop_;
  test::VirtualTime time_;
  Identity identity_ = *Identity::generate();
  Identity stranger_ = *Identity::generate();
  tls::Context context_ = *tls::make_context(stranger_);
  std::unique_ptr<Network> network_ = make_tls_network(loop_, time_, identity_);
  std::unique_ptr<Listener> listener_;
  std::vector<Connected> accepted_;
  TaskGroup group_{loop_.get_executor()};
};

TEST_F(TlsNetworkTest, a_client_without_tls_is_refused) {
  const std::uint64_t before = failures().value();
  const base::Fd socket = dial();
  const std::string request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  ASSERT_EQ(::send(socket.get(), request.data(), request.size(), 0),
            static_cast<ssize_t>(request.size()));
  expect_one_failure(before);
}

TEST_F(TlsNetworkTest, a_client_that_only_says_our_preamble_is_refused) {
  const std::uint64_t before = failures().value();
  const base::Fd socket = dial();
  const Bytes preamble = format_preamble();
  ASSERT_EQ(::send(socket.get(), preamble.data(), preamble.size(), 0),
            static_cast<ssize_t>(preamble.size()));
  expect_one_failure(before);
}

TEST_F(TlsNetworkTest, a_client_without_a_certificate_is_refused) {
  const std::uint64_t before = failures().value();
  const std::unique_ptr<SSL_CTX, SslFreer> context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  std::unique_ptr<tls::TlsStream> stream;
  base::spawn(group_, shake_hands(&stream, context.get()));
  expect_one_failure(before);
}

TEST_F(TlsNetworkTest, a_client_with_an_older_tls_is_refused) {
  const std::uint64_t before = failures().value();
  const base::Fd socket = dial();
  const std::unique_ptr<SSL_CTX, SslFreer> context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  const std::unique_ptr<SSL, SslFreer> ssl(SSL_new(context.get()));
  SSL_set_connect_state(ssl.get());
  // Only the first flight: into memory, then by hand.
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), in, out);
  (void)SSL_do_handshake(ssl.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  ASSERT_GT(size, 0);
  ASSERT_EQ(::send(socket.get(), data, static_cast<std::size_t>(size), 0), size);
  expect_one_failure(before);
}

TEST_F(TlsNetworkTest, another_protocol_version_is_refused) {
  const std::uint64_t before = failures().value();
  auto stream = stream_after_handshake();
  Bytes preamble = format_preamble();
  preamble[6] = preamble[8] = std::byte{99};
  write(*stream, preamble);
  expect_one_failure(before);
}

TEST_F(TlsNetworkTest, a_client_that_stops_in_the_handshake_is_dropped) {
  const std::uint64_t before = failures().value();
  const base::Fd socket = dial();
  const char first[] = {0x16, 0x03, 0x01};  // a record begins
  ASSERT_EQ(::send(socket.get(), first, sizeof first, 0), 3);
  run_until([&] { return time_.waiting() >= 1; });
  time_.advance(kHandshakeTime + 1s);
  expect_one_failure(before);
}

TEST_F(TlsNetworkTest, a_client_that_never_says_its_version_is_dropped) {
  const std::uint64_t before = failures().value();
  auto stream = stream_after_handshake();
  run_until([&] { return time_.waiting() >= 1; });
  time_.advance(kHandshakeTime + 1s);
  expect_one_failure(before);
}

TEST_F(TlsNetworkTest, silent_strangers_do_not_keep_others_out) {
  std::vector<base::Fd> silent;
  for (std::size_t i = 0; i < kMaxHandshakes; ++i) silent.push_back(dial());
  // One deadline each, and the acceptor's own that waits for room.
  run_until([&] { return time_.waiting() > kMaxHandshakes; });
  std::unique_ptr<tls::TlsStream> stream;
  base::spawn(group_, shake_hands(&stream, context_.get()));
  while (!stream) {
    loop_.poll();
    time_.advance(500ms);
  }
  EXPECT_LT(time_.steady() - test::VirtualTime().steady(), kHandshakeTime);
}

TEST_F(TlsNetworkTest, a_frame_that_drips_is_given_up) {
  auto stream = connected_stream();
  Connection& connection = **accepted_.front();
  const Bytes header = format_header({100, 0, 1, FrameKind::request, 1});
  const Error error = error_of(connection, [&] {
    for (const std::byte byte : header) {
      write(*stream, Bytes{byte});
      time_.advance(100ms);
    }
    run_until([&] { return time_.waiting() >= 1; });
    time_.advance(kFrameTime);
  });
  EXPECT_EQ(error.code(), Errc::timed_out);
  EXPECT_EQ(connection.close_reason(), CloseReason::failed);
}

TEST_F(TlsNetworkTest, an_idle_connection_stays) {
  auto stream = connected_stream();
  Connection& connection = **accepted_.front();
  std::optional<Result<Frame>> frame;
  base::spawn(group_, receive_into(connection, &frame));
  loop_.poll();
  time_.advance(24h);
  loop_.poll();
  ASSERT_FALSE(frame);
  write(*stream, format_header({0, 0, 7, FrameKind::request, 1}));
  run_until([&] { return frame.has_value(); });
  ASSERT_TRUE(*frame);
  EXPECT_EQ((*frame)->type, 7);
}

TEST_F(TlsNetworkTest, a_frame_over_the_limits_ends_the_connection) {
  auto stream = connected_stream();
  Bytes header = format_header({0, 0, 1, FrameKind::request, 1});
  header[3] = std::byte{0x7f};  // a body of 2 GiB
  write(*stream, header);
  Connection& connection = **accepted_.front();
  const Error error = error_of(connection);
  EXPECT_EQ(error.code(), Errc::too_large);
  EXPECT_EQ(connection.close_reason(), CloseReason::failed);
}

TEST_F(TlsNetworkTest, a_malformed_header_ends_the_connection) {
  auto stream = connected_stream();
  write(*stream, Bytes(kFrameHeaderBytes, std::byte{0xff}));
  Connection& connection = **accepted_.front();
  EXPECT_EQ(error_of(connection).code(), Errc::corrupt);
  EXPECT_EQ(connection.close_reason(), CloseReason::failed);
}

TEST_F(TlsNetworkTest, an_end_within_a_frame_counts_as_an_end) {
  auto stream = connected_stream();
  write(*stream, format_header({100, 0, 1, FrameKind::request, 1}));
  stream->close(false);
  Connection& connection = **accepted_.front();
  EXPECT_EQ(error_of(connection).code(), Errc::unreachable);
  EXPECT_EQ(connection.close_reason(), CloseReason::finished);
}

TEST_F(TlsNetworkTest, a_process_that_dies_finishes_its_connection) {
  // What the kernel does then: the socket is closed without any goodbye of TLS.
  auto stream = connected_stream();
  ASSERT_EQ(::shutdown(stream->fd(), SHUT_WR), 0);
  Connection& connection = **accepted_.front();
  EXPECT_EQ(error_of(connection).code(), Errc::unreachable);
  EXPECT_EQ(connection.close_reason(), CloseReason::finished);
}

TEST_F(TlsNetworkTest, a_side_that_does_not_read_is_given_up) {
  auto stream = connected_stream();
  Connection& connection = **accepted_.front();
  std::optional<Errc> code;
  const auto flood = [](Connection& to, std::optional<Errc>* place) -> Task<void> {
    for (;;) {
      Frame frame;
      frame.payload.resize(4 << 20);
      const Result<void> sent = co_await to.send(std::move(frame));
      if (sent) continue;
      *place = sent.error().code();
      co_return;
    }
  };
  base::spawn(group_, flood(connection, &code));
  run_until([&] { return time_.waiting() >= 1; });
  time_.advance(kFrameTime);
  run_until([&] { return code.has_value(); });
  EXPECT_EQ(*code, Errc::timed_out);
  EXPECT_EQ(connection.close_reason(), CloseReason::failed);
}

TEST_F(TlsNetworkTest, writing_to_a_closed_connection_is_no_signal) {
  auto stream = connected_stream();
  Connection& connection = **accepted_.front();
  stream->close(true);
  std::optional<Errc> code;
  const auto flood = [](Connection& to, std::optional<Errc>* place) -> Task<void> {
    for (;;) {
      Frame frame;
      frame.body.resize(1000);
      const Result<void> sent = co_await to.send(std::move(frame));
      if (sent) continue;
      *place = sent.error().code();
      co_return;
    }
  };
  base::spawn(group_, flood(connection, &code));
  run_until([&] { return code.has_value(); });
  EXPECT_EQ(*code, Errc::unreachable);
}

TEST_F(TlsNetworkTest, without_descriptors_accept_is_busy_and_goes_on_later) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const base::Fd waiting = dial();
  // No new descriptor from here on: the lowest free number is over the limit.
  const int lowest = ::dup(waiting.get());
  ASSERT_GE(lowest, 0);
  const rlimit none{static_cast<rlim_t>(lowest), limit.rlim_max};
  ::close(lowest);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  run_until([&] { return !accepted_.empty(); });
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  ASSERT_FALSE(accepted_.front());
  EXPECT_EQ(accepted_.front().error().code(), Errc::busy);
  accepted_.clear();
  const std::uint64_t before = failures().value();
  time_.advance(1s);  // the pause
  const char nonsense[64] = {};
  ASSERT_EQ(::send(waiting.get(), nonsense, sizeof nonsense, MSG_NOSIGNAL), 64);
  expect_one_failure(before);
}

TEST_F(TlsNetworkTest, a_server_that_does_not_speak_tls_is_nobody_we_know) {
  test::RawListener raw;
  std::optional<Connected> connected;
  const auto connect = [](Network& network, Endpoint endpoint, PeerId expected,
                          std::optional<Connected>* place) -> Task<void> {
    auto result = co_await network.connect(endpoint, expected, Deadline::never());
    place->emplace(std::move(result));
  };
  base::spawn(group_, connect(*network_, raw.endpoint, stranger_.id(), &connected));
  loop_.restart();
  loop_.poll();
  const base::Fd socket(::accept(raw.socket.get(), nullptr, nullptr));
  const std::string greeting = "220 mail.example.org ESMTP\r\n";
  ASSERT_GT(::send(socket.get(), greeting.data(), greeting.size(), 0), 0);
  run_until([&] { return connected.has_value(); });
  ASSERT_FALSE(*connected);
  EXPECT_EQ(connected->error().code(), Errc::unauthenticated) << connected->error().message();
}

TEST_F(TlsNetworkTest, names_are_looked_up) {
  std::optional<Connected> known;
  std::optional<Connected> unknown;
  const auto connect = [](Network& network, Endpoint endpoint, PeerId expected,
                          std::optional<Connected>* place) -> Task<void> {
    auto result = co_await network.connect(endpoint, expected, Deadline::never());
    place->emplace(std::move(result));
  };
  const Endpoint local{"localhost", listener_->local().port};
  const Endpoint nowhere{"no-such-name.invalid", 1};
  base::spawn(group_, connect(*network_, local, identity_.id(), &known));
  base::spawn(group_, connect(*network_, nowhere, identity_.id(), &unknown));
  run_until([&] { return known.has_value() && unknown.has_value(); });
  EXPECT_TRUE(*known) << known->error().message();
  ASSERT_FALSE(*unknown);
  EXPECT_EQ(unknown->error().code(), Errc::unreachable);
}

}  // namespace
}  // namespace shoal::wire
