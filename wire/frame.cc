// SPDX-License-Identifier: MIT
#include "wire/frame.h"

#include <algorithm>
#include <array>
#include <concepts>

#include "wire/limits.h"

namespace shoal::wire {
namespace {

constexpr std::string_view kMagic("SHOAL\0", 6);

template <std::unsigned_integral T>
void put(Bytes& out, T value) {
  for (std::size_t i = 0; i < sizeof value; ++i) {
    out.push_back(static_cast<std::byte>(static_cast<std::uint64_t>(value) >> (8 * i)));
  }
}

template <std::unsigned_integral T>
T get(ByteView bytes, std::size_t offset) {
  std::uint64_t value = 0;
  for (std::size_t i = sizeof(T); i-- > 0;) {
    value = value << 8 | std::to_integer<std::uint64_t>(bytes[offset + i]);
  }
  return static_cast<T>(value);
}

}  // namespace

Result<FrameHeader> parse_header(ByteView bytes) {
  if (bytes.size() != kFrameHeaderBytes) {
    return fail(Errc::corrupt, "a frame header has {} bytes, not {}", kFrameHeaderBytes,
                bytes.size());
  }
  FrameHeader header;
  header.body_bytes = get<std::uint32_t>(bytes, 0);
  header.payload_bytes = get<std::uint32_t>(bytes, 4);
  header.type = get<std::uint16_t>(bytes, 8);
  const auto kind = get<std::uint8_t>(bytes, 10);
  header.request = get<std::uint64_t>(bytes, 16);
  if (kind < static_cast<std::uint8_t>(FrameKind::request) ||
      kind > static_cast<std::uint8_t>(FrameKind::cancel)) {
    return fail(Errc::corrupt, "a frame of unknown kind {}", kind);
  }
  if (get<std::uint8_t>(bytes, 11) != 0 || get<std::uint32_t>(bytes, 12) != 0) {
    return fail(Errc::corrupt, "reserved bytes of a frame header are not zero");
  }
  header.kind = static_cast<FrameKind>(kind);
  if (header.body_bytes > kMaxBodyBytes) {
    return fail(Errc::too_large, "a frame claims a body of {} bytes, {} are allowed",
                header.body_bytes, kMaxBodyBytes);
  }
  if (header.payload_bytes > kMaxPayloadBytes) {
    return fail(Errc::too_large, "a frame claims a payload of {} bytes, {} are allowed",
                header.payload_bytes, kMaxPayloadBytes);
  }
  return header;
}

Bytes format_header(const FrameHeader& header) {
  Bytes out;
  out.reserve(kFrameHeaderBytes);
  put(out, header.body_bytes);
  put(out, header.payload_bytes);
  put(out, header.type);
  put(out, static_cast<std::uint8_t>(header.kind));
  put(out, std::uint8_t{0});
  put(out, std::uint32_t{0});
  put(out, header.request);
  return out;
}

Bytes format_preamble() {
  const ByteView magic = as_bytes(kMagic);
  Bytes out(magic.begin(), magic.end());
  put(out, kProtocolMin);
  put(out, kProtocolMax);
  put(out, std::uint16_t{0});
  return out;
}

Result<std::uint16_t> agree_version(ByteView theirs) {
  if (theirs.size() != kPreambleBytes || !std::ranges::equal(theirs.first(6), as_bytes(kMagic))) {
    return fail(Errc::corrupt, "the other side does not speak shoal's protocol");
  }
  const auto min = get<std::uint16_t>(theirs, 6);
  const auto max = get<std::uint16_t>(theirs, 8);
  // The last two bytes are for later versions: what they say is not for us.
  if (min == 0 || min > max) {
    return fail(Errc::corrupt, "the other side names impossible versions {} to {}", min, max);
  }
  if (max < kProtocolMin || min > kProtocolMax) {
    return fail(
        Errc::version_mismatch,
        "we speak protocol versions {} to {}, the other side {} to {}: update the older one",
        kProtocolMin, kProtocolMax, min, max);
  }
  return std::min(max, kProtocolMax);
}

}  // namespace shoal::wire
