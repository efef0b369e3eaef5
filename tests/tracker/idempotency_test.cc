// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "tests/tracker/rig.h"
#include "tracker/kept_reply.h"

namespace shoal::tracker {
namespace {

class Repeating : public testing::Test {
 protected:
  wire::Mutate mutate(std::uint64_t first, std::vector<wire::Change> changes,
                      std::uint64_t answered_below = 1) {
    wire::Mutate message;
    message.first = Sequence(first);
    message.answered_below = Sequence(answered_below);
    for (auto& change : changes) message.operations.push_back({std::move(change), 5});
    return message;
  }

  Rig rig;
  TestPeer& a = rig.join("a");
  TestPeer& b = rig.join("b");
};

TEST_F(Repeating, a_repeated_number_gets_the_old_answer) {
  const wire::Create create = a.creation(kRootInode, "x");
  const auto message = mutate(1, {create, wire::Unlink{kRootInode, "none", false}});
  for (int i = 0; i < 2; ++i) {
    auto reply = a.call(message);
    ASSERT_TRUE(reply);
    ASSERT_EQ(reply->replies.size(), 2U);
    EXPECT_FALSE(reply->replies[0].error);
    EXPECT_EQ(reply->replies[0].records.at(0).inode, create.inode);
    EXPECT_EQ(reply->replies[1].error, Errc::not_found);
  }
  EXPECT_EQ(a.names(kRootInode).size(), 1U);
}

TEST_F(Repeating, old_answers_survive_a_restart_of_the_tracker) {
  const auto message = mutate(1, {a.creation(kRootInode, "x")});
  ASSERT_TRUE(a.call(message));
  rig.restart();
  a.open(true);
  b.open(true);
  EXPECT_EQ(a.session.last_sequence, Sequence(1));
  auto again = a.call(message);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->replies[0].error);
  EXPECT_EQ(a.names(kRootInode).size(), 1U);
}

TEST_F(Repeating, a_repetition_joins_the_one_that_is_pending) {
  ASSERT_TRUE(b.lookup(kRootInode, "x"));
  b.answers = false;
  const auto message = mutate(1, {a.creation(kRootInode, "x"), a.creation(kRootInode, "y")});
  const Token first = a.send(message);
  a.disconnect(false);
  a.open(true);
  const Token second = a.send(message);
  for (int i = 0; i < 3; ++i) b.answer_all();
  EXPECT_TRUE(a.result<wire::Mutate>(first));
  auto reply = a.result<wire::Mutate>(second);
  ASSERT_TRUE(reply && *reply);
  EXPECT_FALSE((*reply)->replies[0].error);
  EXPECT_FALSE((*reply)->replies[1].error);
  EXPECT_EQ(a.names(kRootInode).size(), 2U);
}

TEST_F(Repeating, operations_go_on_though_nobody_waits_for_the_answer) {
  ASSERT_TRUE(b.lookup(kRootInode, "x"));
  b.answers = false;
  const Token token = a.send(mutate(1, {a.creation(kRootInode, "x")}));
  rig.run({Canceled{token}});
  b.answer_all();
  EXPECT_EQ(a.names(kRootInode).size(), 1U);
  EXPECT_FALSE(a.result<wire::Mutate>(token));
}

TEST_F(Repeating, a_batch_is_applied_in_its_order) {
  const wire::Create d = a.creation(kRootInode, "d", wire::FileKind::directory);
  auto reply = a.call(mutate(1, {d, a.creation(d.inode, "x"), wire::Rmdir{kRootInode, "d"},
                                 wire::Unlink{d.inode, "x", false}, wire::Rmdir{kRootInode, "d"}}));
  ASSERT_TRUE(reply);
  EXPECT_FALSE(reply->replies[0].error);
  EXPECT_FALSE(reply->replies[1].error);
  EXPECT_EQ(reply->replies[2].error, Errc::not_empty);
  EXPECT_FALSE(reply->replies[3].error);
  EXPECT_FALSE(reply->replies[4].error);
}

TEST_F(Repeating, numbers_that_were_answered_long_ago_are_refused) {
  for (std::uint64_t i = 1; i <= 200; ++i) {
    ASSERT_TRUE(a.call(mutate(i, {a.creation(kRootInode, fmt::format("f{}", i))}, i)));
  }
  auto old = a.call(mutate(1, {a.creation(kRootInode, "new")}, 1));
  ASSERT_TRUE(old);
  EXPECT_EQ(old->replies[0].error, Errc::stale);
  EXPECT_FALSE(a.call(mutate(0, {a.creation(kRootInode, "new")})));
  EXPECT_FALSE(a.call(mutate(300, {}, 201)));
}

TEST_F(Repeating, replies_that_nobody_has_confirmed_are_kept_up_to_a_number) {
  const std::vector<wire::Change> some(1000, wire::Unlink{kRootInode, "none", false});
  std::uint64_t next = 1;
  for (int i = 0; i < 4; ++i, next += 1000) ASSERT_TRUE(a.call(mutate(next, some)));
  ASSERT_TRUE(a.call(mutate(1, some)));  // again
  auto more = a.call(mutate(next, some));
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code(), Errc::busy);
  auto journal = mutate(next, some);
  for (auto& operation : journal.operations) operation.journal = ++a.journal;
  ASSERT_TRUE(a.call(journal));  // keeps none
  next += 1000;
  EXPECT_TRUE(a.call(mutate(next, some, next)));
}

TEST_F(Repeating, a_failed_transaction_is_not_an_answer) {
  const auto message = mutate(1, {a.creation(kRootInode, "x")});
  rig.memory().fail_next_commit(Error(Errc::no_space, "full"));
  auto failed = a.call(message);
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->replies[0].error, Errc::no_space);
  auto again = a.call(message);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->replies[0].error);
}

TEST(kept_reply, comes_back_as_it_was) {
  const KeptReply good{std::nullopt, "", {InodeId(1), InodeId(0xfedcba9876543210)}};
  EXPECT_EQ(unpack_reply(pack_reply(good)), good);
  const KeptReply bad{Errc::not_empty, "directory 7", {}};
  EXPECT_EQ(unpack_reply(pack_reply(bad)), bad);
  EXPECT_EQ(unpack_reply({}), KeptReply{});
}

}  // namespace
}  // namespace shoal::tracker
