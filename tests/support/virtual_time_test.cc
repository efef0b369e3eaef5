// SPDX-License-Identifier: MIT
#include "tests/support/virtual_time.h"

#include <gtest/gtest.h>

namespace shoal::test {
namespace {

using namespace std::chrono_literals;

Task<void> note_at(VirtualTime* time, Duration span, std::vector<std::string>* events,
                   std::string name) {
  const Result<void> waited = co_await time->wait_for(span);
  events->push_back(name + (waited ? "" : " canceled"));
}

class VirtualTimeTest : public testing::Test {
 protected:
  void start(Duration span, std::string name) {
    base::spawn(group_, note_at(&time_, span, &events_, std::move(name)));
  }
  bool run_all() {
    return run_virtual(loop_, time_, [this] { return group_.size() == 0; });
  }

  Loop loop_;
  VirtualTime time_;
  TaskGroup group_{loop_.get_executor()};
  std::vector<std::string> events_;
};

TEST_F(VirtualTimeTest, waits_end_in_order_of_time_then_of_creation) {
  start(2s, "late");
  start(1s, "first");
  start(1s, "second");
  start(-1s, "past");
  const SteadyTime steady = time_.steady();
  const WallTime wall = time_.wall();
  EXPECT_TRUE(run_all());
  EXPECT_EQ(events_, (std::vector<std::string>{"past", "first", "second", "late"}));
  EXPECT_EQ(time_.steady() - steady, 2s);
  EXPECT_EQ(time_.wall() - wall, 2s);
}

TEST_F(VirtualTimeTest, time_stands_still_while_something_is_ready) {
  start(1s, "a");
  run_ready(loop_);
  EXPECT_EQ(events_.size(), 0u);
  EXPECT_EQ(time_.waiting(), 1u);
  time_.advance(999ms);
  run_ready(loop_);
  EXPECT_EQ(events_.size(), 0u);
  time_.advance(1ms);
  run_ready(loop_);
  EXPECT_EQ(events_.size(), 1u);
}

TEST_F(VirtualTimeTest, a_canceled_wait_leaves) {
  start(1h, "a");
  run_ready(loop_);
  group_.cancel();
  run_ready(loop_);
  EXPECT_EQ(events_, (std::vector<std::string>{"a canceled"}));
  EXPECT_EQ(time_.waiting(), 0u);
}

TEST_F(VirtualTimeTest, says_when_nothing_can_happen_any_more) {
  EXPECT_FALSE(run_virtual(loop_, time_, [] { return false; }));
  start(2h, "a");
  EXPECT_FALSE(run_virtual(loop_, time_, [] { return false; }, 1h)) << "beyond the limit";
  EXPECT_EQ(events_.size(), 0u);
  EXPECT_TRUE(run_all());
}

TEST_F(VirtualTimeTest, the_wall_clock_jumps_alone) {
  const SteadyTime steady = time_.steady();
  const WallTime wall = time_.wall();
  time_.jump_wall(-1h);
  EXPECT_EQ(time_.steady(), steady);
  EXPECT_EQ(time_.wall(), wall - 1h);
}

}  // namespace
}  // namespace shoal::test
