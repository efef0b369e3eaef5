// SPDX-License-Identifier: MIT
// The first byte selects the message by its place in wire/message_list.h. What decodes must encode
// to the same bytes: a message has one form.
#include <algorithm>
#include <cstdint>
#include <tuple>

#include "base/check.h"
#include "wire/codec.h"
#include "wire/message_list.h"

namespace shoal::wire {
namespace {

template <class Message>
void fuzz_message(ByteView bytes) {
  const auto message = decode<Message>(bytes);
  if (!message) return;
  const Bytes again = encode(*message);
  CHECK(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
}

template <class... Messages>
void fuzz_any(TypeList<Messages...>, std::size_t chosen, ByteView bytes) {
  using Step = void (*)(ByteView);
  static constexpr Step kSteps[] = {&fuzz_message<Messages>...};
  kSteps[chosen % std::size(kSteps)](bytes);
}

}  // namespace
}  // namespace shoal::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const shoal::ByteView bytes(reinterpret_cast<const std::byte*>(data + 1), size - 1);
  shoal::wire::fuzz_any(shoal::wire::AllMessages{}, data[0], bytes);
  return 0;
}
