// SPDX-License-Identifier: MIT
// Operations of a peer's journal: once by number, and what becomes of those whose delegation was
// lost (docs/coherence.md).
#include <gtest/gtest.h>

#include "tests/tracker/rig.h"
#include "wire/conflict_name.h"

namespace shoal::tracker {
namespace {

using wire::FileKind;

constexpr std::int64_t kLater = 1'000'000;

class Journal : public testing::Test {
 protected:
  /// Made at the given time under a delegation that is gone.
  Result<wire::OperationReply> detached(wire::Change change, std::int64_t time = kLater) {
    wire::Operation operation = a.journaled(std::move(change), true);
    operation.time = time;
    return a.operate(operation);
  }
  std::string kept(const std::string& name, std::int64_t milliseconds = 0) {
    return wire::conflict_name(name, "a", kLater + milliseconds * 1'000'000);
  }

  Rig rig;
  TestPeer& a = rig.join("a");
  TestPeer& b = rig.join("b");
};

TEST_F(Journal, an_operation_happens_once_over_sessions_and_restarts) {
  const InodeId d = *a.mkdir_delegated(kRootInode, "d");
  const wire::Operation made = a.journaled(a.creation(d, "x"));
  auto first = a.operate(made);
  ASSERT_TRUE(first && !first->error);
  EXPECT_TRUE(first->records.empty());  // the peer knows what it has made
  ASSERT_FALSE(a.operate(a.journaled(wire::Unlink{d, "x"}))->error);
  const auto repeat = [&] {
    auto again = a.operate(made);
    return again && !again->error && again->records.empty() && a.names(d).empty();
  };
  EXPECT_TRUE(repeat());
  a.open(true);
  EXPECT_EQ(a.session.journal_applied, 2U);
  EXPECT_TRUE(repeat());
  a.open();
  EXPECT_EQ(a.session.journal_applied, 2U);
  EXPECT_TRUE(repeat());
  rig.restart();
  a.open(true);
  b.open(true);
  EXPECT_EQ(a.session.journal_applied, 2U);
  EXPECT_EQ(b.session.journal_applied, 0U);
  EXPECT_TRUE(repeat());
}

TEST_F(Journal, keeps_no_replies) {
  const InodeId d = *a.mkdir_delegated(kRootInode, "d");
  const Sequence last = rig.store().last_kept(a.session.session);
  ASSERT_TRUE(a.operate(a.journaled(a.creation(d, "x"))));
  EXPECT_EQ(rig.store().last_kept(a.session.session), last);
}

TEST_F(Journal, errors_are_told_again_until_the_peer_goes_on) {
  const wire::Operation wrong = a.journaled(wire::Unlink{kRootInode, "none"});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(a.operate(wrong)->error, Errc::not_found);
    if (i == 1) a.open();
  }
  EXPECT_EQ(a.session.journal_applied, 1U);
  ASSERT_TRUE(a.operate(a.journaled(a.creation(kRootInode, "x"))));
  EXPECT_FALSE(a.operate(wrong)->error);
}

TEST_F(Journal, a_batch_is_one_transaction_and_fails_as_a_whole) {
  const InodeId d = *a.mkdir_delegated(kRootInode, "d");
  std::vector<wire::Operation> batch;
  for (int i = 0; i < 10; ++i) {
    batch.push_back(a.journaled(a.creation(d, fmt::format("f{}", i))));
  }
  batch.push_back(a.journaled(wire::Unlink{d, "none"}));
  rig.memory().fail_next_commit(Error(Errc::no_space, "full"));
  auto failed = a.result<wire::Mutate>(a.send_operations(batch));
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->error().code(), Errc::no_space);
  EXPECT_TRUE(a.names(d).empty());
  a.open(true);
  EXPECT_EQ(a.session.journal_applied, 0U);
  auto done = a.result<wire::Mutate>(a.send_operations(batch));
  ASSERT_TRUE(done && *done);
  EXPECT_FALSE((*done)->replies[9].error);
  EXPECT_EQ((*done)->replies[10].error, Errc::not_found);
  EXPECT_EQ(a.names(d).size(), 10U);
}

TEST_F(Journal, goes_through_while_others_wait_for_it) {
  const InodeId d = *a.mkdir_delegated(kRootInode, "d");
  const InodeId file = *a.create(d, "file");
  ASSERT_TRUE(b.lookup(kRootInode, "none"));
  a.answers = false;
  const Token waits = b.send(wire::Lookup{d, "new"});
  ASSERT_EQ(a.count_events(), 1U);
  wire::SetAttributes set;
  set.inode = file;
  set.mode = 0600;
  auto done = a.result<wire::Mutate>(a.send_operations(
      {a.journaled(a.creation(d, "new")), a.journaled(set), a.journaled(wire::Unlink{d, "file"})}));
  ASSERT_TRUE(done && *done);
  EXPECT_FALSE(b.result<wire::Lookup>(waits));
  a.answer_all();
  EXPECT_TRUE((*b.result<wire::Lookup>(waits))->record);
}

TEST_F(Journal, asks_afterwards_whether_a_file_is_open_elsewhere) {
  const InodeId d = *a.mkdir(kRootInode, "d");
  const InodeId open = *a.create(d, "open");
  const InodeId closed = *a.create(d, "closed");
  ASSERT_TRUE(b.lookup(d, "open"));
  rig.restart();  // b may have them open, and watches nothing any more
  a.open(true);
  b.open(true);
  ASSERT_EQ(a.operate(a.wanting(a.creation(d, "x")))->granted, d);
  b.open_files = {open};
  b.answers = false;
  auto done = a.result<wire::Mutate>(a.send_operations(
      {a.journaled(wire::Unlink{d, "open"}), a.journaled(wire::Unlink{d, "closed"})}));
  ASSERT_TRUE(done && *done);
  EXPECT_EQ(b.count_events(), 1U);
  EXPECT_TRUE(b.get(open));
  EXPECT_TRUE(b.get(closed));
  b.answer_all();
  EXPECT_TRUE(b.get(open));
  EXPECT_FALSE(b.get(closed));
  ASSERT_TRUE(b.call(wire::CloseOrphan{open}));
  EXPECT_FALSE(b.get(open));
}

TEST_F(Journal, a_repetition_joins_the_detached_operation_that_waits) {
  ASSERT_TRUE(b.lookup(kRootInode, "x"));
  b.answers = false;
  wire::Mutate message;
  message.first = message.answered_below = Sequence(++a.sequence);
  message.operations.push_back(a.journaled(a.creation(kRootInode, "x"), true));
  (void)a.send(message);
  a.open(true);
  const Token again = a.send(message);
  EXPECT_FALSE(a.result<wire::Mutate>(again));
  b.answer_all();
  auto reply = a.result<wire::Mutate>(again);
  ASSERT_TRUE(reply && *reply);
  EXPECT_FALSE((*reply)->replies[0].error);
  EXPECT_EQ(a.names(kRootInode), std::vector<std::string>{"x"});
}

TEST_F(Journal, a_taken_name_gives_way_to_a_conflict_name) {
  ASSERT_TRUE(b.create(kRootInode, "x"));
  const wire::Create file = a.creation(kRootInode, "x");
  wire::Create directory = a.creation(kRootInode, "x", FileKind::directory);
  directory.delegate = true;
  auto one = detached(file);
  auto two = detached(directory);
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->renamed_to, kept("x"));
  EXPECT_EQ(two->renamed_to, kept("x", 1));
  EXPECT_FALSE(two->granted);
  EXPECT_EQ(a.lookup(kRootInode, kept("x"))->record->inode, file.inode);
  // What follows names it by its number.
  EXPECT_FALSE(detached(a.creation(directory.inode, "below"))->error);
  EXPECT_EQ(detached(a.creation(kRootInode, "free"))->renamed_to, "");
}

TEST_F(Journal, the_name_that_was_used_is_told_again) {
  ASSERT_TRUE(b.create(kRootInode, "x"));
  wire::Operation operation = a.journaled(a.creation(kRootInode, "x"), true);
  operation.time = kLater;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(a.operate(operation)->renamed_to, kept("x"));
}

TEST_F(Journal, what_was_made_in_a_directory_that_is_gone_comes_to_the_root) {
  const wire::Create file = a.creation(InodeId(7'777'777), "x");
  auto made = detached(file);
  ASSERT_TRUE(made && !made->error);
  EXPECT_EQ(made->renamed_to, kept("x"));
  EXPECT_TRUE(a.lookup(kRootInode, kept("x"))->record);
}

TEST_F(Journal, a_rename_keeps_what_others_have_put_there) {
  const InodeId file = *a.create(kRootInode, "file");
  const InodeId theirs = *b.create(kRootInode, "name");
  auto moved = detached(wire::Rename{kRootInode, "file", kRootInode, "name", 0, false, file});
  ASSERT_TRUE(moved && !moved->error);
  EXPECT_EQ(moved->renamed_to, kept("name"));
  EXPECT_EQ(a.lookup(kRootInode, "name")->record->inode, theirs);
  EXPECT_EQ(a.lookup(kRootInode, kept("name"))->record->inode, file);
  EXPECT_FALSE(a.lookup(kRootInode, "file")->record);
}

TEST_F(Journal, a_rename_replaces_what_the_peer_replaced_unless_it_has_changed) {
  for (const bool is_changed : {false, true}) {
    const InodeId file = *a.create(kRootInode, "file");
    const InodeId old = *b.create(kRootInode, "name");
    wire::SetAttributes set;
    set.inode = old;
    set.mode = 0600;
    const std::int64_t time = is_changed ? 0 : kLater;
    ASSERT_TRUE(b.change(set));
    auto moved =
        detached(wire::Rename{kRootInode, "file", kRootInode, "name", 0, false, file, old}, time);
    ASSERT_TRUE(moved && !moved->error) << moved->context;
    EXPECT_EQ(moved->renamed_to.empty(), !is_changed);
    EXPECT_EQ(a.lookup(kRootInode, "name")->record->inode, is_changed ? old : file);
    ASSERT_TRUE(a.change(wire::Unlink{kRootInode, "name"}));
  }
}

TEST_F(Journal, a_rename_of_what_is_another_inode_now_moves_nothing) {
  const InodeId file = *a.create(kRootInode, "file");
  EXPECT_EQ(
      detached(wire::Rename{kRootInode, "file", kRootInode, "to", 0, false, InodeId(99)})->error,
      Errc::conflict);
  EXPECT_EQ(detached(wire::Rename{kRootInode, "none", kRootInode, "to", 0, false, file})->error,
            Errc::not_found);
}

TEST_F(Journal, names_are_removed_only_if_they_lead_to_what_was_meant) {
  const InodeId file = *a.create(kRootInode, "file");
  const InodeId d = *a.mkdir(kRootInode, "d");
  for (const bool is_detached : {false, true}) {
    const auto try_it = [&](wire::Change change) {
      auto reply = a.operate(a.journaled(std::move(change), is_detached));
      return reply->error;
    };
    EXPECT_EQ(try_it(wire::Unlink{kRootInode, "file", false, d}), Errc::conflict);
    EXPECT_EQ(try_it(wire::Rmdir{kRootInode, "d", file}), Errc::conflict);
    EXPECT_EQ(try_it(wire::Rename{kRootInode, "file", d, "file", 0, false, d}), Errc::conflict);
  }
  EXPECT_FALSE(a.operate(a.journaled(wire::Rmdir{kRootInode, "d", d}))->error);
  EXPECT_FALSE(a.operate(a.journaled(wire::Unlink{kRootInode, "file", false, file}))->error);
}

TEST_F(Journal, a_file_that_others_have_changed_since_is_not_removed) {
  const InodeId file = *a.create(kRootInode, "file");
  ASSERT_TRUE(b.publish(file, 0, made_up_content(1)));
  EXPECT_EQ(detached(wire::Unlink{kRootInode, "file", false, file}, 0)->error, Errc::conflict);
  ASSERT_TRUE(b.call(wire::Delegate{file}));
  EXPECT_EQ(detached(wire::Unlink{kRootInode, "file", false, file})->error, Errc::conflict);
  ASSERT_TRUE(b.call(wire::ReturnDelegation{file}));
  EXPECT_FALSE(detached(wire::Unlink{kRootInode, "file", false, file})->error);
}

TEST_F(Journal, attributes_of_what_is_gone_are_left_out) {
  wire::SetAttributes set;
  set.inode = InodeId(7'777'777);
  set.mode = 0600;
  EXPECT_EQ(detached(set)->error, Errc::not_found);
  EXPECT_EQ(detached(wire::SetXattr{set.inode, "user.x", {}, 0})->error, Errc::not_found);
  EXPECT_EQ(detached(wire::Rmdir{kRootInode, "none", InodeId(5)})->error, Errc::not_found);
}

TEST_F(Journal, a_detached_operation_ends_what_others_have_been_granted_since) {
  const InodeId d = *a.mkdir(kRootInode, "d");
  a.open();  // the session in which it was made has ended
  ASSERT_EQ(b.operate(b.wanting(b.creation(d, "x")))->granted, d);
  int recalls = 0;
  b.on_recall = [&](const wire::Recall& recall) {
    ++recalls;
    EXPECT_EQ(recall.inode, d);
    return std::variant<wire::RecallReply, Error>(wire::RecallReply{});
  };
  auto reply = detached(a.creation(d, "x"));
  ASSERT_TRUE(reply && !reply->error);
  EXPECT_EQ(recalls, 1);
  EXPECT_EQ(reply->renamed_to, kept("x"));
  EXPECT_EQ(b.names(d).size(), 2U);
}

}  // namespace
}  // namespace shoal::tracker
