// SPDX-License-Identifier: MIT
// The archives behind codec.h; included by codec.cc alone. cereal walks the structs; how the bytes
// look and what is refused is decided here:
//   integers      little endian, their own width; bool is one byte, 0 or 1
//   enumerators   their underlying integer, only those that exist
//   digest        its 32 bytes; strong ids their integer
//   string, bytes u32 count, then the bytes
//   vector        u32 count, then the elements
//   optional      bool, then the value if there is one
//   variant       u8 index, then that alternative
// Every count is compared with the bytes left before anything is allocated, and a vector never
// reserves more memory than the input has bytes left, so memory follows what really arrived.
#pragma once

#include <cereal/cereal.hpp>

#include <array>
#include <bit>
#include <concepts>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "wire/limits.h"
#include "wire/locks.h"
#include "wire/messages.h"

namespace shoal::wire::archive {

/// What a Reader throws; it never leaves codec.cc.
class Malformed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An integer that has one form on the wire.
template <class T>
concept WireInteger = std::integral<T> && !std::same_as<T, bool> && sizeof(T) <= 8;

/// Appends to a buffer.
class Writer : public cereal::OutputArchive<Writer> {
 public:
  Writer() : OutputArchive(this) {}

  void append(ByteView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  template <WireInteger T>
  void append_integer(T value) {
    if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
    append(std::as_bytes(std::span(&value, 1)));
  }
  void append_count(std::size_t count) { append_integer(static_cast<std::uint32_t>(count)); }
  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
};

/// Takes from a view and throws Malformed when there is less than asked for.
class Reader : public cereal::InputArchive<Reader> {
 public:
  explicit Reader(ByteView in) : InputArchive(this), left_(in) {}

  std::size_t left() const { return left_.size(); }
  ByteView take(std::size_t count) {
    if (count > left_.size()) throw Malformed("the message is shorter than it says");
    const ByteView taken = left_.first(count);
    left_ = left_.subspan(count);
    return taken;
  }
  template <WireInteger T>
  T take_integer() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
    return value;
  }
  bool take_bool() {
    const auto value = take_integer<std::uint8_t>();
    if (value > 1) throw Malformed("a truth value is neither 0 nor 1");
    return value == 1;
  }
  /// A count of things that take at least one byte each.
  std::size_t take_count(std::size_t limit) {
    const auto count = take_integer<std::uint32_t>();
    if (count > left_.size()) throw Malformed("a count is larger than the message");
    if (count > limit) throw Malformed("a list is longer than its limit");
    return count;
  }

 private:
  ByteView left_;
};

/// How many elements a list may have.
template <class Element>
inline constexpr std::size_t kElementsMax = kMaxListEntries;
template <>
inline constexpr std::size_t kElementsMax<Digest> = kMaxLayerEntries;
template <>
inline constexpr std::size_t kElementsMax<Endpoint> = kMaxEndpoints;
template <>
inline constexpr std::size_t kElementsMax<Operation> = kMaxOperations;
template <>
inline constexpr std::size_t kElementsMax<OperationReply> = kMaxOperations;

template <WireInteger T>
void save(Writer& writer, const T& value) {
  writer.append_integer(value);
}
template <WireInteger T>
void load(Reader& reader, T& value) {
  value = reader.take_integer<T>();
}

template <std::same_as<bool> T>
void save(Writer& writer, const T& value) {
  writer.append_integer<std::uint8_t>(value ? 1 : 0);
}
template <std::same_as<bool> T>
void load(Reader& reader, T& value) {
  value = reader.take_bool();
}

inline void save(Writer& writer, const FileKind& kind) {
  writer.append_integer(static_cast<std::uint8_t>(kind));
}
inline void load(Reader& reader, FileKind& kind) {
  const auto number = reader.take_integer<std::uint8_t>();
  if (number < static_cast<std::uint8_t>(FileKind::regular) ||
      number > static_cast<std::uint8_t>(FileKind::block_device)) {
    throw Malformed("there is no such kind of file");
  }
  kind = static_cast<FileKind>(number);
}

inline void save(Writer& writer, const Errc& code) {
  writer.append_integer(static_cast<std::uint16_t>(code));
}
inline void load(Reader& reader, Errc& code) {
  const auto number = reader.take_integer<std::uint16_t>();
  if (number == 0 || number > base::kErrcMax) throw Malformed("there is no such kind of error");
  code = static_cast<Errc>(number);
}

/// Enumerations that count from 1 in a byte: their last enumerator.
template <class T>
inline constexpr std::uint8_t kLast = 0;
template <>
inline constexpr auto kLast<LockKind> = static_cast<std::uint8_t>(LockKind::posix);
template <>
inline constexpr auto kLast<LockType> = static_cast<std::uint8_t>(LockType::write);
template <>
inline constexpr auto kLast<LockOutcome> = static_cast<std::uint8_t>(LockOutcome::too_many);
template <class T>
concept ByteEnum = std::is_enum_v<T> && kLast<T> != 0;

template <ByteEnum T>
void save(Writer& writer, const T& value) {
  writer.append_integer(static_cast<std::uint8_t>(value));
}
template <ByteEnum T>
void load(Reader& reader, T& value) {
  const auto number = reader.take_integer<std::uint8_t>();
  if (number == 0 || number > kLast<T>) throw Malformed("there is no such enumerator");
  value = static_cast<T>(number);
}

template <class Tag, class Rep>
void save(Writer& writer, const base::StrongId<Tag, Rep>& id) {
  writer.append_integer(id.value());
}
template <class Tag, class Rep>
void load(Reader& reader, base::StrongId<Tag, Rep>& id) {
  id = base::StrongId<Tag, Rep>(reader.take_integer<Rep>());
}

template <std::size_t N>
void save(Writer& writer, const std::array<std::byte, N>& bytes) {
  writer.append(bytes);
}
template <std::size_t N>
void load(Reader& reader, std::array<std::byte, N>& bytes) {
  std::memcpy(bytes.data(), reader.take(N).data(), N);
}
inline void save(Writer& writer, const Digest& digest) { save(writer, digest.bytes); }
inline void load(Reader& reader, Digest& digest) { load(reader, digest.bytes); }

inline void save(Writer& writer, const std::string& text) {
  writer.append_count(text.size());
  writer.append(as_bytes(text));
}
inline void load(Reader& reader, std::string& text) {
  text = as_text(reader.take(reader.take_count(kMaxBodyBytes)));
}

inline void save(Writer& writer, const Bytes& bytes) {
  writer.append_count(bytes.size());
  writer.append(bytes);
}
inline void load(Reader& reader, Bytes& bytes) {
  const ByteView taken = reader.take(reader.take_count(kMaxBodyBytes));
  bytes.assign(taken.begin(), taken.end());
}

inline void save(Writer& writer, const std::vector<bool>& flags) {
  writer.append_count(flags.size());
  for (const bool flag : flags) save(writer, flag);
}
inline void load(Reader& reader, std::vector<bool>& flags) {
  const std::size_t count = reader.take_count(kElementsMax<bool>);
  flags.clear();
  for (std::size_t i = 0; i < count; ++i) flags.push_back(reader.take_bool());
}

/// Digests lie in memory as they lie on the wire.
inline void save(Writer& writer, const std::vector<Digest>& digests) {
  static_assert(sizeof(Digest) == Digest::kBytes && std::is_trivially_copyable_v<Digest>);
  writer.append_count(digests.size());
  writer.append(std::as_bytes(std::span(digests)));
}
inline void load(Reader& reader, std::vector<Digest>& digests) {
  const std::size_t count = reader.take_count(kElementsMax<Digest>);
  const ByteView taken = reader.take(count * Digest::kBytes);
  digests.resize(count);
  if (count != 0) std::memcpy(digests.data(), taken.data(), taken.size());
}

template <class T>
void save(Writer& writer, const std::vector<T>& elements) {
  writer.append_count(elements.size());
  for (const T& element : elements) writer(element);
}
template <class T>
void load(Reader& reader, std::vector<T>& elements) {
  const std::size_t count = reader.take_count(kElementsMax<T>);
  elements.clear();
  elements.reserve(std::min(count, reader.left() / sizeof(T)));
  for (std::size_t i = 0; i < count; ++i) reader(elements.emplace_back());
}

template <class T>
void save(Writer& writer, const std::optional<T>& value) {
  save(writer, value.has_value());
  if (value) writer(*value);
}
template <class T>
void load(Reader& reader, std::optional<T>& value) {
  value.reset();
  if (reader.take_bool()) reader(value.emplace());
}

template <class... Alternatives>
void save(Writer& writer, const std::variant<Alternatives...>& value) {
  writer.append_integer(static_cast<std::uint8_t>(value.index()));
  std::visit([&writer](const auto& alternative) { writer(alternative); }, value);
}
template <class... Alternatives>
void load(Reader& reader, std::variant<Alternatives...>& value) {
  using Step = void (*)(Reader&, std::variant<Alternatives...>&);
  static constexpr Step kSteps[] = {+[](Reader& from, std::variant<Alternatives...>& to) {
    from(to.template emplace<Alternatives>());
  }...};
  const auto index = reader.take_integer<std::uint8_t>();
  if (index >= sizeof...(Alternatives)) throw Malformed("there is no such kind of operation");
  kSteps[index](reader, value);
}

/// A content that cannot exist is refused here, once, so that nobody computes with its numbers.
inline void save(Writer& writer, const ContentRef& content) {
  writer(content.id.root, content.id.size, content.chunk_bytes);
}
inline void load(Reader& reader, ContentRef& content) {
  reader(content.id.root, content.id.size, content.chunk_bytes);
  if (content.id.size > base::kMaxFileBytes) throw Malformed("a content is too long to exist");
  if (content.id.is_empty() && !content.id.root.is_zero()) {
    throw Malformed("an empty content has a root");
  }
  if (!base::is_valid_chunk_bytes(content.chunk_bytes)) {
    throw Malformed("there is no such chunk size");
  }
}

}  // namespace shoal::wire::archive

namespace cereal {

// These would have several ways otherwise: cereal's own for enums, ContentRef's member function.
template <class Archive>
struct specialize<Archive, shoal::wire::FileKind, specialization::non_member_load_save> {};
template <class Archive>
struct specialize<Archive, shoal::Errc, specialization::non_member_load_save> {};
template <class Archive, shoal::wire::archive::ByteEnum T>
struct specialize<Archive, T, specialization::non_member_load_save> {};
template <class Archive>
struct specialize<Archive, shoal::wire::ContentRef, specialization::non_member_load_save> {};

}  // namespace cereal

CEREAL_SETUP_ARCHIVE_TRAITS(shoal::wire::archive::Reader, shoal::wire::archive::Writer)
