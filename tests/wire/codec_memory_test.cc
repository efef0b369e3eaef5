// SPDX-License-Identifier: MIT
// How much memory a message can make a decoder take. This program counts what goes through the
// global allocation functions.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "tests/wire/message_filler.h"
#include "wire/codec.h"

namespace {

std::size_t g_allocated = 0;
std::size_t g_largest = 0;

}  // namespace

void* operator new(std::size_t size) {
  g_allocated += size;
  if (size > g_largest) g_largest = size;
  if (void* const memory = std::malloc(size)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace shoal::wire {
namespace {

constexpr std::uint64_t kSeed = 7;
/// An error's sentence, an exception, the archive itself.
constexpr std::size_t kOverhead = 4096;

template <class Message>
void decode_counting(ByteView bytes, std::size_t& allocated, std::size_t& largest) {
  g_allocated = g_largest = 0;
  const auto decoded = decode<Message>(bytes);
  allocated = g_allocated;
  largest = g_largest;
}

TEST(CodecMemoryTest, a_count_that_lies_allocates_no_more_than_the_input_has) {
  SCOPED_TRACE(fmt::format("seed {}", kSeed));
  base::Random random(kSeed);
  test::for_each_message([&random]<class Message>() {
    const Bytes honest = encode(test::random_message<Message>(random, 2, 20));
    // Wherever a count may stand, put a large one.
    for (std::size_t at = 0; at + 4 <= honest.size(); ++at) {
      for (const int lie : {0x01, 0x7f, 0xff}) {
        Bytes bytes = honest;
        for (std::size_t i = 0; i < 3; ++i) bytes[at + i] = std::byte{0xff};
        bytes[at + 3] = static_cast<std::byte>(lie);
        std::size_t allocated = 0;
        std::size_t largest = 0;
        decode_counting<Message>(bytes, allocated, largest);
        ASSERT_LE(largest, bytes.size() + kOverhead) << test::type_name<Message>() << " at " << at;
      }
    }
  });
}

TEST(CodecMemoryTest, many_small_elements_take_memory_in_proportion) {
  // The most a byte can buy: empty replies, each 9 bytes here and 64 or so in memory, in a vector
  // that grows by doubling.
  MutateReply reply;
  reply.replies.resize(1024);
  const Bytes bytes = encode(reply);
  std::size_t allocated = 0;
  std::size_t largest = 0;
  decode_counting<MutateReply>(bytes, allocated, largest);
  EXPECT_LE(allocated, bytes.size() * 40);
}

}  // namespace
}  // namespace shoal::wire
