// SPDX-License-Identifier: MIT
#include "wire/rpc_error.h"

#include "base/metrics.h"
#include "wire/rpc.h"

namespace shoal::wire {
namespace {

/// What an error's sentence may take on the wire.
constexpr std::size_t kMaxContextBytes = 1024;

}  // namespace

namespace detail {

Error malformed_message(std::uint16_t type, const Error& why) {
  static base::Counter& count = base::counter("shoal_malformed_messages_total");
  count.add();
  return why.with(fmt::format("message of type {}", type));
}

}  // namespace detail

Frame error_frame(std::uint16_t type, std::uint64_t number, const Error& error) {
  Frame frame;
  frame.type = type;
  frame.kind = FrameKind::error;
  frame.request = number;
  const auto code = static_cast<std::uint16_t>(error.code());
  frame.body = {static_cast<std::byte>(code & 0xff), static_cast<std::byte>(code >> 8)};
  const ByteView text = as_bytes(std::string_view(error.context()).substr(0, kMaxContextBytes));
  frame.body.insert(frame.body.end(), text.begin(), text.end());
  return frame;
}

std::optional<Error> decode_error(ByteView body) {
  if (body.size() < 2 || body.size() > 2 + kMaxContextBytes) return std::nullopt;
  const unsigned high = std::to_integer<unsigned>(body[1]);
  const unsigned code = std::to_integer<unsigned>(body[0]) | high << 8;
  if (code == 0 || code > base::kErrcMax) return std::nullopt;
  return Error(static_cast<Errc>(code), base::printable(as_text(body.subspan(2))));
}

}  // namespace shoal::wire
