// SPDX-License-Identifier: MIT
#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/metrics.h"

namespace shoal::base {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { start_log({}); }

  /// What `write` puts on stderr under these options.
  template <class F>
  static std::string captured(const LogOptions& options, F write) {
    start_log(options);
    testing::internal::CaptureStderr();
    write();
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogTest, writes_level_and_sentence) {
  const std::string out = captured({}, [] { log_warning("peer {} is slow rate={}", 7, 12); });
  EXPECT_THAT(out, EndsWith(" warning peer 7 is slow rate=12\n"));
}

TEST_F(LogTest, drops_what_is_below_the_level) {
  EXPECT_EQ(captured({}, [] { log_debug("x"); }), "");
  EXPECT_THAT(captured({.level = LogLevel::debug}, [] { log_debug("x"); }), EndsWith("debug x\n"));
}

TEST_F(LogTest, one_call_is_one_line) {
  EXPECT_THAT(captured({}, [] { log_info("name={}", "a\nerror b"); }),
              EndsWith("info name=a\\x0aerror b\n"));
}

TEST_F(LogTest, json_lines_are_escaped) {
  const std::string out =
      captured({.json = true}, [] { log_info("say \"{}\" \\ {}", "hi", "\x01"); });
  EXPECT_THAT(out, HasSubstr(R"("level":"info","message":"say \"hi\" \\ \\x01"})"));
}

TEST_F(LogTest, journald_reads_a_priority) {
  EXPECT_EQ(captured({.journald_prefix = true}, [] { log_error("x"); }), "<3>x\n");
}

TEST_F(LogTest, counts_error_lines_even_unwritten) {
  const std::uint64_t before = error_line_count();
  captured({}, [] {
    log_error("x");
    log_warning("y");
  });
  EXPECT_EQ(error_line_count(), before + 1);
}

TEST_F(LogTest, knows_its_levels_by_name) {
  EXPECT_EQ(parse_log_level("warning").value(), LogLevel::warning);
  EXPECT_EQ(parse_log_level("warn").error().code(), Errc::invalid);
}

TEST(MetricsTest, one_name_is_one_number) {
  counter("shoal_test_total").add(2);
  counter("shoal_test_total").add();
  gauge("shoal_test_open").set(5);
  gauge("shoal_test_open").add(-7);
  const auto all = metrics_snapshot();
  EXPECT_EQ(all.at("shoal_test_total"), 3);
  EXPECT_EQ(all.at("shoal_test_open"), -2);
}

}  // namespace
}  // namespace shoal::base
