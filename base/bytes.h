// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::base {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;
using MutableByteView = std::span<std::byte>;

/// The same memory seen as bytes or as characters; valid as long as the argument's memory is.
inline ByteView as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Lower-case hexadecimal, two digits a byte.
std::string to_hex(ByteView bytes);
/// The inverse; nullopt unless text is an even number of hexadecimal digits.
std::optional<Bytes> from_hex(std::string_view text);

/// RFC 4648 base64 with padding; for bytes that are not UTF-8 in JSON (`path_b64`).
std::string to_base64(ByteView bytes);
/// RFC 4648 section 5 without padding, for invitations.
std::string to_base64url(ByteView bytes);
std::optional<Bytes> from_base64url(std::string_view text);

/// A name fit for one line of a log or a terminal: control and non-UTF-8 bytes become \xNN.
std::string printable(std::string_view name);

}  // namespace shoal::base

namespace shoal {
using base::as_bytes;
using base::as_text;
using base::Bytes;
using base::ByteView;
using base::MutableByteView;
}  // namespace shoal
