// SPDX-License-Identifier: MIT
#include "wire/frame.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "wire/limits.h"

namespace shoal::wire {
namespace {

FrameHeader sample() {
  return {0x01020304 & 0xffff, 5, 0x0a0b, FrameKind::reply, 0x1112131415161718};
}

TEST(FrameTest, a_header_has_24_bytes_low_byte_first) {
  const FrameHeader header{0x0304, 0x05, 0x0a0b, FrameKind::reply, 0x1112131415161718};
  EXPECT_EQ(base::to_hex(format_header(header)),
            "04030000"
            "05000000"
            "0b0a"
            "02"
            "00"
            "00000000"
            "1817161514131211");
}

TEST(FrameTest, headers_survive_the_trip) {
  base::Random random(1);
  for (int round = 0; round < 1000; ++round) {
    const FrameHeader header{static_cast<std::uint32_t>(random.below(kMaxBodyBytes + 1)),
                             static_cast<std::uint32_t>(random.below(kMaxPayloadBytes + 1)),
                             static_cast<std::uint16_t>(random.next()),
                             static_cast<FrameKind>(1 + random.below(4)), random.next()};
    const auto parsed = parse_header(format_header(header));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->body_bytes, header.body_bytes);
    EXPECT_EQ(parsed->payload_bytes, header.payload_bytes);
    EXPECT_EQ(parsed->type, header.type);
    EXPECT_EQ(parsed->kind, header.kind);
    EXPECT_EQ(parsed->request, header.request);
  }
}

TEST(FrameTest, only_whole_headers_are_parsed) {
  Bytes bytes = format_header(sample());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto parsed = parse_header(ByteView(bytes).first(size));
    ASSERT_FALSE(parsed) << size;
    EXPECT_EQ(parsed.error().code(), Errc::corrupt);
  }
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(parse_header(bytes));
}

struct ByteCase {
  const char* what;
  std::size_t offset;
  unsigned char value;
  Errc code;
};

TEST(FrameTest, every_byte_of_a_header_is_checked) {
  const ByteCase cases[] = {
      {"body of 16 MiB and more", 3, 0x01, Errc::too_large},
      {"body of 2 GiB and more", 3, 0x80, Errc::too_large},
      {"payload of 32 MiB and more", 7, 0x02, Errc::too_large},
      {"payload of 4 GiB nearly", 7, 0xff, Errc::too_large},
      {"kind 0", 10, 0, Errc::corrupt},
      {"kind 5", 10, 5, Errc::corrupt},
      {"kind 255", 10, 255, Errc::corrupt},
      {"reserved byte", 11, 1, Errc::corrupt},
      {"reserved word, first", 12, 1, Errc::corrupt},
      {"reserved word, last", 15, 0x80, Errc::corrupt},
  };
  for (const ByteCase& each : cases) {
    Bytes bytes = format_header(sample());
    bytes[each.offset] = std::byte{each.value};
    const auto parsed = parse_header(bytes);
    ASSERT_FALSE(parsed) << each.what;
    EXPECT_EQ(parsed.error().code(), each.code) << each.what;
  }
}

TEST(FrameTest, limits_are_inclusive) {
  FrameHeader header = sample();
  header.body_bytes = kMaxBodyBytes;
  header.payload_bytes = kMaxPayloadBytes;
  EXPECT_TRUE(parse_header(format_header(header)));
  header.body_bytes = kMaxBodyBytes + 1;
  EXPECT_EQ(parse_header(format_header(header)).error().code(), Errc::too_large);
  header.body_bytes = 0;
  header.payload_bytes = kMaxPayloadBytes + 1;
  EXPECT_EQ(parse_header(format_header(header)).error().code(), Errc::too_large);
}

Bytes preamble(std::string_view magic, std::uint16_t min, std::uint16_t max) {
  Bytes bytes;
  for (const char c : magic) bytes.push_back(static_cast<std::byte>(c));
  for (const unsigned value : {unsigned{min}, unsigned{max}, 0u}) {
    bytes.push_back(static_cast<std::byte>(value & 0xff));
    bytes.push_back(static_cast<std::byte>(value >> 8));
  }
  return bytes;
}

constexpr std::string_view kMagic("SHOAL\0", 6);

TEST(FrameTest, our_own_preamble_agrees_with_us) {
  const Bytes ours = format_preamble();
  EXPECT_EQ(ours.size(), kPreambleBytes);
  const auto version = agree_version(ours);
  ASSERT_TRUE(version);
  EXPECT_EQ(*version, kProtocolMax);
}

TEST(FrameTest, the_highest_common_version_is_spoken) {
  const auto version = agree_version(preamble(kMagic, 1, 900));
  ASSERT_TRUE(version);
  EXPECT_EQ(*version, kProtocolMax);
}

TEST(FrameTest, ranges_that_do_not_meet_are_told_in_full) {
  const auto version = agree_version(preamble(kMagic, 700, 900));
  ASSERT_FALSE(version);
  EXPECT_EQ(version.error().code(), Errc::version_mismatch);
  EXPECT_NE(version.error().context().find("700 to 900"), std::string::npos);
  EXPECT_NE(version.error().context().find(fmt::format("{} to {}", kProtocolMin, kProtocolMax)),
            std::string::npos);
}

TEST(FrameTest, preambles_of_others_are_corrupt) {
  const Bytes cases[] = {
      preamble("SHOAL!", 1, 1),
      preamble(std::string_view("shoal\0", 6), 1, 1),
      preamble("GET / ", 1, 1),
      preamble(kMagic, 0, 1),
      preamble(kMagic, 2, 1),
      Bytes(5),
      Bytes(13),
  };
  for (const Bytes& each : cases) {
    const auto version = agree_version(each);
    ASSERT_FALSE(version) << base::to_hex(each);
    EXPECT_EQ(version.error().code(), Errc::corrupt);
  }
}

}  // namespace
}  // namespace shoal::wire
