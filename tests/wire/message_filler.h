// SPDX-License-Identifier: MIT
// Random instances of any message: an archive for their serialize() that writes instead of reading.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/random.h"
#include "wire/message_list.h"

namespace shoal::test {

class MessageFiller {
 public:
  /// Shape: lists get up to list_max elements, texts up to text_max bytes.
  MessageFiller(base::Random& random, std::size_t list_max, std::size_t text_max)
      : random_(random), list_max_(list_max), text_max_(text_max) {}

  template <class... Fields>
  void operator()(Fields&... fields) {
    (fill(fields), ...);
  }

  template <class T>
  void fill(T& value) {
    if constexpr (std::same_as<T, bool>) {
      value = random_.chance(0.5);
    } else if constexpr (std::same_as<T, wire::FileKind>) {
      value = static_cast<wire::FileKind>(1 + random_.below(7));
    } else if constexpr (std::same_as<T, Errc>) {
      value = static_cast<Errc>(1 + random_.below(base::kErrcMax));
    } else if constexpr (std::same_as<T, wire::LockKind> || std::same_as<T, wire::LockType>) {
      value = static_cast<T>(1 + random_.below(2));
    } else if constexpr (std::same_as<T, wire::LockOutcome>) {
      value = static_cast<T>(1 + random_.below(4));
    } else if constexpr (std::integral<T>) {
      // Small numbers, all numbers, and those near the limits.
      const auto any = static_cast<T>(random_.next());
      const std::uint64_t shape = random_.below(8);
      value = shape == 0   ? T{}
              : shape == 1 ? static_cast<T>(~T{})
              : shape < 5  ? static_cast<T>(any & 0x7f)
                           : any;
    } else {
      value.serialize(*this);
    }
  }

  template <class Tag, class Rep>
  void fill(base::StrongId<Tag, Rep>& id) {
    Rep value{};
    fill(value);
    id = base::StrongId<Tag, Rep>(value);
  }
  template <std::size_t N>
  void fill(std::array<std::byte, N>& bytes) {
    random_.fill(bytes);
  }
  void fill(Digest& digest) { fill(digest.bytes); }
  void fill(std::string& text) {
    const Bytes bytes = some_bytes();
    text = as_text(bytes);
  }
  void fill(Bytes& bytes) { bytes = some_bytes(); }
  void fill(std::vector<bool>& flags) {
    flags.resize(random_.below(list_max_ + 1));
    for (std::size_t i = 0; i < flags.size(); ++i) flags[i] = random_.chance(0.5);
  }
  template <class T>
  void fill(std::vector<T>& elements) {
    elements.clear();
    elements.resize(random_.below(list_max_ + 1));
    for (T& element : elements) fill(element);
  }
  template <class T>
  void fill(std::optional<T>& value) {
    value.reset();
    if (random_.chance(0.5)) fill(value.emplace());
  }
  template <class... Alternatives>
  void fill(std::variant<Alternatives...>& value) {
    std::size_t chosen = random_.below(sizeof...(Alternatives));
    ((chosen-- == 0 ? fill(value.template emplace<Alternatives>()) : void()), ...);
  }
  void fill(wire::ContentRef& content) {
    content.id.size = random_.chance(0.2) ? 0 : random_.below(base::kMaxFileBytes + 1);
    content.id.root = Digest{};
    if (content.id.size != 0) fill(content.id.root);
    content.chunk_bytes = base::kMinChunkBytes << random_.below(11);
  }

 private:
  Bytes some_bytes() {
    Bytes bytes(random_.below(text_max_ + 1));
    random_.fill(bytes);
    return bytes;
  }

  base::Random& random_;
  std::size_t list_max_;
  std::size_t text_max_;
};

template <class Message>
Message random_message(base::Random& random, std::size_t list_max = 3, std::size_t text_max = 40) {
  Message message;
  MessageFiller(random, list_max, text_max).fill(message);
  return message;
}

/// "Lookup" for wire::Lookup.
template <class T>
std::string type_name() {
  if constexpr (std::same_as<T, std::vector<wire::Operation>>) {
    return "Operations";
  } else {
    std::string_view name = __PRETTY_FUNCTION__;
    name = name.substr(name.find("T = ") + 4);
    name = name.substr(0, name.find_first_of(";]"));
    return std::string(name.substr(name.rfind(':') + 1));
  }
}

/// Calls visit.template operator()<Message>() for every message of the protocol.
template <class Visit, class... Messages>
void for_each_message(wire::TypeList<Messages...>, Visit visit) {
  (visit.template operator()<Messages>(), ...);
}
template <class Visit>
void for_each_message(Visit visit) {
  for_each_message(wire::AllMessages{}, std::move(visit));
}

}  // namespace shoal::test
