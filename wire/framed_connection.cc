// SPDX-License-Identifier: MIT
#include "wire/framed_connection.h"

#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <cstring>

#include "base/check.h"
#include "base/metrics.h"
#include "wire/limits.h"

namespace shoal::wire {
namespace {

/// Read ahead of the parser: several small frames at once, or the beginning of a large one.
constexpr std::size_t kBufferBytes = 32 * 1024;
/// Body and payload grow in such steps, so that memory follows the bytes that really came, and
/// what is zeroed is still in the processor's cache when it is written.
constexpr std::size_t kGrowthBytes = 64 * 1024;
/// A TLS record: what is up to here goes out as one piece.
constexpr std::size_t kRecordBytes = 16 * 1024;
/// After so many bytes without a wait a connection lets the others go on.
constexpr std::int64_t kTurnBytes = 1024 * 1024;
/// What a small frame counts at least.
constexpr std::int64_t kFrameCost = 4096;

base::Gauge& connections_gauge() {
  static base::Gauge& gauge = base::gauge("shoal_connections");
  return gauge;
}

}  // namespace

FramedConnection::FramedConnection(Timer& timer, std::unique_ptr<SocketStream> stream,
                                   PeerId remote, std::string remote_address)
    : timer_(timer),
      stream_(std::move(stream)),
      remote_(remote),
      remote_address_(std::move(remote_address)),
      buffer_(kBufferBytes),
      read_budget_(kTurnBytes),
      write_budget_(kTurnBytes),
      end_error_(Errc::unreachable, "the connection is closed") {
  connections_gauge().add(1);
}

FramedConnection::~FramedConnection() {
  close(false);
  connections_gauge().add(-1);
}

void FramedConnection::close(bool abruptly) {
  if (is_closed_) return;
  is_closed_ = true;
  stream_->close(abruptly);
}

FramedConnection::Progress FramedConnection::end(CloseReason reason, Errc code, std::string why) {
  if (!is_closed_) {
    reason_ = reason;
    end_error_ = Error(code, std::move(why));
    close(true);
  }
  return Progress::ended;
}

FramedConnection::Progress FramedConnection::read_more(MutableByteView out, std::size_t& count) {
  if (is_closed_) return Progress::ended;
  if (read_budget_ <= 0) return Progress::tired;
  const IoOutcome io = stream_->try_read(out);
  switch (io.step) {
    case IoStep::done:
      count = io.count;
      read_budget_ -= static_cast<std::int64_t>(io.count);
      return Progress::complete;
    case IoStep::want_read:
      return Progress::want_read;
    case IoStep::want_write:
      return Progress::want_write;
    case IoStep::finished:
      return end(CloseReason::finished, Errc::unreachable, "the other side closed the connection");
    case IoStep::failed:
      break;
  }
  return end(CloseReason::failed, Errc::unreachable,
             fmt::format("the connection broke: {}", stream_->failure()));
}

/// Brings a whole header into the buffer and parses it.
FramedConnection::Progress FramedConnection::take_header() {
  while (buffered() < kFrameHeaderBytes) {
    if (buffer_begin_ == buffer_end_) {
      buffer_begin_ = buffer_end_ = 0;
    } else if (buffer_begin_ + kFrameHeaderBytes > buffer_.size()) {
      std::memmove(buffer_.data(), buffer_.data() + buffer_begin_, buffered());
      buffer_end_ -= std::exchange(buffer_begin_, 0);
    }
    const bool was_begun = has_begun();
    std::size_t count = 0;
    const Progress progress = read_more(MutableByteView(buffer_).subspan(buffer_end_), count);
    if (progress != Progress::complete) return progress;
    buffer_end_ += count;
    if (!was_begun) frame_deadline_ = timer_.clock().steady() + kFrameTime;
  }
  auto header = parse_header(ByteView(buffer_).subspan(buffer_begin_, kFrameHeaderBytes));
  if (!header) {
    return end(CloseReason::failed, header.error().code(), header.error().context());
  }
  buffer_begin_ += kFrameHeaderBytes;
  incoming_.has_header = true;
  incoming_.frame.type = header->type;
  incoming_.frame.kind = header->kind;
  incoming_.frame.request = header->request;
  incoming_.body_bytes = header->body_bytes;
  incoming_.payload_bytes = header->payload_bytes;
  incoming_.frame.body.reserve(incoming_.body_bytes);
  incoming_.frame.payload.reserve(incoming_.payload_bytes);
  return Progress::complete;
}

/// target has reserved what is wanted, which costs addresses but no memory until it is written.
FramedConnection::Progress FramedConnection::fill(Bytes& target, std::size_t wanted) {
  while (target.size() < wanted) {
    const std::size_t missing = wanted - target.size();
    if (buffered() != 0) {
      const ByteView ready =
          ByteView(buffer_).subspan(buffer_begin_, std::min(buffered(), missing));
      target.insert(target.end(), ready.begin(), ready.end());
      buffer_begin_ += ready.size();
      continue;
    }
    if (missing < kBufferBytes / 2) {  // what follows it comes along
      std::size_t count = 0;
      const Progress progress = read_more(buffer_, count);
      if (progress != Progress::complete) return progress;
      buffer_begin_ = 0;
      buffer_end_ = count;
      continue;
    }
    const std::size_t before = target.size();
    target.resize(before + std::min(missing, kGrowthBytes));
    std::size_t filled = before;
    Progress progress = Progress::complete;
    while (filled < target.size() && progress == Progress::complete) {
      std::size_t count = 0;
      progress = read_more(MutableByteView(target).subspan(filled), count);
      filled += count;
    }
    target.resize(filled);
    if (progress != Progress::complete) return progress;
  }
  return Progress::complete;
}

FramedConnection::Progress FramedConnection::advance_receive() {
  if (is_closed_) return Progress::ended;
  if (!incoming_.has_header) {
    const Progress progress = take_header();
    if (progress != Progress::complete) return progress;
  }
  const Progress body = fill(incoming_.frame.body, incoming_.body_bytes);
  if (body != Progress::complete) return body;
  return fill(incoming_.frame.payload, incoming_.payload_bytes);
}

Task<Result<void>> FramedConnection::wait(Progress progress) {
  if (progress == Progress::tired) {
    const Executor executor = co_await asio::this_coro::executor;
    asio::use_awaitable_t<Executor> token;
    co_await asio::post(executor, token);
    const bool is_canceled = co_await base::cancel_requested();
    if (is_canceled) co_return fail(Errc::canceled, "canceled");
    co_return base::ok();
  }
  const IoStep step = progress == Progress::want_write ? IoStep::want_write : IoStep::want_read;
  Result<void> waited = co_await stream_->wait(step);
  co_return waited;
}

Task<Result<void>> FramedConnection::finish_receive() {
  for (;;) {
    const Progress progress = advance_receive();
    if (progress == Progress::complete) co_return base::ok();
    if (progress == Progress::ended) co_return std::unexpected(end_error_);
    Result<void> waited = co_await wait(progress);
    if (!waited) co_return waited;
    read_budget_ = kTurnBytes;
  }
}

Task<Result<Frame>> FramedConnection::receive() {
  for (;;) {
    const Progress progress = advance_receive();
    if (progress == Progress::complete) break;
    if (progress == Progress::ended) co_return std::unexpected(end_error_);
    if (has_begun()) {
      Result<void> finished =
          co_await base::with_deadline(timer_, Deadline{frame_deadline_}, finish_receive());
      if (finished) break;
      if (finished.error().code() == Errc::timed_out) {
        end(CloseReason::failed, Errc::timed_out, "a frame was not whole in time");
      }
      if (is_closed_) co_return std::unexpected(end_error_);
      co_return pass(std::move(finished));
    }
    Result<void> waited = co_await wait(progress);
    if (is_closed_) co_return std::unexpected(end_error_);
    if (!waited) co_return pass(std::move(waited));
    read_budget_ = kTurnBytes;
  }
  read_budget_ -= kFrameCost;
  // Bytes of the next frame may be here already: its time begins now.
  frame_deadline_ = timer_.clock().steady() + kFrameTime;
  Frame frame = std::move(incoming_.frame);
  incoming_ = Incoming{};
  co_return frame;
}

FramedConnection::Progress FramedConnection::advance_send() {
  const std::size_t total =
      outgoing_.head.size() + outgoing_.payload.size() - outgoing_.payload_begin;
  while (outgoing_.sent < total) {
    if (is_closed_) return Progress::ended;
    if (write_budget_ <= 0) return Progress::tired;
    const ByteView piece =
        outgoing_.sent < outgoing_.head.size()
            ? ByteView(outgoing_.head).subspan(outgoing_.sent)
            : ByteView(outgoing_.payload)
                  .subspan(outgoing_.payload_begin + outgoing_.sent - outgoing_.head.size());
    const IoOutcome io = stream_->try_write(piece);
    switch (io.step) {
      case IoStep::done:
        outgoing_.sent += io.count;
        write_budget_ -= static_cast<std::int64_t>(io.count);
        break;
      case IoStep::want_read:
        return Progress::want_read;
      case IoStep::want_write:
        return Progress::want_write;
      case IoStep::finished:
        return end(CloseReason::finished, Errc::unreachable,
                   "the other side closed the connection");
      case IoStep::failed:
        return end(CloseReason::failed, Errc::unreachable,
                   fmt::format("the connection broke: {}", stream_->failure()));
    }
  }
  return Progress::complete;
}

Task<Result<void>> FramedConnection::finish_send() {
  for (;;) {
    const Progress progress = advance_send();
    if (progress == Progress::complete) co_return base::ok();
    if (progress == Progress::ended) co_return std::unexpected(end_error_);
    Result<void> waited = co_await wait(progress);
    if (!waited) co_return waited;
    write_budget_ = kTurnBytes;
  }
}

Task<Result<void>> FramedConnection::send(Frame frame) {
  if (is_closed_) co_return std::unexpected(end_error_);
  CHECK(frame.body.size() <= kMaxBodyBytes && frame.payload.size() <= kMaxPayloadBytes,
        "a frame of type {} is over its limits", frame.type);
  FrameHeader header;
  header.body_bytes = static_cast<std::uint32_t>(frame.body.size());
  header.payload_bytes = static_cast<std::uint32_t>(frame.payload.size());
  header.type = frame.type;
  header.kind = frame.kind;
  header.request = frame.request;
  outgoing_ = Outgoing{};
  outgoing_.head = format_header(header);
  outgoing_.head.insert(outgoing_.head.end(), frame.body.begin(), frame.body.end());
  if (outgoing_.head.size() < kRecordBytes) {
    const std::size_t along = std::min(frame.payload.size(), kRecordBytes - outgoing_.head.size());
    outgoing_.head.insert(outgoing_.head.end(), frame.payload.begin(),
                          frame.payload.begin() + static_cast<std::ptrdiff_t>(along));
    outgoing_.payload_begin = along;
  }
  outgoing_.payload = std::move(frame.payload);

  const Progress progress = advance_send();
  if (progress == Progress::ended) co_return std::unexpected(end_error_);
  if (progress != Progress::complete) {
    Result<void> sent = co_await base::with_deadline(
        timer_, Deadline::after(timer_.clock(), kFrameTime), finish_send());
    if (!sent) {
      const bool is_late = sent.error().code() == Errc::timed_out;
      // Half a frame is out: nothing sensible can follow it.
      end(CloseReason::failed, is_late ? Errc::timed_out : Errc::unreachable,
          is_late ? "the other side did not take a frame in time"
                  : "sending was given up half-way");
      co_return sent;
    }
  }
  write_budget_ -= kFrameCost;
  outgoing_ = Outgoing{};
  co_return base::ok();
}

Task<Result<void>> exchange_preambles(SocketStream& stream) {
  const Bytes ours = format_preamble();
  Result<void> sent = co_await stream.write_all(ours);
  if (!sent) co_return sent;
  Bytes theirs(kPreambleBytes);
  Result<void> received = co_await stream.read_exactly(theirs);
  if (!received) co_return received;
  auto version = agree_version(theirs);
  if (!version) co_return pass(std::move(version));
  co_return base::ok();
}

}  // namespace shoal::wire
