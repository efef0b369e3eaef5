// SPDX-License-Identifier: MIT
// Whole peers on a simulated network, without their tracker.
#include "peerd/peer_daemon.h"

#include <gtest/gtest.h>

#include <optional>

#include "tests/peerd/fakes.h"
#include "tests/sim/sim_network.h"
#include "tests/support/temp_folder.h"
#include "tests/support/virtual_time.h"

namespace shoal::peerd {
namespace {

using std::chrono::seconds;
using test::MadeContent;

/// What survives a restart of the process.
struct Machine {
  explicit Machine(std::string name) : address(std::move(name)) {}
  std::string address;
  std::unique_ptr<Pool> pool = base::make_inline_pool();
  std::unique_ptr<cache::BlobStore> store = cache::make_memory_store(1 << 30);
};

class FakeMount final : public Mount {
 public:
  std::size_t invalidations = 0;
  std::size_t connects = 0;
  bool is_busy = false;
  bool is_gone = false;

  Task<Result<wire::InvalidateReply>> invalidate(wire::Invalidate event) override {
    ++invalidations;
    wire::InvalidateReply reply;
    reply.still_open = {event.stale.front().inode};
    co_return reply;
  }
  Task<Result<wire::RecallReply>> recall(wire::Recall) override {
    wire::RecallReply reply;
    reply.held = true;
    co_return reply;
  }
  std::vector<wire::Reclaim> reclaims() override { return {{InodeId(3), 4}}; }
  std::vector<wire::LockClaim> lock_claims() override { return {}; }
  void caches_void(bool) override {}
  void connected() override { ++connects; }
  Task<Result<void>> settle(Deadline) override { co_return base::ok(); }
  std::string mount_point() const override { return "/mnt/x"; }
  std::string mode() const override { return "mediated"; }
  Task<Result<void>> unmount(bool lazy) override {
    if (is_busy && !lazy) co_return fail(Errc::busy, "files are open");
    is_gone = true;
    co_return base::ok();
  }
  bool is_mounted() const override { return !is_gone; }
  Task<Result<void>> wait_unmounted() override { co_return base::ok(); }
};

class PeerDaemonTest : public testing::Test {
 protected:
  ~PeerDaemonTest() override {
    for (auto& daemon : {&a_daemon_, &b_daemon_}) stop(*daemon);
    test::run_ready(loop_);
  }

  void stop(std::unique_ptr<PeerDaemon>& daemon) {
    if (!daemon) return;
    test::run_virtual_until_done(loop_, time_, daemon->stop());
    daemon.reset();
  }

  std::unique_ptr<PeerDaemon> start(Machine& machine) {
    PeerDaemon::Options options;
    options.name = machine.address;
    options.listen = {machine.address, 7000};
    options.tracker = {"10.0.0.100", 7411};
    options.tracker_id = test::SimNetwork::id_of("10.0.0.100");
    options.members_file = folder_ / machine.address;
    options.jitter_seed = 1;
    auto daemon =
        std::make_unique<PeerDaemon>(PeerDaemon::Environment{loop_, network_.host(machine.address),
                                                             time_, *machine.pool, *machine.store},
                                     std::move(options));
    EXPECT_TRUE(daemon->open());
    return daemon;
  }

  wire::Members both() {
    wire::Members members;
    for (const Machine* machine : {&a_, &b_}) {
      wire::Member member;
      member.peer = test::SimNetwork::id_of(machine->address);
      member.name = machine->address;
      member.endpoints = {{machine->address, 7000}};
      member.online = true;
      members.members.push_back(std::move(member));
    }
    return members;
  }

  /// The content read on one peer from the other, who is known as its holder.
  Result<void> fetch(PeerDaemon& daemon, Machine& machine, const MadeContent& content,
                     const Machine& holder) {
    wire::Located located;
    located.content = content.ref();
    located.layer = content.layer;
    wire::Holder holds;
    holds.peer = test::SimNetwork::id_of(holder.address);
    holds.online = true;
    holds.complete = true;
    located.holders.push_back(std::move(holds));
    auto blob =
        machine.store->obtain(InodeId(9), content.shape, content.layer, cache::Role::cached);
    EXPECT_TRUE(blob);
    std::optional<Result<void>> outcome;
    test::run_virtual_until_done(
        loop_, time_,
        learn_and_fetch(daemon.fetcher(), std::move(located), *blob, content.leaves.size(),
                        Deadline::after(time_, seconds(5)), outcome));
    return *outcome;
  }
  static Task<void> learn_and_fetch(Fetcher& fetcher, wire::Located located,
                                    std::shared_ptr<cache::Blob> blob, std::uint64_t blocks,
                                    Deadline deadline, std::optional<Result<void>>& outcome) {
    auto learned = co_await fetcher.learn(std::move(located));
    EXPECT_TRUE(learned);
    auto fetched = co_await fetcher.fetch(blob, {0, blocks}, cache::Urgency::reader, deadline);
    outcome.emplace(std::move(fetched));
  }

  base::Loop loop_;
  test::VirtualTime time_;
  test::SimNetwork network_{loop_, time_, 1};
  const test::TempFolder folder_;
  Machine a_{"10.0.0.1"};
  Machine b_{"10.0.0.2"};
  std::unique_ptr<PeerDaemon> a_daemon_;
  std::unique_ptr<PeerDaemon> b_daemon_;
};

TEST_F(PeerDaemonTest, serves_right_after_a_restart_without_a_tracker) {
  const MadeContent content = test::make_content(3 << 20, 1);
  test::put_content(*b_.store, InodeId(9), content);
  b_daemon_ = start(b_);
  b_daemon_->members(both());
  test::run_ready(loop_);
  stop(b_daemon_);

  a_daemon_ = start(a_);
  a_daemon_->members(both());
  b_daemon_ = start(b_);
  EXPECT_EQ(b_daemon_->members().size(), 2u);
  const auto fetched = fetch(*a_daemon_, a_, content, b_);
  ASSERT_TRUE(fetched) << fetched.error().message();
  EXPECT_EQ(test::read_all(*a_.store->find(InodeId(9)), content.bytes.size()), content.bytes);
}

TEST_F(PeerDaemonTest, begins_without_members_when_their_file_is_damaged) {
  ASSERT_TRUE(save_members(folder_ / b_.address, Bytes(10)));
  b_daemon_ = start(b_);
  EXPECT_EQ(b_daemon_->members().size(), 0u);
}

TEST_F(PeerDaemonTest, says_that_its_address_is_in_use) {
  b_daemon_ = start(b_);
  PeerDaemon::Options options;
  options.listen = {b_.address, 7000};
  PeerDaemon second(
      PeerDaemon::Environment{loop_, network_.host(b_.address), time_, *b_.pool, *b_.store},
      std::move(options));
  const auto opened = second.open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Errc::busy);
  test::run_virtual_until_done(loop_, time_, second.stop());
}

TEST_F(PeerDaemonTest, keeps_trying_to_reach_its_tracker) {
  b_daemon_ = start(b_);
  for (int i = 0; i < 2; ++i) {
    std::optional<Result<void>> outcome;
    test::run_virtual_until_done(loop_, time_,
                                 [](PeerDaemon& daemon, Deadline deadline,
                                    std::optional<Result<void>>& place) -> Task<void> {
                                   auto connected = co_await daemon.connect(deadline);
                                   place.emplace(std::move(connected));
                                 }(*b_daemon_, Deadline::after(time_, seconds(2)), outcome));
    ASSERT_FALSE(*outcome);
    EXPECT_EQ(outcome->error().code(), Errc::timed_out);
  }
  EXPECT_FALSE(b_daemon_->status().tracker_connected);
}

TEST_F(PeerDaemonTest, hands_events_to_the_mount_and_answers_them_without_one) {
  b_daemon_ = start(b_);
  wire::Invalidate event;
  event.stale.push_back({InodeId(5), {}, true, true, false, true});
  const auto ask = [&] {
    std::optional<Result<wire::InvalidateReply>> reply;
    test::run_virtual_until_done(
        loop_, time_,
        [](PeerDaemon& daemon, wire::Invalidate one,
           std::optional<Result<wire::InvalidateReply>>& place) -> Task<void> {
          auto answer = co_await daemon.invalidate(std::move(one));
          place.emplace(std::move(answer));
        }(*b_daemon_, event, reply));
    return **reply;
  };
  EXPECT_TRUE(ask().still_open.empty());
  EXPECT_TRUE(b_daemon_->reclaims().empty());
  FakeMount mount;
  b_daemon_->set_mount(&mount);
  EXPECT_EQ(ask().still_open, std::vector<InodeId>{InodeId(5)});
  EXPECT_EQ(b_daemon_->reclaims().size(), 1u);
  b_daemon_->connected();
  EXPECT_EQ(mount.connects, 1u);
  EXPECT_EQ(b_daemon_->status().mount_point, "/mnt/x");
  mount.is_gone = true;
  EXPECT_EQ(b_daemon_->status().mount_point, "");
  b_daemon_->set_mount(nullptr);
}

}  // namespace
}  // namespace shoal::peerd
