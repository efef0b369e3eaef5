// SPDX-License-Identifier: MIT
#include "tests/sim/sim_network.h"

#include <gtest/gtest.h>

#include "base/check.h"
#include "tests/support/virtual_time.h"

namespace shoal::test {
namespace {

using namespace std::chrono_literals;
using wire::CloseReason;
using wire::Connection;
using wire::Endpoint;
using wire::Frame;

constexpr const char* kA = "10.0.0.1";
constexpr const char* kB = "10.0.0.2";

class SimNetworkTest : public testing::Test {
 protected:
  SimNetworkTest() { run(connect()); }

  void run(Task<void> task) { run_virtual_until_done(loop_, time_, std::move(task)); }
  Task<void> connect() {
    auto listener = network_.host(kB).listen(Endpoint{kB, 7000});
    CHECK(listener.has_value());
    auto client =
        co_await network_.host(kA).connect({kB, 7000}, SimNetwork::id_of(kB), Deadline::never());
    auto server = co_await (*listener)->accept();
    CHECK(client.has_value() && server.has_value());
    a_ = std::move(*client);
    b_ = std::move(*server);
  }
  Task<void> send_frames(Connection& connection, std::uint64_t count) {
    for (std::uint64_t number = 1; number <= count; ++number) {
      Frame frame;
      frame.request = number;
      const Result<void> sent = co_await connection.send(std::move(frame));
      EXPECT_TRUE(sent);
    }
  }
  Task<void> receive_into(Connection& connection, std::vector<std::uint64_t>* numbers) {
    for (;;) {
      const auto frame = co_await connection.receive();
      if (!frame) co_return;
      numbers->push_back(frame->request);
    }
  }
  Task<void> pause(Duration duration) { (void)co_await time_.wait_for(duration); }
  /// Everything that arrives at connection until it ends.
  std::vector<std::uint64_t> receive_all(Connection& connection) {
    std::vector<std::uint64_t> numbers;
    run(receive_into(connection, &numbers));
    return numbers;
  }

  Loop loop_;
  VirtualTime time_;
  SimNetwork network_{loop_, time_, 7};
  std::unique_ptr<Connection> a_;
  std::unique_ptr<Connection> b_;
};

TEST_F(SimNetworkTest, a_process_that_dies_finishes_its_connections) {
  run(send_frames(*a_, 3));
  network_.kill_process(kA);
  EXPECT_EQ(receive_all(*b_), (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(b_->close_reason(), CloseReason::finished);
}

TEST_F(SimNetworkTest, a_process_that_dies_with_frames_unread_resets) {
  run(send_frames(*b_, 3));
  run(pause(1s));
  network_.kill_process(kA);
  EXPECT_TRUE(receive_all(*b_).empty());
  EXPECT_EQ(b_->close_reason(), CloseReason::failed);
}

TEST_F(SimNetworkTest, a_machine_that_dies_is_noticed_by_its_silence) {
  const SteadyTime began = time_.steady();
  network_.power_off(kA);
  EXPECT_TRUE(receive_all(*b_).empty());
  EXPECT_EQ(time_.steady() - began, SimNetwork::kSilence);
  EXPECT_EQ(b_->close_reason(), CloseReason::failed);
}

TEST_F(SimNetworkTest, a_machine_that_comes_back_resets_old_connections) {
  network_.power_off(kA);
  run(pause(1s));
  network_.power_on(kA);
  const SteadyTime began = time_.steady();
  EXPECT_TRUE(receive_all(*b_).empty());
  EXPECT_LT(time_.steady() - began, 1s);
  EXPECT_EQ(b_->close_reason(), CloseReason::failed);
}

TEST_F(SimNetworkTest, a_cut_holds_frames_back_until_it_heals) {
  network_.cut_one_way(kA, kB);
  run(send_frames(*a_, 3));
  run(pause(10s));
  network_.heal(kA, kB);
  a_->close();
  EXPECT_EQ(receive_all(*b_), (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(b_->close_reason(), CloseReason::finished);
}

TEST_F(SimNetworkTest, a_reset_is_lost_in_a_cut_and_silence_tells) {
  network_.cut(kA, kB);
  a_->close(true);
  run(pause(1s));
  const SteadyTime began = time_.steady();
  EXPECT_TRUE(receive_all(*b_).empty());
  EXPECT_GT(time_.steady() - began, 15s);
  EXPECT_EQ(b_->close_reason(), CloseReason::failed);
}

/// When the frames of one run arrive.
std::vector<SteadyTime> arrivals(std::uint64_t seed) {
  Loop loop;
  VirtualTime time;
  SimNetwork network(loop, time, seed);
  std::vector<SteadyTime> moments;
  const auto talk = [](SimNetwork& within, VirtualTime& clock,
                       std::vector<SteadyTime>* place) -> Task<void> {
    auto listener = within.host(kB).listen(Endpoint{kB, 7000});
    CHECK(listener.has_value());
    auto client =
        co_await within.host(kA).connect({kB, 7000}, SimNetwork::id_of(kB), Deadline::never());
    auto server = co_await (*listener)->accept();
    CHECK(client.has_value() && server.has_value());
    for (int i = 0; i < 20; ++i) {
      const Result<void> sent = co_await (*client)->send(Frame{});
      CHECK(sent.has_value());
    }
    for (int i = 0; i < 20; ++i) {
      const auto frame = co_await (*server)->receive();
      CHECK(frame.has_value());
      place->push_back(clock.steady());
    }
  };
  run_virtual_until_done(loop, time, talk(network, time, &moments));
  return moments;
}

TEST(SimNetworkSeedTest, one_seed_gives_one_run) {
  EXPECT_EQ(arrivals(3), arrivals(3));
  EXPECT_NE(arrivals(3), arrivals(4));
}

}  // namespace
}  // namespace shoal::test
