// SPDX-License-Identifier: MIT
#include "cli/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace shoal::cli {
namespace {

using namespace std::string_literals;

TEST(Json, tells_utf8_from_other_bytes) {
  struct Case {
    std::string text;
    bool expected;
  };
  const Case cases[] = {
      {"", true},
      {"plain", true},
      {"caf\xc3\xa9", true},
      {"\xe2\x82\xac", true},
      {"\xf0\x9f\x90\x9f", true},
      {"nul\0inside"s, true},
      {"\x80", false},                  // continuation first
      {"\xc3", false},                  // cut short
      {"\xe2\x82", false},              // cut short
      {"\xc0\xaf", false},              // overlong
      {"\xe0\x80\xaf", false},          // overlong
      {"\xed\xa0\x80", false},          // surrogate
      {"\xf4\x90\x80\x80", false},      // above U+10FFFF
      {"\xff", false},                  // never
      {"a\xc3(", false},                // bad continuation
      {"\xf0\x9f\x90\x9f\xf0", false},  // good, then cut short
  };
  for (const Case& one : cases) EXPECT_EQ(is_utf8(one.text), one.expected) << one.text;
}

TEST(Json, gives_exact_bytes_of_a_path_that_is_not_utf8) {
  Json json = json_document();
  set_path(json, "path", "/good");
  EXPECT_FALSE(json.contains("path_b64"));
  set_path(json, "path", "/bad\xff");
  const Json parsed = Json::parse(json_text(json));
  EXPECT_EQ(parsed["schema"], 1);
  EXPECT_EQ(parsed["path"], "/bad\xef\xbf\xbd");
  EXPECT_EQ(parsed["path_b64"], "L2JhZP8=");
}

TEST(Json, writes_times_as_rfc3339_in_utc) {
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(1'700'000'000'000'000'000), "2023-11-14T22:13:20Z");
  EXPECT_EQ(rfc3339(1'700'000'000'000'000'001), "2023-11-14T22:13:20.000000001Z");
  EXPECT_EQ(rfc3339(-1), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(rfc3339(-1'000'000'000), "1969-12-31T23:59:59Z");
}

TEST(Json, keeps_byte_counts_as_integers) {
  wire::Member member;
  member.name = "peer1";
  member.stored_bytes = std::uint64_t{1} << 53;
  member.endpoints = {{.host = "127.0.0.1", .port = 7}};
  const Json json = Json::parse(json_text(json_of(member)));
  EXPECT_TRUE(json["stored_bytes"].is_number_integer());
  EXPECT_EQ(json["stored_bytes"], std::uint64_t{1} << 53);
  EXPECT_EQ(json["endpoints"][0], "127.0.0.1:7");
}

}  // namespace
}  // namespace shoal::cli
