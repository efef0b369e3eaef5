// SPDX-License-Identifier: MIT
// The unit that travels on a connection. Header, little endian, 24 bytes:
//   u32 body bytes | u32 payload bytes | u16 type | u8 kind | u8 zero | u32 zero | u64 request
// A connection begins with a preamble of 12 bytes from both sides: "SHOAL\0" u16 min u16 max u16 0.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"

namespace shoal::wire {

enum class FrameKind : std::uint8_t {
  request = 1,  ///< type: the message's kType; request: a number of the sender's choice
  reply = 2,    ///< the answer to `request`
  error = 3,    ///< likewise; the body is u16 Errc and text
  cancel = 4,   ///< the requester no longer waits; no answer is needed
};

struct Frame {
  std::uint16_t type = 0;
  FrameKind kind = FrameKind::request;
  std::uint64_t request = 0;
  Bytes body;     ///< an encoded message
  Bytes payload;  ///< raw block bytes, never copied through the codec
};

inline constexpr std::size_t kFrameHeaderBytes = 24;
inline constexpr std::size_t kPreambleBytes = 12;

struct FrameHeader {
  std::uint32_t body_bytes = 0;
  std::uint32_t payload_bytes = 0;
  std::uint16_t type = 0;
  FrameKind kind = FrameKind::request;
  std::uint64_t request = 0;
};

/// Pure. Errors: corrupt (reserved bits, unknown kind), too_large (over limits.h).
Result<FrameHeader> parse_header(ByteView bytes);
Bytes format_header(const FrameHeader& header);

/// Pure: our preamble, and the version to speak after theirs. Errors: corrupt (not shoal),
/// version_mismatch with both ranges in the sentence.
Bytes format_preamble();
Result<std::uint16_t> agree_version(ByteView theirs);

}  // namespace shoal::wire
