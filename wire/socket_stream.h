// SPDX-License-Identifier: MIT
// Bytes over one non-blocking socket; for wire/ only. Reading and writing are plain calls that do
// what they can at once, waiting is separate: so a frame that is already there costs no suspension,
// and TLS fits in without knowing about coroutines.
#pragma once

#include <asio/posix/stream_descriptor.hpp>

#include "base/file.h"
#include "base/task.h"

namespace shoal::wire {

enum class IoStep {
  done,        ///< count bytes were moved, at least one
  want_read,   ///< wait until the socket is readable, then call again
  want_write,  ///< wait until it is writable, then call again
  finished,    ///< the other side ended the stream
  failed,      ///< reset, timed out or nonsense; see SocketStream::failure()
};

struct IoOutcome {
  IoStep step = IoStep::failed;
  std::size_t count = 0;
};

/// A connected stream socket. One task reads, one writes. Thread: the loop.
class SocketStream {
 public:
  SocketStream(Executor executor, base::Fd socket);
  virtual ~SocketStream();
  SocketStream(const SocketStream&) = delete;
  SocketStream& operator=(const SocketStream&) = delete;

  /// Shape: out and data are not empty. After want_write the same data must be given again.
  virtual IoOutcome try_read(MutableByteView out);
  virtual IoOutcome try_write(ByteView data);
  /// Says goodbye as far as the protocol knows how, without waiting.
  virtual void say_goodbye() {}

  /// Waits for what step wants. Errors: canceled (also when closed).
  Task<Result<void>> wait(IoStep step);
  /// Wakes both tasks. abruptly: by a reset instead of an end of stream. Idempotent.
  void close(bool abruptly);
  bool is_open() const { return socket_.is_open(); }
  /// The last failure's sentence.
  const std::string& failure() const { return failure_; }

  /// The socket, still owned by the stream.
  int fd() { return socket_.native_handle(); }

  Task<Result<void>> read_exactly(MutableByteView out);
  Task<Result<void>> write_all(ByteView data);

 protected:
  IoOutcome fail_with(std::string why);
  IoOutcome fail_with_errno(int number);

 private:
  Error error_for(IoStep step, std::string_view doing) const;
  asio::posix::stream_descriptor socket_;
  std::string failure_;
};

}  // namespace shoal::wire
