// SPDX-License-Identifier: MIT
// A Connection over any stream socket: TLS between machines, plain for the control socket. For
// wire/ only.
#pragma once

#include <memory>
#include <string>

#include "wire/socket_stream.h"
#include "wire/transport.h"

namespace shoal::wire {

class FramedConnection final : public Connection {
 public:
  /// stream: past handshake and preamble. timer outlives the connection.
  FramedConnection(Timer& timer, std::unique_ptr<SocketStream> stream, PeerId remote,
                   std::string remote_address);
  ~FramedConnection() override;

  const PeerId& remote() const override { return remote_; }
  std::string remote_address() const override { return remote_address_; }
  Task<Result<Frame>> receive() override;
  Task<Result<void>> send(Frame frame) override;
  void close(bool abruptly) override;
  CloseReason close_reason() const override { return reason_; }

 private:
  /// What a step without waiting came to.
  enum class Progress { complete, want_read, want_write, tired, ended };

  /// A frame that is being received.
  struct Incoming {
    bool has_header = false;
    Frame frame;
    std::size_t body_bytes = 0;
    std::size_t payload_bytes = 0;
  };
  /// A frame that is being sent: two pieces, the second one may be empty.
  struct Outgoing {
    Bytes head;
    Bytes payload;
    std::size_t sent = 0;  ///< of head and then of what stands behind it in payload
    std::size_t payload_begin = 0;
  };

  bool has_begun() const { return incoming_.has_header || buffer_begin_ != buffer_end_; }
  std::size_t buffered() const { return buffer_end_ - buffer_begin_; }
  Progress advance_receive();
  Progress take_header();
  Progress fill(Bytes& target, std::size_t wanted);
  Progress read_more(MutableByteView out, std::size_t& count);
  Progress advance_send();
  Progress end(CloseReason reason, Errc code, std::string why);
  Task<Result<void>> wait(Progress progress);
  Task<Result<void>> finish_receive();
  Task<Result<void>> finish_send();

  Timer& timer_;
  std::unique_ptr<SocketStream> stream_;
  const PeerId remote_;
  const std::string remote_address_;
  Bytes buffer_;  ///< what was read beyond the header or frame at hand
  std::size_t buffer_begin_ = 0;
  std::size_t buffer_end_ = 0;
  Incoming incoming_;
  SteadyTime frame_deadline_{};
  Outgoing outgoing_;
  std::int64_t read_budget_;  ///< bytes until this connection lets the others go on
  std::int64_t write_budget_;
  bool is_closed_ = false;
  CloseReason reason_ = CloseReason::local;
  Error end_error_;
};

/// Sends our preamble and reads theirs. Errors: corrupt, version_mismatch, unreachable, canceled.
Task<Result<void>> exchange_preambles(SocketStream& stream);

}  // namespace shoal::wire
