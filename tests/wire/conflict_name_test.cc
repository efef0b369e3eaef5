// SPDX-License-Identifier: MIT
#include "wire/conflict_name.h"

#include <gtest/gtest.h>

#include "wire/limits.h"

namespace shoal::wire {
namespace {

// 2026-11-21 08:15:02.123456789 UTC
constexpr std::int64_t kTime = 1'795'248'902'123'456'789;

TEST(ConflictNameTest, says_whose_it_was_and_when) {
  EXPECT_EQ(conflict_name("report.txt", "attic", kTime),
            "report.txt.conflict-attic-20261121T081502.123Z");
  EXPECT_EQ(conflict_name("a", "b", 0), "a.conflict-b-19700101T000000.000Z");
}

TEST(ConflictNameTest, always_fits_and_cuts_no_character_in_two) {
  for (std::size_t length : {1U, 200U, 224U, 225U, 255U}) {
    std::string name;
    while (name.size() + 2 <= length) name += "\xc3\xa9";
    const std::string made = conflict_name(name, std::string(300, 'p'), kTime);
    EXPECT_LE(made.size(), kMaxNameBytes);
    const std::string stem = made.substr(0, made.find(".conflict-"));
    EXPECT_EQ(stem.size() % 2, 0U);
    EXPECT_TRUE(name.starts_with(stem));
  }
  EXPECT_LE(conflict_name(std::string(255, '\x80'), "p", kTime).size(), kMaxNameBytes);
}

TEST(ConflictNameTest, is_read_back) {
  const std::string made = conflict_name("a.conflict-x.txt", "my-conflict-peer", kTime);
  const auto parsed = parse_conflict_name(made);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->name, "a.conflict-x.txt");
  EXPECT_EQ(parsed->peer, "my-conflict-peer");
  EXPECT_EQ(parsed->time, kTime / 1'000'000 * 1'000'000);
  const std::string twice = conflict_name(conflict_name("a", "one", 0), "two", kTime);
  EXPECT_EQ(parse_conflict_name(twice)->peer, "two");
}

TEST(ConflictNameTest, other_names_are_not_read) {
  for (const char* name :
       {"", "a", "a.conflict-", "a.conflict-b", "a.conflict-b-", "a.conflict-b-20261121",
        "a.conflict-b-20261121T081502.123", "a.conflict-b-20261321T081502.123Z",
        "a.conflict-b-2026112xT081502.123Z", "a.conflict-b-00001121T081502.123Z",
        "a.conflict-20261121T081502.123Z", "a.conflict-b-20261121T081502.123Z.txt"}) {
    EXPECT_FALSE(parse_conflict_name(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace shoal::wire
