// SPDX-License-Identifier: MIT
// Swarms of two and three peers over a simulated network.
#include "peerd/swarm.h"

#include <gtest/gtest.h>

#include <optional>

#include "peerd/limits.h"
#include "peerd/server.h"
#include "tests/peerd/fakes.h"
#include "tests/sim/sim_network.h"
#include "tests/support/virtual_time.h"

namespace shoal::peerd {
namespace {

using std::chrono::seconds;
using test::MadeContent;

/// A peer that serves what is in its store.
struct Machine {
  Machine(base::Loop& loop, Timer& timer, test::SimNetwork& network, const std::string& address)
      : host(network.host(address)),
        server(loop.get_executor(), timer, *pool, *store, members, 0),
        swarm(loop.get_executor(), host, timer, members, router) {
    server.register_on(router);
  }
  wire::Member member() const {
    wire::Member made;
    made.peer = host.self();
    made.name = host.address();
    made.endpoints = {{host.address(), 7000}};
    made.online = true;
    return made;
  }
  test::SimHost& host;
  std::unique_ptr<Pool> pool = base::make_inline_pool();
  std::unique_ptr<cache::BlobStore> store = cache::make_memory_store(1 << 30);
  Members members;
  wire::RpcRouter router;
  Server server;
  Swarm swarm;
};

class SwarmTest : public testing::Test {
 protected:
  using Reply = Result<wire::WithPayload<wire::ReadBlocksReply>>;

  SwarmTest() {
    for (Machine* machine : {&a_, &b_}) {
      machine->members.replace({a_.member(), b_.member()});
      EXPECT_TRUE(machine->swarm.listen({machine->host.address(), 7000}));
    }
    test::put_content(*b_.store, InodeId(5), content_);
  }
  ~SwarmTest() override {
    test::run_virtual_until_done(loop_, time_, a_.swarm.stop());
    test::run_virtual_until_done(loop_, time_, b_.swarm.stop());
    test::run_ready(loop_);
  }

  Reply read(Machine& from, Machine& to, Duration budget = seconds(5)) {
    std::optional<Reply> place;
    const wire::ReadBlocks request{content_.ref(), 0, 0, 1, false};
    const Deadline deadline = Deadline::after(time_, budget);
    test::run_virtual_until_done(loop_, time_,
                                 ask(from.swarm, to.host.self(), request, deadline, place));
    return *place;
  }
  static Task<void> ask(Swarm& swarm, PeerId peer, wire::ReadBlocks request, Deadline deadline,
                        std::optional<Reply>& place) {
    auto reply = co_await swarm.read_blocks(peer, {}, request, deadline);
    place.emplace(std::move(reply));
  }
  void run_for(Duration duration) {
    const SteadyTime until = time_.steady() + duration;
    test::run_virtual(loop_, time_, [&] { return time_.steady() >= until; });
  }

  base::Loop loop_;
  test::VirtualTime time_;
  test::SimNetwork network_{loop_, time_, 1};
  const MadeContent content_ = test::make_content(1000, 1);
  Machine a_{loop_, time_, network_, "10.0.0.1"};
  Machine b_{loop_, time_, network_, "10.0.0.2"};
};

TEST_F(SwarmTest, connects_on_demand_and_keeps_the_connection) {
  for (int i = 0; i < 5; ++i) {
    const Reply reply = read(a_, b_);
    ASSERT_TRUE(reply) << reply.error().message();
    EXPECT_EQ(reply->payload, content_.bytes);
  }
  EXPECT_EQ(network_.connections_made(), 1u);
}

TEST_F(SwarmTest, uses_one_connection_for_both_directions) {
  test::put_content(*a_.store, InodeId(5), content_);
  ASSERT_TRUE(read(a_, b_));
  ASSERT_TRUE(read(b_, a_));
  EXPECT_EQ(network_.connections_made(), 1u);
}

TEST_F(SwarmTest, makes_one_connection_for_many_requests_at_once) {
  std::vector<std::optional<Reply>> places(50);
  TaskGroup group(loop_.get_executor());
  const wire::ReadBlocks request{content_.ref(), 0, 0, 1, false};
  for (auto& place : places) {
    spawn(group, ask(a_.swarm, b_.host.self(), request, Deadline::after(time_, seconds(5)), place));
  }
  ASSERT_TRUE(test::run_virtual(loop_, time_, [&] {
    return std::ranges::all_of(places, [](const auto& place) { return place.has_value(); });
  }));
  for (const auto& place : places) EXPECT_TRUE(*place);
  EXPECT_EQ(network_.connections_made(), 1u);
  test::run_virtual_until_done(loop_, time_, group.stop());
}

TEST_F(SwarmTest, closes_connections_that_are_idle) {
  ASSERT_TRUE(read(a_, b_));
  EXPECT_EQ(a_.swarm.link_count(), 1u);
  run_for(3 * kIdleLinkTime);
  EXPECT_EQ(a_.swarm.link_count(), 0u);
  EXPECT_EQ(b_.swarm.link_count(), 0u);
  ASSERT_TRUE(read(a_, b_));
}

TEST_F(SwarmTest, does_not_dial_a_dead_peer_at_every_request) {
  network_.kill_process("10.0.0.2");
  for (int i = 0; i < 50; ++i) {
    const Reply reply = read(a_, b_);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code(), Errc::unreachable);
  }
  EXPECT_NE(read(a_, b_).error().context().find("10.0.0.2"), std::string::npos);
}

TEST_F(SwarmTest, connects_again_after_a_break) {
  ASSERT_TRUE(read(a_, b_));
  network_.break_connections("10.0.0.1");
  run_for(seconds(1));
  EXPECT_TRUE(read(a_, b_));
  EXPECT_EQ(network_.connections_made(), 2u);
}

TEST_F(SwarmTest, gives_up_at_the_deadline_when_a_peer_is_cut_off) {
  network_.cut("10.0.0.1", "10.0.0.2");
  const SteadyTime start = time_.steady();
  const Reply reply = read(a_, b_, seconds(2));
  ASSERT_FALSE(reply);
  EXPECT_LE(time_.steady() - start, seconds(3));
}

TEST_F(SwarmTest, refuses_strangers) {
  Machine stranger(loop_, time_, network_, "10.0.0.66");
  stranger.members.replace({a_.member(), b_.member()});
  const Reply reply = read(stranger, b_);
  EXPECT_FALSE(reply);
  run_for(seconds(1));
  EXPECT_EQ(b_.swarm.link_count(), 0u);
  test::run_virtual_until_done(loop_, time_, stranger.swarm.stop());
}

TEST_F(SwarmTest, ends_the_connections_of_those_who_are_members_no_longer) {
  ASSERT_TRUE(read(a_, b_));
  b_.members.replace({b_.member()});
  b_.swarm.members_changed();
  run_for(seconds(1));
  EXPECT_EQ(b_.swarm.link_count(), 0u);
  EXPECT_FALSE(read(a_, b_));
}

TEST_F(SwarmTest, hangs_up_on_a_liar) {
  ASSERT_TRUE(read(a_, b_));
  a_.swarm.hang_up(b_.host.self());
  run_for(seconds(1));
  EXPECT_EQ(a_.swarm.link_count(), 0u);
}

}  // namespace
}  // namespace shoal::peerd
