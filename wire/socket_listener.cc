// SPDX-License-Identifier: MIT
// The accepting task and the handshakes share the listener's state and are nobody's children: a
// handshake must not hold up accept(), and close() cannot wait for it. Each ends by itself soon
// after close(), or is dropped with the loop.
#include "wire/socket_listener.h"

#include <asio/cancellation_signal.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <deque>
#include <list>

#include "base/asio_alias.h"
#include "base/launch.h"
#include "base/log.h"
#include "base/metrics.h"
#include "wire/limits.h"
#include "wire/socket_address.h"

namespace shoal::wire {
namespace {

/// How long to wait for descriptors when there are none.
constexpr std::chrono::milliseconds kExhaustedPause{100};
/// When all places for handshakes are taken, those older than this make room.
constexpr std::chrono::seconds kSlowHandshake{2};

using Accepted = Result<std::unique_ptr<Connection>>;

struct ListenerState {
  struct Handshake {
    asio::cancellation_signal signal;
    SteadyTime began;
  };

  ListenerState(const Executor& executor_, Timer& timer_, base::Fd socket, Establish establish_)
      : executor(executor_),
        timer(timer_),
        acceptor(executor_, socket.release()),
        establish(std::move(establish_)),
        changed(executor_) {}

  bool is_full() const { return handshakes.size() + ready.size() >= kMaxHandshakes; }

  Executor executor;
  Timer& timer;
  asio::posix::stream_descriptor acceptor;
  Establish establish;
  asio::cancellation_signal accepting;
  std::list<Handshake> handshakes;  // oldest first
  std::deque<Accepted> ready;
  base::Signal changed;
  bool is_closed = false;
};
using Shared = std::shared_ptr<ListenerState>;

Task<void> run_handshake(Shared state, base::Fd socket, std::string remote_address) {
  static base::Counter& failures = base::counter("shoal_handshakes_failed_total");
  const Deadline deadline = Deadline::after(state->timer.clock(), kHandshakeTime);
  auto connection = co_await base::with_deadline(
      state->timer, deadline, state->establish(std::move(socket), remote_address));
  if (!connection) {
    failures.add();
    base::log_debug("handshake failed remote={} reason=\"{}\"", remote_address,
                    connection.error().message());
  } else if (!state->is_closed) {
    state->ready.push_back(std::move(connection));
  }
}

void start_handshake(const Shared& state, base::Fd socket, std::string remote_address) {
  const auto entry = state->handshakes.emplace(state->handshakes.end());
  entry->began = state->timer.clock().steady();
  base::detail::launch(state->executor, entry->signal.slot(),
                       run_handshake(state, std::move(socket), std::move(remote_address)),
                       [state, entry] {
                         state->handshakes.erase(entry);
                         state->changed.pulse();
                       });
}

/// Without this, a few silent strangers would keep everybody else out.
void expel_slow_handshakes(const Shared& state) {
  const SteadyTime limit = state->timer.clock().steady() - kSlowHandshake;
  for (auto& handshake : state->handshakes) {
    if (handshake.began <= limit) handshake.signal.emit(asio::cancellation_type::terminal);
  }
}

bool is_exhaustion(int number) {
  return number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM;
}

Task<Result<void>> pause_accepting(Shared state, int number) {
  const bool is_known = !state->ready.empty() && !state->ready.back();
  if (!is_known) {
    state->ready.push_back(
        fail(Errc::busy, "no more connections can be accepted: {}", std::strerror(number)));
    state->changed.pulse();
  }
  Result<void> waited = co_await state->timer.wait_for(kExhaustedPause);
  co_return waited;
}

Task<Result<void>> wait_for_room(Shared state) {
  const Deadline deadline = Deadline::after(state->timer.clock(), kSlowHandshake / 2);
  Result<void> changed =
      co_await base::with_deadline(state->timer, deadline, state->changed.wait());
  if (!changed && changed.error().code() == Errc::timed_out) {
    expel_slow_handshakes(state);
    co_return base::ok();
  }
  co_return changed;
}

std::string describe(const SocketAddress& address) {
  return address.storage.ss_family == AF_UNIX ? "local" : address.endpoint().text();
}

bool is_over_limit() {
  static base::Gauge& connections = base::gauge("shoal_connections");
  return connections.value() >= static_cast<std::int64_t>(kMaxConnections);
}

Task<void> accept_sockets(Shared state) {
  static base::Counter& refused = base::counter("shoal_connections_refused_total");
  for (;;) {
    if (state->is_closed) co_return;
    if (state->is_full()) {
      Result<void> room = co_await wait_for_room(state);
      if (!room) co_return;
      continue;
    }
    SocketAddress address;
    address.size = sizeof address.storage;
    base::Fd socket(::accept4(state->acceptor.native_handle(),
                              reinterpret_cast<sockaddr*>(&address.storage), &address.size,
                              SOCK_NONBLOCK | SOCK_CLOEXEC));
    const int number = errno;
    if (socket && is_over_limit()) {
      refused.add();
    } else if (socket) {
      if (address.storage.ss_family != AF_UNIX) tune_tcp(socket.get());
      start_handshake(state, std::move(socket), describe(address));
    } else if (is_exhaustion(number)) {
      Result<void> paused = co_await pause_accepting(state, number);
      if (!paused) co_return;
    } else if (number == EAGAIN || number == EWOULDBLOCK) {
      const auto waited = co_await state->acceptor.async_wait(
          asio::posix::descriptor_base::wait_read, base::use_task);
      if (std::get<0>(waited)) co_return;
    }  // anything else concerns the one connection that was just lost
  }
}

class SocketListener final : public Listener {
 public:
  SocketListener(Shared state, Endpoint local, std::function<void()> on_close)
      : state_(std::move(state)), local_(std::move(local)), on_close_(std::move(on_close)) {}
  ~SocketListener() override { close(); }

  Task<Accepted> accept() override {
    const Shared state = state_;
    for (;;) {
      if (!state->ready.empty()) {
        Accepted next = std::move(state->ready.front());
        state->ready.pop_front();
        state->changed.pulse();
        co_return next;
      }
      if (state->is_closed) co_return fail(Errc::canceled, "the listener is closed");
      Result<void> waited = co_await state->changed.wait();
      if (!waited) co_return pass(std::move(waited));
    }
  }

  Endpoint local() const override { return local_; }

  void close() override {
    if (state_->is_closed) return;
    state_->is_closed = true;
    state_->ready.clear();
    asio::error_code ignored;
    state_->acceptor.close(ignored);
    state_->accepting.emit(asio::cancellation_type::terminal);
    for (auto& handshake : state_->handshakes) {
      handshake.signal.emit(asio::cancellation_type::terminal);
    }
    state_->changed.pulse();
    if (on_close_) on_close_();
  }

 private:
  const Shared state_;
  const Endpoint local_;
  const std::function<void()> on_close_;
};

}  // namespace

std::unique_ptr<Listener> make_socket_listener(Executor executor, Timer& timer, base::Fd socket,
                                               Endpoint local, Establish establish,
                                               std::function<void()> on_close) {
  auto state =
      std::make_shared<ListenerState>(executor, timer, std::move(socket), std::move(establish));
  base::detail::launch(executor, state->accepting.slot(), accept_sockets(state), [state] {});
  return std::make_unique<SocketListener>(std::move(state), std::move(local), std::move(on_close));
}

}  // namespace shoal::wire
