// SPDX-License-Identifier: MIT
#include "wire/socket_stream.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/asio_alias.h"

namespace shoal::wire {

SocketStream::SocketStream(Executor executor, base::Fd socket)
    : socket_(std::move(executor), socket.release()) {}

SocketStream::~SocketStream() { close(false); }

IoOutcome SocketStream::fail_with(std::string why) {
  failure_ = std::move(why);
  return {IoStep::failed, 0};
}

IoOutcome SocketStream::fail_with_errno(int number) { return fail_with(std::strerror(number)); }

IoOutcome SocketStream::try_read(MutableByteView out) {
  if (!is_open()) return fail_with("closed");
  for (;;) {
    const ssize_t count = ::recv(fd(), out.data(), out.size(), 0);
    if (count > 0) return {IoStep::done, static_cast<std::size_t>(count)};
    if (count == 0) return {IoStep::finished, 0};
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoStep::want_read, 0};
    if (errno != EINTR) return fail_with_errno(errno);
  }
}

IoOutcome SocketStream::try_write(ByteView data) {
  if (!is_open()) return fail_with("closed");
  for (;;) {
    const ssize_t count = ::send(fd(), data.data(), data.size(), MSG_NOSIGNAL);
    if (count > 0) return {IoStep::done, static_cast<std::size_t>(count)};
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {IoStep::want_write, 0};
    if (count < 0 && errno != EINTR) return fail_with_errno(errno);
  }
}

Task<Result<void>> SocketStream::wait(IoStep step) {
  if (!is_open()) co_return fail(Errc::canceled, "closed");
  const auto direction = step == IoStep::want_write ? asio::posix::descriptor_base::wait_write
                                                    : asio::posix::descriptor_base::wait_read;
  const auto waited = co_await socket_.async_wait(direction, base::use_task);
  const asio::error_code failure = std::get<0>(waited);
  if (failure) co_return std::unexpected(base::error_from(failure, "waiting for a socket"));
  co_return base::ok();
}

void SocketStream::close(bool abruptly) {
  if (!is_open()) return;
  if (abruptly) {
    const linger reset{1, 0};
    (void)::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  } else {
    say_goodbye();
  }
  asio::error_code ignored;
  socket_.close(ignored);
}

Error SocketStream::error_for(IoStep step, std::string_view doing) const {
  if (step == IoStep::finished) {
    return Error(Errc::unreachable, fmt::format("{}: the other side closed the connection", doing));
  }
  return Error(Errc::unreachable, fmt::format("{}: {}", doing, failure_));
}

Task<Result<void>> SocketStream::read_exactly(MutableByteView out) {
  while (!out.empty()) {
    const IoOutcome io = try_read(out);
    if (io.step == IoStep::done) {
      out = out.subspan(io.count);
    } else if (io.step == IoStep::want_read || io.step == IoStep::want_write) {
      Result<void> waited = co_await wait(io.step);
      if (!waited) co_return waited;
    } else {
      co_return std::unexpected(error_for(io.step, "reading"));
    }
  }
  co_return base::ok();
}

Task<Result<void>> SocketStream::write_all(ByteView data) {
  while (!data.empty()) {
    const IoOutcome io = try_write(data);
    if (io.step == IoStep::done) {
      data = data.subspan(io.count);
    } else if (io.step == IoStep::want_read || io.step == IoStep::want_write) {
      Result<void> waited = co_await wait(io.step);
      if (!waited) co_return waited;
    } else {
      co_return std::unexpected(error_for(io.step, "writing"));
    }
  }
  co_return base::ok();
}

}  // namespace shoal::wire
