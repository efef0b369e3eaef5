// SPDX-License-Identifier: MIT
#include "base/daemon.h"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace shoal::base {
namespace {

TEST(ExitCodes, tell_what_kind_of_error_ended_a_daemon) {
  EXPECT_EQ(exit_code_of(Error(Errc::invalid, "")), 2);
  EXPECT_EQ(exit_code_of(Error(Errc::timed_out, "")), 4);
  EXPECT_EQ(exit_code_of(Error(Errc::unreachable, "")), 4);
  EXPECT_EQ(exit_code_of(Error(Errc::unauthenticated, "")), 5);
  EXPECT_EQ(exit_code_of(Error(Errc::corrupt, "")), 1);
}

class DaemonTest : public testing::Test {
 protected:
  Result<LogOptions> read() {
    ++reads_;
    return is_readable_ ? Result<LogOptions>(LogOptions{}) : fail(Errc::invalid, "no settings");
  }

  Loop loop_;
  std::unique_ptr<Timer> timer_ = make_system_timer();
  Daemon daemon_{loop_, *timer_, [this] { return read(); }};
  int reads_ = 0;
  bool is_readable_ = true;
};

Task<void> be_stopped(Daemon& daemon, Timer& timer, int number) {
  daemon.start();
  auto begun = co_await timer.wait_for(std::chrono::milliseconds(1));  // the task listens
  EXPECT_TRUE(begun);
  ::raise(number);
  ::raise(number);  // as a terminal and a wrapper do; a real second one would end the test here
  co_await daemon.wait_for_stop();
  EXPECT_TRUE(daemon.is_stopping());
  co_await daemon.end();
}

TEST_F(DaemonTest, stops_at_the_first_signal_however_often_it_comes_at_once) {
  run_until_done(loop_, be_stopped(daemon_, *timer_, SIGTERM));
}

TEST_F(DaemonTest, stops_at_an_interrupt_from_the_terminal) {
  run_until_done(loop_, be_stopped(daemon_, *timer_, SIGINT));
}

Task<void> be_reloaded(Daemon& daemon, Timer& timer, const int& reads) {
  daemon.start();
  auto begun = co_await timer.wait_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(begun);
  ::raise(SIGUSR1);
  ::raise(SIGHUP);
  while (reads == 0) {
    auto waited = co_await timer.wait_for(std::chrono::milliseconds(1));
    EXPECT_TRUE(waited);
  }
  EXPECT_FALSE(daemon.is_stopping());
  co_await daemon.end();
}

TEST_F(DaemonTest, reads_its_settings_again_at_a_hangup) {
  run_until_done(loop_, be_reloaded(daemon_, *timer_, reads_));
}

TEST_F(DaemonTest, goes_on_when_the_settings_cannot_be_read) {
  is_readable_ = false;
  run_until_done(loop_, be_reloaded(daemon_, *timer_, reads_));
}

TEST(RunFiles, stand_in_the_folder_as_long_as_the_daemon) {
  const test::TempFolder folder;
  ASSERT_TRUE(write_whole(folder / "ready", "left by a crash"));
  ASSERT_TRUE(write_whole(folder / "settings", "stay"));
  {
    const RunFiles files(folder.path(), {"ready", "pid"});
    EXPECT_FALSE(std::filesystem::exists(folder / "ready"));
    files.write("pid", "7\n");
    EXPECT_EQ(read_whole(folder / "pid", 100).value(), "7\n");
    files.write("ready", "now");
    files.remove("ready");
    EXPECT_FALSE(std::filesystem::exists(folder / "ready"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "pid"));
  EXPECT_TRUE(std::filesystem::exists(folder / "settings"));
}

}  // namespace
}  // namespace shoal::base
