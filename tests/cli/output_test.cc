// SPDX-License-Identifier: MIT
#include "cli/output.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

namespace shoal::cli {
namespace {

TEST(Table, aligns_columns_and_ends_lines_without_blanks) {
  Table table({{"NAME"}, {"SIZE", Table::Align::right}, {"WHERE"}});
  table.add({"a", "1 KiB", "here"});
  table.add({"longer", "12.5 MiB", ""});
  EXPECT_EQ(table.text(),
            "NAME        SIZE  WHERE\n"
            "a          1 KiB  here\n"
            "longer  12.5 MiB");
}

TEST(Table, counts_characters_and_not_bytes_or_colours) {
  Table table({{"N"}, {"X"}});
  table.add({"caf\xc3\xa9", "1"});
  table.add({"\x1b[32mok\x1b[0m", "2"});
  EXPECT_EQ(table.text(),
            "N     X\n"
            "caf\xc3\xa9  1\n"
            "\x1b[32mok\x1b[0m    2");
}

TEST(Output, counts_things_in_words) {
  EXPECT_EQ(count_of(0, "file"), "0 files");
  EXPECT_EQ(count_of(1, "file"), "1 file");
  EXPECT_EQ(count_of(12345, "file"), "12,345 files");
  EXPECT_EQ(count_of(2, "directory"), "2 directories");
  EXPECT_EQ(count_of(1, "copy"), "1 copy");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(1234567890), "1,234,567,890");
}

TEST(Output, tells_how_long_ago_something_was) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  constexpr std::int64_t kNow = 1'000'000 * kSecond;
  EXPECT_EQ(ago(0, kNow), "never");
  EXPECT_EQ(ago(kNow - 3 * kSecond, kNow), "3 s ago");
  EXPECT_EQ(ago(kNow + 3 * kSecond, kNow), "0 s ago");  // a clock that is ahead
  EXPECT_EQ(ago(kNow - 600 * kSecond, kNow), "10 min ago");
  EXPECT_EQ(ago(kNow - 10'800 * kSecond, kNow), "3 h ago");
  EXPECT_EQ(ago(kNow - 5 * 86'400 * kSecond, kNow), "5 days ago");
}

TEST(Output, colours_only_a_terminal_and_honours_no_color) {
  ::setenv("TERM", "xterm", 1);
  ::unsetenv("NO_COLOR");
  EXPECT_TRUE(wants_color("auto", true));
  EXPECT_FALSE(wants_color("auto", false));
  EXPECT_TRUE(wants_color("always", false));
  EXPECT_FALSE(wants_color("never", true));
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(wants_color("auto", true));
  EXPECT_TRUE(wants_color("always", true));
  ::unsetenv("NO_COLOR");
  ::setenv("TERM", "dumb", 1);
  EXPECT_FALSE(wants_color("auto", true));
}

TEST(Output, leaves_text_alone_without_colour) {
  EXPECT_EQ(Output({}).paint(Color::good, "ok"), "ok");
  EXPECT_EQ(Output({.color = true}).paint(Color::good, "ok"), "\x1b[32mok\x1b[0m");
  EXPECT_EQ(Output({.color = true}).paint(Color::plain, "ok"), "ok");
}

}  // namespace
}  // namespace shoal::cli
