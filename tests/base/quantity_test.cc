// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "base/config.h"

namespace shoal::base {
namespace {

using namespace std::chrono_literals;

TEST(ParseBytesTest, reads_what_people_write) {
  const std::pair<const char*, std::uint64_t> cases[] = {
      {"0", 0},
      {"4096", 4096},
      {"312 B", 312},
      {"1KiB", 1024},
      {"1 kB", 1000},
      {"1.5 MiB", 1'572'864},
      {"20 GiB", std::uint64_t{20} << 30},
      {"20G", std::uint64_t{20} << 30},
      {"2 TB", 2'000'000'000'000},
      {"8191 PiB", std::uint64_t{8191} << 50},
  };
  for (const auto& [text, value] : cases) {
    const auto parsed = parse_bytes(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, value) << text;
  }
}

TEST(ParseBytesTest, refuses_the_rest) {
  for (const char* text : {"", " ", "-1", "1 XB", "GiB", "1.", ".5", "1..5", "1 GiB x", "0x10",
                           "1e9", "9223372036854775808", "8192 PiB", "99999999999999999999"}) {
    EXPECT_FALSE(parse_bytes(text)) << text;
  }
}

TEST(ParseDurationTest, reads_what_people_write) {
  const std::pair<const char*, Duration> cases[] = {
      {"20s", 20s}, {"10 min", 10min}, {"250ms", 250ms},         {"1m 05s", 65s},
      {"0s", 0s},   {"2.5 h", 150min}, {"1d 1h 1m 1s", 90'061s}, {"7us", 7us},
  };
  for (const auto& [text, value] : cases) {
    const auto parsed = parse_duration(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, value) << text;
  }
}

TEST(ParseDurationTest, refuses_the_rest) {
  for (const char* text :
       {"", "20", "s", "-1s", "1 fortnight", "1s,", "200000000d", "100000d 100000d"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(FormatBytesTest, keeps_one_decimal) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(format_bytes(1'503'238'553), "1.4 GiB");
  EXPECT_EQ(format_bytes(~std::uint64_t{0}), "16.0 EiB");
}

TEST(FormatDurationTest, picks_the_unit) {
  EXPECT_EQ(format_duration(999ns), "999 ns");
  EXPECT_EQ(format_duration(1500us), "1 ms");
  EXPECT_EQ(format_duration(2345ms), "2.3 s");
  EXPECT_EQ(format_duration(59'999ms), "59.9 s");
  EXPECT_EQ(format_duration(65s), "1m 05s");
  EXPECT_EQ(format_duration(2h + 3min), "2h 03m");
  EXPECT_EQ(format_duration(76h), "3d 04h");
  EXPECT_EQ(format_duration(-2s), "-2.0 s");
}

}  // namespace
}  // namespace shoal::base
