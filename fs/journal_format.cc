// SPDX-License-Identifier: MIT
#include "fs/journal_format.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "base/hash.h"
#include "wire/codec.h"

namespace shoal::fs::journal_format {
namespace {

constexpr std::string_view kMagic = "shoaljnl";
constexpr std::size_t kChecksumBytes = 8;

template <class Number>
void put(MutableByteView place, Number number) {
  for (std::size_t i = 0; i < sizeof number; ++i) {
    place[i] = static_cast<std::byte>(number >> (8 * i));
  }
}

template <class Number>
Number get(ByteView place) {
  Number number = 0;
  for (std::size_t i = 0; i < sizeof number; ++i) {
    number |= static_cast<Number>(std::to_integer<Number>(place[i]) << (8 * i));
  }
  return number;
}

/// One record at the beginning of bytes.
struct Parsed {
  enum class State { sound, incomplete, wrong } state = State::wrong;
  std::size_t bytes = 0;
  std::uint64_t number = 0;
  ByteView operation;
};

Parsed parse(ByteView bytes, std::uint64_t last_number) {
  Parsed parsed;
  if (bytes.size() < kPrefixBytes) {
    parsed.state = Parsed::State::incomplete;
    return parsed;
  }
  const std::size_t length = get<std::uint32_t>(bytes.subspan(kChecksumBytes));
  parsed.number = get<std::uint64_t>(bytes.subspan(kChecksumBytes + 4));
  if (length == 0 || length > kMaxRecordBytes - kPrefixBytes) return parsed;
  parsed.bytes = kPrefixBytes + length;
  if (parsed.bytes > bytes.size()) {
    parsed.state = Parsed::State::incomplete;
    return parsed;
  }
  if (parsed.number <= last_number) return parsed;
  const Digest digest = base::sha256(bytes.subspan(kChecksumBytes, parsed.bytes - kChecksumBytes));
  if (!std::ranges::equal(digest.view().first(kChecksumBytes), bytes.first(kChecksumBytes))) {
    return parsed;
  }
  parsed.operation = bytes.subspan(kPrefixBytes, length);
  parsed.state = Parsed::State::sound;
  return parsed;
}

/// Whether a sound record begins anywhere in a rest that looks torn off: then it is not the end.
bool has_record(ByteView rest, std::uint64_t last_number) {
  for (std::size_t at = 1; at + kPrefixBytes < rest.size(); ++at) {
    if (parse(rest.subspan(at), last_number).state == Parsed::State::sound) return true;
  }
  return false;
}

/// What is wrong with a rest that does not begin with a sound record.
Damage judge(ByteView rest, const Parsed& parsed, std::uint64_t last_number) {
  const bool is_zero = std::ranges::all_of(rest, [](std::byte b) { return b == std::byte{0}; });
  if (is_zero) return Damage::torn;  // a file that grew before its bytes were stored
  if (parsed.state != Parsed::State::incomplete) return Damage::corrupt;
  if (rest.size() > kMaxRecordBytes) return Damage::corrupt;
  return has_record(rest, last_number) ? Damage::corrupt : Damage::torn;
}

std::optional<Damage> header_damage(ByteView file) {
  const Bytes expected = header();
  const std::size_t common = std::min(file.size(), expected.size());
  if (std::ranges::equal(file.first(common), ByteView(expected).first(common))) {
    if (common == expected.size()) return std::nullopt;
    return Damage::torn;
  }
  const bool has_magic = file.size() >= kHeaderBytes &&
                         std::ranges::equal(file.first(kMagic.size()), as_bytes(kMagic));
  return has_magic ? Damage::other_version : Damage::corrupt;
}

}  // namespace

Bytes header() {
  Bytes bytes(kHeaderBytes);
  std::ranges::copy(as_bytes(kMagic), bytes.begin());
  put(MutableByteView(bytes).subspan(kMagic.size()), kVersion);
  return bytes;
}

Bytes record(std::uint64_t number, const wire::Operation& operation) {
  const Bytes encoded = wire::encode(operation);
  Bytes bytes(kPrefixBytes + encoded.size());
  const MutableByteView view(bytes);
  put(view.subspan(kChecksumBytes), static_cast<std::uint32_t>(encoded.size()));
  put(view.subspan(kChecksumBytes + 4), number);
  std::ranges::copy(encoded, view.subspan(kPrefixBytes).begin());
  const Digest digest = base::sha256(ByteView(bytes).subspan(kChecksumBytes));
  std::ranges::copy(digest.view().first(kChecksumBytes), bytes.begin());
  return bytes;
}

Content read(ByteView file) {
  Content content;
  if (file.empty()) return content;
  if (const auto damage = header_damage(file)) {
    content.damage = *damage;
    return content;
  }
  content.sound_bytes = kHeaderBytes;
  std::uint64_t last_number = 0;
  while (content.sound_bytes < file.size()) {
    const ByteView rest = file.subspan(content.sound_bytes);
    const Parsed parsed = parse(rest, last_number);
    if (parsed.state != Parsed::State::sound) {
      content.damage = judge(rest, parsed, last_number);
      return content;
    }
    auto operation = wire::decode<wire::Operation>(parsed.operation);
    if (!operation) {
      content.damage = Damage::corrupt;
      return content;
    }
    content.items.push_back({parsed.number, content.sound_bytes, std::move(*operation)});
    last_number = parsed.number;
    content.sound_bytes += parsed.bytes;
  }
  return content;
}

}  // namespace shoal::fs::journal_format
