// SPDX-License-Identifier: MIT
// The first byte selects: a header, a preamble, or a stream of frames as a connection reads it.
#include <sys/socket.h>

#include <cstdint>

#include "base/check.h"
#include "wire/framed_connection.h"
#include "wire/limits.h"

namespace shoal::wire {
namespace {

/// What a socket pair takes without a reader.
constexpr std::size_t kMaxStreamBytes = 32 * 1024;

void fuzz_header(ByteView bytes) {
  const auto header = parse_header(bytes);
  if (!header) return;
  const Bytes again = format_header(*header);
  CHECK(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
}

Task<void> read_all(Connection& connection, std::size_t size) {
  std::size_t seen = 0;
  for (;;) {
    auto frame = co_await connection.receive();
    if (!frame) break;
    seen += kFrameHeaderBytes + frame->body.size() + frame->payload.size();
  }
  CHECK(seen <= size, "more was read than was sent");
}

void fuzz_stream(ByteView bytes) {
  static const std::unique_ptr<Timer> timer = base::make_system_timer();
  bytes = bytes.first(std::min(bytes.size(), kMaxStreamBytes));
  int fds[2];
  CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
  base::Fd ours(fds[0]);
  base::Fd theirs(fds[1]);
  if (!bytes.empty()) {
    CHECK(::send(theirs.get(), bytes.data(), bytes.size(), 0) ==
          static_cast<ssize_t>(bytes.size()));
  }
  theirs = base::Fd();
  Loop loop;
  FramedConnection connection(
      *timer, std::make_unique<SocketStream>(loop.get_executor(), std::move(ours)), PeerId{}, "x");
  base::run_until_done(loop, read_all(connection, bytes.size()));
}

}  // namespace
}  // namespace shoal::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const shoal::ByteView bytes(reinterpret_cast<const std::byte*>(data + 1), size - 1);
  switch (data[0] % 3) {
    case 0:
      shoal::wire::fuzz_header(bytes);
      break;
    case 1:
      (void)shoal::wire::agree_version(bytes).has_value();
      break;
    default:
      shoal::wire::fuzz_stream(bytes);
  }
  return 0;
}
