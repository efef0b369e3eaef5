// SPDX-License-Identifier: MIT
#include "wire/codec.h"

#include <tuple>

#include "wire/codec_archive.h"
#include "wire/limits.h"
#include "wire/message_list.h"

namespace shoal::wire {

template <class Message>
Bytes encode(const Message& message) {
  archive::Writer writer;
  writer(message);
  return writer.take();
}

template <class Message>
Result<Message> decode(ByteView bytes) {
  // Besides Malformed the allocator may throw; neither passes this door.
  try {
    archive::Reader reader(bytes);
    Message message;
    reader(message);
    if (reader.left() != 0) {
      return fail(Errc::corrupt, "{} bytes are left over behind a message", reader.left());
    }
    return message;
  } catch (const archive::Malformed& malformed) {
    return fail(Errc::corrupt, "malformed message: {}", malformed.what());
  } catch (const std::exception& exception) {
    return fail(Errc::corrupt, "message not decoded: {}", exception.what());
  }
}

// One explicit instantiation makes encode and decode of every message: the addresses that it takes
// keep them in the library.
namespace detail {

template <class List>
struct Instances;
template <class... Messages>
struct Instances<TypeList<Messages...>> {
  static inline const std::tuple<Bytes (*)(const Messages&)...> kEncoders{&encode<Messages>...};
  static inline const std::tuple<Result<Messages> (*)(ByteView)...> kDecoders{&decode<Messages>...};
};
template struct Instances<AllMessages>;

}  // namespace detail

Result<void> check_name(std::string_view name) {
  if (name.empty()) return fail(Errc::invalid, "a name is empty");
  if (name.size() > kMaxNameBytes) {
    return fail(Errc::name_too_long, "a name has {} bytes, {} are allowed", name.size(),
                kMaxNameBytes);
  }
  if (name == "." || name == "..") return fail(Errc::invalid, "\"{}\" is not a name", name);
  if (name.find('/') != std::string_view::npos || name.find('\0') != std::string_view::npos) {
    return fail(Errc::invalid, "a name contains a slash or a zero byte");
  }
  return {};
}

}  // namespace shoal::wire
