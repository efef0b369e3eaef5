// SPDX-License-Identifier: MIT
// Two peers' volumes over one real tracker core, on virtual time.
#include "fs/volume.h"

#include <gtest/gtest.h>

#include "tests/fs/in_process_tracker.h"
#include "tests/support/virtual_time.h"

namespace shoal::fs {
namespace {

using test::InProcessSession;
using test::InProcessTracker;

/// A volume and its session; events forget what they name, as the mount does.
struct Peer {
  Peer(InProcessTracker& tracker, const Clock& clock, const std::string& name)
      : session(tracker.open_session(name)), volume(*session, nullptr, clock) {
    session->on_invalidate = [this](wire::Invalidate event) { return forget(std::move(event)); };
  }
  Task<Result<wire::InvalidateReply>> forget(wire::Invalidate event) {
    for (const wire::Stale& stale : event.stale) volume.invalidate(stale);
    ++events;
    co_return wire::InvalidateReply{};
  }

  std::unique_ptr<InProcessSession> session;
  Volume volume;
  int events = 0;
};

class VolumeTest : public testing::Test {
 protected:
  VolumeTest()
      : tracker_(loop_, time_), one_(tracker_, time_, "one"), two_(tracker_, time_, "two") {}
  ~VolumeTest() override { test::run_virtual_until_done(loop_, time_, tracker_.stop()); }

  template <class T>
  T run(Task<T> task) {
    std::optional<T> result;
    test::run_virtual_until_done(loop_, time_, keep(std::move(task), &result));
    return std::move(*result);
  }
  Deadline deadline() { return Deadline::after(time_, std::chrono::seconds(30)); }

  /// Creates a name under the root.
  Result<InodeId> create(Peer& peer, const std::string& name) {
    return run(create_task(&peer, name));
  }
  Task<Result<InodeId>> create_task(Peer* peer, std::string name) {
    auto range = co_await peer->session->ask(wire::AllocateInodes{}, deadline());
    if (!range) co_return pass(range);
    wire::Create create;
    create.parent = kRootInode;
    create.name = name;
    create.inode = range->first;
    create.mode = 0644;
    std::vector<wire::Operation> operations;
    operations.push_back({create, 1});
    const NameRef ref{kRootInode, name};
    auto done =
        co_await peer->volume.mutate(std::move(operations), Touches{{ref}, {kRootInode}},
                                     {{ref, create.inode, wire::FileKind::regular}}, deadline());
    if (!done) co_return pass(done);
    co_return create.inode;
  }
  Task<Result<void>> chmod_task(Peer* peer, InodeId inode, std::uint32_t mode) {
    wire::SetAttributes set;
    set.inode = inode;
    set.mode = mode;
    std::vector<wire::Operation> operations;
    operations.push_back({set, 2});
    auto done =
        co_await peer->volume.mutate(std::move(operations), Touches{{}, {inode}}, {}, deadline());
    if (!done) co_return pass(done);
    co_return Result<void>{};
  }

  Loop loop_;
  test::VirtualTime time_;
  InProcessTracker tracker_;
  Peer one_;
  Peer two_;

 private:
  template <class T>
  static Task<void> keep(Task<T> task, std::optional<T>* result) {
    T value = co_await std::move(task);
    result->emplace(std::move(value));
  }
};

TEST_F(VolumeTest, an_absent_name_is_remembered_until_another_peer_makes_it) {
  const auto absent = run(one_.volume.lookup(kRootInode, "a", deadline()));
  ASSERT_TRUE(absent.has_value());
  EXPECT_FALSE(absent->has_value());
  ASSERT_TRUE(one_.volume.find_name(kRootInode, "a").has_value());
  EXPECT_FALSE(one_.volume.find_name(kRootInode, "a")->inode);

  ASSERT_TRUE(create(two_, "a").has_value());
  EXPECT_EQ(one_.events, 1);
  EXPECT_FALSE(one_.volume.find_name(kRootInode, "a").has_value());
  const auto present = run(one_.volume.lookup(kRootInode, "a", deadline()));
  ASSERT_TRUE(present.has_value());
  EXPECT_TRUE(present->has_value());
}

TEST_F(VolumeTest, attributes_are_remembered_until_another_peer_changes_them) {
  const auto inode = create(two_, "a");
  ASSERT_TRUE(inode.has_value());
  ASSERT_TRUE(run(one_.volume.lookup(kRootInode, "a", deadline())).has_value());
  ASSERT_TRUE(one_.volume.find_inode(*inode).has_value());
  EXPECT_EQ(one_.volume.find_inode(*inode)->attributes.mode, 0644);

  ASSERT_TRUE(run(chmod_task(&two_, *inode, 0600)).has_value());
  EXPECT_FALSE(one_.volume.find_inode(*inode).has_value());
  const auto record = run(one_.volume.get_inode(*inode, false, deadline()));
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->attributes.mode, 0600);
}

TEST_F(VolumeTest, the_peer_that_makes_a_change_has_its_outcome_in_memory) {
  ASSERT_TRUE(run(one_.volume.lookup(kRootInode, "a", deadline())).has_value());
  const auto inode = create(one_, "a");
  ASSERT_TRUE(inode.has_value());
  EXPECT_EQ(one_.volume.find_name(kRootInode, "a")->inode, *inode);
  EXPECT_TRUE(one_.volume.find_inode(*inode).has_value());
  EXPECT_EQ(one_.events, 0);
}

TEST_F(VolumeTest, a_listing_makes_every_name_known_without_further_requests) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(create(two_, "f" + std::to_string(i)).has_value());
  const auto listing = run(one_.volume.list(kRootInode, deadline()));
  ASSERT_TRUE(listing.has_value());
  EXPECT_EQ((*listing)->size(), 5);
  const std::uint64_t before = tracker_.requests();
  EXPECT_TRUE(one_.volume.find_name(kRootInode, "f3")->inode);
  EXPECT_FALSE(one_.volume.find_name(kRootInode, "other")->inode);
  ASSERT_NE(one_.volume.find_listing(kRootInode), nullptr);
  EXPECT_EQ(tracker_.requests(), before);
}

TEST_F(VolumeTest, nothing_is_answered_from_memory_after_the_lease) {
  const auto inode = create(one_, "a");
  ASSERT_TRUE(inode.has_value());
  ASSERT_TRUE(run(one_.volume.lookup(kRootInode, "a", deadline())).has_value());
  ASSERT_TRUE(one_.volume.find_inode(*inode).has_value());
  one_.session->end_lease();
  EXPECT_FALSE(one_.volume.has_lease());
  EXPECT_FALSE(one_.volume.find_inode(*inode).has_value());
  EXPECT_FALSE(one_.volume.find_name(kRootInode, "a").has_value());
}

TEST_F(VolumeTest, without_the_tracker_a_request_fails_at_its_deadline) {
  one_.session->set_cut(true);
  const SteadyTime begin = time_.steady();
  const auto found = run(one_.volume.lookup(kRootInode, "a", deadline()));
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code(), Errc::unreachable);
  EXPECT_LT(time_.steady() - begin, std::chrono::seconds(31));
}

TEST_F(VolumeTest, a_refused_operation_changes_nothing_and_can_be_asked_again) {
  ASSERT_TRUE(create(two_, "a").has_value());
  const auto refused = create(one_, "a");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), Errc::exists);
  const auto found = run(one_.volume.lookup(kRootInode, "a", deadline()));
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(one_.volume.find_name(kRootInode, "a").has_value());
}

}  // namespace
}  // namespace shoal::fs
