// SPDX-License-Identifier: MIT
#include "cli/progress.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/json.h"

namespace shoal::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMebi = 1024 * 1024;

TEST(Progress, knows_its_words) {
  EXPECT_EQ(*parse_progress("auto", true), ProgressMode::bar);
  EXPECT_EQ(*parse_progress("auto", false), ProgressMode::plain);
  EXPECT_EQ(*parse_progress("json", true), ProgressMode::json);
  EXPECT_EQ(*parse_progress("none", true), ProgressMode::none);
  EXPECT_EQ(parse_progress("loud", true).error().code(), Errc::invalid);
}

TEST(Progress, reckons_rate_and_time_left_without_what_an_earlier_run_had) {
  const ProgressState state{.done_bytes = 60 * kMebi,
                            .total_bytes = 100 * kMebi,
                            .started_bytes = 40 * kMebi,
                            .elapsed = 2s};
  EXPECT_DOUBLE_EQ(rate_of(state), 10.0 * kMebi);
  EXPECT_EQ(time_left(state), 5s);  // four and a guess is never too short
}

TEST(Progress, cannot_tell_the_time_left_before_anything_came) {
  const ProgressState state{.done_bytes = 5, .total_bytes = 10, .started_bytes = 5, .elapsed = 3s};
  EXPECT_EQ(rate_of(state), 0);
  EXPECT_LT(time_left(state), 0ns);
  EXPECT_NE(plain_line("a", state).find("50%"), std::string::npos);
}

TEST(Progress, treats_an_empty_file_as_done) {
  const ProgressState state{};
  EXPECT_EQ(time_left(state), 0ns);
  EXPECT_NE(bar_line("a", state, 80).find("100%"), std::string::npos);
}

TEST(Progress, fits_a_bar_into_any_width) {
  const ProgressState state{
      .done_bytes = 42 * kMebi, .total_bytes = 100 * kMebi, .started_bytes = 0, .elapsed = 1s};
  for (std::size_t width = 1; width < 200; ++width) {
    EXPECT_LE(bar_line("a-file-with-quite-a-long-name.tar.gz", state, width).size(), width);
  }
  const std::string line = bar_line("film.mkv", state, 100);
  EXPECT_EQ(line.rfind("film.mkv   42% [", 0), 0U) << line;
  EXPECT_NE(line.find("=>"), std::string::npos) << line;
  EXPECT_NE(line.find("42.0 MiB/s"), std::string::npos) << line;
  EXPECT_NE(line.find("left"), std::string::npos) << line;
}

TEST(Progress, prints_one_json_object_a_line) {
  const ProgressState state{.done_bytes = 10, .total_bytes = 40, .started_bytes = 0, .elapsed = 1s};
  const std::string line = json_line("na\nme\xff", state);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const Json json = Json::parse(line);
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["done_bytes"], 10);
  EXPECT_EQ(json["seconds_left"], 4);
  EXPECT_EQ(json["is_done"], false);
  EXPECT_TRUE(json.contains("path_b64"));
}

}  // namespace
}  // namespace shoal::cli
