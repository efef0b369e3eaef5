// SPDX-License-Identifier: MIT
// Who is told of a change, and what waits for whom (docs/coherence.md).
#include <gtest/gtest.h>

#include "tests/tracker/rig.h"

namespace shoal::tracker {
namespace {

class Watch : public testing::Test {
 protected:
  Rig rig;
  TestPeer& a = rig.join("a");
  TestPeer& b = rig.join("b");
};

TEST_F(Watch, a_change_waits_for_whoever_watches_and_nobody_else) {
  TestPeer& c = rig.join("c");
  ASSERT_TRUE(b.lookup(kRootInode, "new"));
  b.answers = c.answers = false;
  const Token token = a.send_change(a.creation(kRootInode, "new"));
  EXPECT_FALSE(a.result<wire::Mutate>(token));
  EXPECT_EQ(b.count_events(), 1U);
  EXPECT_EQ(c.count_events(), 0U);
  b.answer_all();
  EXPECT_TRUE(a.change_result(token));
}

TEST_F(Watch, nobody_is_asked_in_a_directory_of_ones_own) {
  const InodeId d = *a.mkdir(kRootInode, "d");
  ASSERT_TRUE(b.lookup(kRootInode, "d"));
  b.dropped.clear();
  ASSERT_TRUE(a.create(d, "one"));
  EXPECT_EQ(b.dropped.size(), 1U);  // the directory's own times, once
  b.dropped.clear();
  ASSERT_TRUE(a.create(d, "two"));
  EXPECT_TRUE(b.dropped.empty());
  ASSERT_TRUE(b.get(d));
  ASSERT_TRUE(a.create(d, "three"));
  EXPECT_FALSE(b.dropped.empty());
}

TEST_F(Watch, while_pending_the_old_state_is_told_and_not_to_be_kept) {
  const InodeId file = *a.create(kRootInode, "file");
  ASSERT_TRUE(b.lookup(kRootInode, "file"));
  ASSERT_TRUE(b.lookup(kRootInode, "gone"));
  b.answers = false;
  const Token token = a.send_change(wire::Rename{kRootInode, "file", kRootInode, "gone", 0, false});
  ASSERT_EQ(b.count_events(), 1U);
  TestPeer& c = rig.join("c");
  for (TestPeer* peer : {&b, &c}) {
    auto old = peer->lookup(kRootInode, "file");
    ASSERT_TRUE(old && old->record);
    EXPECT_FALSE(old->cacheable);
    EXPECT_FALSE(old->record->cacheable);
    auto absent = peer->lookup(kRootInode, "gone");
    ASSERT_TRUE(absent);
    EXPECT_FALSE(absent->record);
    EXPECT_FALSE(absent->cacheable);
    auto listed = peer->call(wire::ReadDirectory{kRootInode, "", 0});
    ASSERT_TRUE(listed);
    EXPECT_FALSE(listed->cacheable);
    EXPECT_FALSE(peer->get(file)->cacheable);
    EXPECT_TRUE(peer->lookup(kRootInode, "other")->cacheable);
  }
  b.answer_all();
  ASSERT_TRUE(a.change_result(token));
  EXPECT_TRUE(b.lookup(kRootInode, "gone")->record->cacheable);
  EXPECT_FALSE(b.lookup(kRootInode, "file")->record);
}

TEST_F(Watch, a_change_says_what_to_drop) {
  const InodeId file = *a.create(kRootInode, "file");
  ASSERT_TRUE(b.lookup(kRootInode, "file"));
  ASSERT_TRUE(b.get(kRootInode));
  b.dropped.clear();
  ASSERT_TRUE(a.publish(file, 0, made_up_content(1)));
  ASSERT_EQ(b.dropped.size(), 1U);
  EXPECT_EQ(b.dropped[0].inode, file);
  EXPECT_TRUE(b.dropped[0].attributes && b.dropped[0].data);
  EXPECT_FALSE(b.dropped[0].xattrs || b.dropped[0].orphaned);
  b.dropped.clear();
  ASSERT_TRUE(a.change(wire::Unlink{kRootInode, "file", false}));
  ASSERT_EQ(b.dropped.size(), 3U);
  EXPECT_EQ(b.dropped[0].name, "file");
  EXPECT_TRUE(b.dropped[1].orphaned);
  EXPECT_EQ(b.dropped[2].inode, kRootInode);
}

TEST_F(Watch, a_file_is_watched_through_every_directory_it_is_linked_in) {
  const InodeId d = *a.mkdir(kRootInode, "d");
  const InodeId file = *a.create(kRootInode, "file");
  ASSERT_TRUE(a.change(wire::Link{file, d, "link"}));
  ASSERT_TRUE(b.lookup(d, "link"));
  b.dropped.clear();
  wire::SetAttributes set;
  set.inode = file;
  set.mode = 0600;
  ASSERT_TRUE(a.change(set));
  ASSERT_EQ(b.dropped.size(), 1U);
  EXPECT_EQ(b.dropped[0].inode, file);
}

TEST_F(Watch, whoever_knew_a_moved_file_is_told_of_its_changes_in_the_new_place) {
  const InodeId d = *a.mkdir(kRootInode, "d");
  const InodeId file = *a.create(kRootInode, "file");
  ASSERT_TRUE(b.lookup(kRootInode, "file"));
  ASSERT_TRUE(a.change(wire::Rename{kRootInode, "file", d, "file", 0, false}));
  b.dropped.clear();
  b.open_files = {file};
  ASSERT_TRUE(a.publish(file, 0, made_up_content(1)));
  EXPECT_EQ(b.dropped.size(), 1U);
  ASSERT_TRUE(a.change(wire::Unlink{d, "file", false}));
  EXPECT_TRUE(b.get(file));  // it is open there
  ASSERT_TRUE(b.call(wire::CloseOrphan{file}));
  EXPECT_FALSE(b.get(file));
}

TEST_F(Watch, an_orphan_lives_for_whoever_says_it_is_open) {
  const InodeId file = *a.create(kRootInode, "file");
  ASSERT_TRUE(b.lookup(kRootInode, "file"));
  b.open_files = {file};
  ASSERT_TRUE(a.change(wire::Unlink{kRootInode, "file", false}));
  auto orphan = a.get(file);
  ASSERT_TRUE(orphan);
  EXPECT_EQ(orphan->attributes.nlink, 0U);
  EXPECT_FALSE(orphan->cacheable);
  b.disconnect(true);
  EXPECT_FALSE(a.get(file));
}

TEST_F(Watch, opening_waits_for_the_end_of_the_last_name_only_once_that_was_answered) {
  const InodeId file = *a.create(kRootInode, "file");
  TestPeer& c = rig.join("c");
  for (TestPeer* peer : {&b, &c}) ASSERT_TRUE(peer->lookup(kRootInode, "file"));
  b.answers = c.answers = false;
  const Token token = a.send_change(wire::Unlink{kRootInode, "file", false});
  EXPECT_TRUE(b.get(file, true)) << "has not answered: may still say that it is open";
  b.answer_all();
  const Token late = b.send(wire::GetInode{file, true});
  EXPECT_FALSE(b.result<wire::GetInode>(late));
  c.answer_all();
  EXPECT_TRUE(a.change_result(token));
  auto after = b.result<wire::GetInode>(late);
  ASSERT_TRUE(after);
  EXPECT_FALSE(*after) << "it is gone";
}

TEST_F(Watch, opening_waits_for_a_change_that_asks_about_something_else_by_now) {
  const InodeId file = *a.create(kRootInode, "file");
  ASSERT_TRUE(a.create(kRootInode, "new"));
  TestPeer& c = rig.join("c");
  for (TestPeer* peer : {&b, &c}) ASSERT_TRUE(peer->lookup(kRootInode, "file"));
  b.answers = c.answers = false;
  c.inbox.clear();
  // a replaces the file: b has answered that it is closed there, and c lets it wait.
  const Token replaced = a.send_change(wire::Rename{kRootInode, "new", kRootInode, "file"});
  b.answer_all();
  // b changes the directory meanwhile, and is asked about that again, though not about the file.
  const Token made = b.send_change(b.creation(kRootInode, "other"));
  ASSERT_EQ(c.count_events(), 2U);
  const Push first = c.inbox.front();
  c.inbox.pop_front();
  c.answer_all();
  ASSERT_TRUE(b.change_result(made));
  c.inbox.push_back(first);
  c.answer_all();
  ASSERT_EQ(b.count_events(), 1U);
  bool is_asked_about_file = false;
  for (const Push& push : b.inbox) {
    const auto* asked = std::get_if<wire::Invalidate>(&push.message);
    for (const wire::Stale& stale : asked == nullptr ? std::vector<wire::Stale>{} : asked->stale) {
      is_asked_about_file = is_asked_about_file || stale.inode == file;
    }
  }
  const Token open = b.send(wire::GetInode{file, true});
  const auto early = b.result<wire::GetInode>(open);
  EXPECT_EQ(early.has_value(), is_asked_about_file) << "what b said of the file stands";
  b.answer_all();
  EXPECT_TRUE(a.change_result(replaced));
}

TEST_F(Watch, a_rename_replaces_only_what_its_author_knew) {
  ASSERT_TRUE(a.create(kRootInode, "new"));
  const InodeId old = *a.create(kRootInode, "name");
  ASSERT_TRUE(a.change(wire::Unlink{kRootInode, "name", false}));
  const InodeId other = *b.create(kRootInode, "name");
  wire::Rename rename{kRootInode, "new", kRootInode, "name", 0, false, {}, old};
  const auto refused = a.change(rename);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::conflict);
  EXPECT_TRUE(a.get(other));
  rename.replaced = other;
  EXPECT_TRUE(a.change(rename));
  EXPECT_FALSE(a.get(other));
}

TEST_F(Watch, an_orphan_that_is_closed_before_the_change_is_through_does_not_stay) {
  const InodeId file = *a.create(kRootInode, "file");
  TestPeer& c = rig.join("c");
  for (TestPeer* peer : {&b, &c}) ASSERT_TRUE(peer->lookup(kRootInode, "file"));
  b.open_files = {file};
  c.answers = false;
  const Token token = a.send_change(wire::Unlink{kRootInode, "file", false});
  ASSERT_TRUE(b.call(wire::CloseOrphan{file}));
  c.answer_all();
  EXPECT_TRUE(a.change_result(token));
  EXPECT_FALSE(a.get(file));
}

TEST_F(Watch, an_orphan_that_is_opened_again_lives_although_it_was_closed_in_between) {
  const InodeId file = *a.create(kRootInode, "file");
  TestPeer& c = rig.join("c");
  for (TestPeer* peer : {&b, &c}) ASSERT_TRUE(peer->lookup(kRootInode, "file"));
  a.open_files = b.open_files = {file};
  b.answers = false;
  b.inbox.clear();
  // Two removals at once, and b has answered one when that is applied.
  const Token first = a.send_change(wire::Unlink{kRootInode, "file", true});
  const Token second = c.send_change(wire::Unlink{kRootInode, "file", false});
  ASSERT_EQ(b.count_events(), 2U);
  const Push other = b.inbox.back();
  b.inbox.pop_back();
  b.answer_all();
  ASSERT_TRUE(a.change_result(first));
  // b has closed it before it heard of that, opens it once more and says so to the other.
  ASSERT_TRUE(b.call(wire::CloseOrphan{file}));
  b.inbox = {other};
  b.answer_all();
  EXPECT_TRUE(c.result<wire::Mutate>(second));
  ASSERT_TRUE(a.call(wire::CloseOrphan{file}));
  EXPECT_TRUE(b.get(file)) << "b has it open";
  ASSERT_TRUE(b.call(wire::CloseOrphan{file}));
  EXPECT_FALSE(b.get(file));
}

TEST_F(Watch, changes_of_the_same_name_at_once_are_applied_one_after_the_other) {
  TestPeer& c = rig.join("c");
  for (TestPeer* peer : {&a, &b, &c}) ASSERT_TRUE(peer->lookup(kRootInode, "name"));
  a.answers = b.answers = c.answers = false;
  const Token first = a.send_change(a.creation(kRootInode, "name"));
  const Token second = b.send_change(b.creation(kRootInode, "name"));
  for (int i = 0; i < 5; ++i) {
    a.answer_all();
    b.answer_all();
    c.answer_all();
  }
  const auto one = a.change_result(first);
  const auto two = b.change_result(second);
  EXPECT_NE(one.has_value(), two.has_value());
  const Error& error = one ? two.error() : one.error();
  EXPECT_EQ(error.code(), Errc::exists);
}

TEST_F(Watch, a_session_that_learns_something_new_meanwhile_is_asked_again) {
  TestPeer& c = rig.join("c");
  ASSERT_TRUE(a.create(kRootInode, "x"));
  for (TestPeer* peer : {&b, &c}) ASSERT_TRUE(peer->lookup(kRootInode, "name"));
  b.answers = c.answers = false;
  c.inbox.clear();
  // a's change has b's answer, and waits for c, when b itself changes the same name.
  const Token first = a.send_change(a.creation(kRootInode, "name"));
  b.answer_all();
  a.answers = false;
  const Token second = b.send_change(wire::Rename{kRootInode, "x", kRootInode, "name", 0, false});
  a.answer_all();
  // c answers b's rename first, and then a's create.
  ASSERT_EQ(c.count_events(), 2U);
  std::swap(c.inbox[0], c.inbox[1]);
  const Push creation = c.inbox[1];
  c.inbox.pop_back();
  c.answer_all();
  a.answer_all();
  ASSERT_TRUE(b.change_result(second)) << b.change_result(second).error().message();
  c.inbox.push_back(creation);
  c.answer_all();
  // The create now fails because of the rename, or has asked b again. It never succeeds.
  a.answer_all();
  b.answer_all();
  auto created = a.change_result(first);
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().code(), Errc::exists);
}

TEST_F(Watch, a_silent_session_holds_a_change_up_until_its_lease_is_over) {
  ASSERT_TRUE(b.lookup(kRootInode, "new"));
  b.answers = false;
  const Token token = a.send_change(a.creation(kRootInode, "new"));
  rig.advance(wire::kLeaseTerm - std::chrono::seconds(1));
  ASSERT_TRUE(a.call(wire::Heartbeat{a.capacity}));
  rig.tick();
  EXPECT_FALSE(a.result<wire::Mutate>(token));
  rig.advance(std::chrono::seconds(2));
  rig.tick();
  EXPECT_TRUE(a.change_result(token));
  EXPECT_TRUE(rig.disconnected.contains(b.connection));
  EXPECT_EQ(b.lookup(kRootInode, "new").error().code(), Errc::stale);
}

TEST_F(Watch, a_session_that_lives_but_never_answers_is_not_kept_alive) {
  ASSERT_TRUE(b.lookup(kRootInode, "new"));
  b.answers = false;
  const Token token = a.send_change(a.creation(kRootInode, "new"));
  bool refused = false;
  for (int i = 0; i < 12 && !a.result<wire::Mutate>(token); ++i) {
    rig.advance(std::chrono::seconds(5));
    ASSERT_TRUE(a.call(wire::Heartbeat{a.capacity}));
    refused = refused || !b.call(wire::Heartbeat{b.capacity});
    rig.tick();
  }
  EXPECT_TRUE(refused);
  EXPECT_TRUE(a.change_result(token));
}

TEST_F(Watch, a_connection_that_finishes_ends_its_session_at_once) {
  ASSERT_TRUE(b.lookup(kRootInode, "new"));
  b.answers = false;
  const Token token = a.send_change(a.creation(kRootInode, "new"));
  b.disconnect(true);
  EXPECT_TRUE(a.change_result(token));
}

TEST_F(Watch, events_are_sent_again_after_a_reconnect) {
  ASSERT_TRUE(b.lookup(kRootInode, "new"));
  b.answers = false;
  const Token token = a.send_change(a.creation(kRootInode, "new"));
  b.inbox.clear();
  b.disconnect(false);
  EXPECT_FALSE(a.result<wire::Mutate>(token));
  b.open(true);
  EXPECT_TRUE(b.session.resumed);
  ASSERT_EQ(b.count_events(), 1U);
  b.answer_all();
  EXPECT_TRUE(a.change_result(token));
}

TEST_F(Watch, bytes_wait_for_a_pending_change_only_once_it_was_answered) {
  const InodeId file = *a.create(kRootInode, "file");
  ASSERT_TRUE(a.publish(file, 0, made_up_content(1)));
  TestPeer& c = rig.join("c");
  for (TestPeer* peer : {&b, &c}) ASSERT_TRUE(peer->lookup(kRootInode, "file"));
  b.answers = c.answers = false;
  wire::Publish publish;
  publish.inode = file;
  publish.version = 1;
  publish.content = made_up_content(2);
  const Token token = a.send_change(publish);
  auto early = b.get(file, true);  // has not answered: the old content, at once
  ASSERT_TRUE(early);
  EXPECT_EQ(early->content, made_up_content(1));
  EXPECT_FALSE(early->cacheable);
  b.answer_all();
  const Token late = b.send(wire::GetInode{file, true});
  EXPECT_FALSE(b.result<wire::GetInode>(late));
  c.answer_all();
  EXPECT_TRUE(a.change_result(token));
  auto after = b.result<wire::GetInode>(late);
  ASSERT_TRUE(after && *after);
  EXPECT_EQ((*after)->record.content, made_up_content(2));
  EXPECT_TRUE((*after)->record.cacheable);
}

TEST_F(Watch, whoever_is_asked_again_does_not_wait_for_bytes_any_more) {
  const InodeId file = *a.create(kRootInode, "file");
  ASSERT_TRUE(a.publish(file, 0, made_up_content(1)));
  TestPeer& c = rig.join("c");
  for (TestPeer* peer : {&b, &c}) ASSERT_TRUE(peer->lookup(kRootInode, "file"));
  c.inbox.clear();
  c.answers = false;
  wire::Publish publish;
  publish.inode = file;
  publish.version = 1;
  publish.content = made_up_content(2);
  const Token published = a.send_change(publish);
  const Token read = b.send(wire::GetInode{file, true});
  EXPECT_FALSE(b.result<wire::GetInode>(read));
  // b changes the file itself, which c lets pass first: what b answered before does not count now.
  const Token marked = b.send_change(wire::SetXattr{file, "user.x", {}, 0});
  b.answers = false;
  ASSERT_EQ(c.count_events(), 2U);
  const Push first = c.inbox.front();
  c.inbox.pop_front();
  c.answer_all();
  ASSERT_TRUE(b.change_result(marked));
  c.inbox.push_back(first);
  c.answer_all();
  ASSERT_EQ(b.count_events(), 1U);
  auto old = b.result<wire::GetInode>(read);
  ASSERT_TRUE(old && *old);
  EXPECT_EQ((*old)->record.content, made_up_content(1));
  EXPECT_FALSE((*old)->record.cacheable);
  b.answer_all();
  EXPECT_TRUE(a.change_result(published));
}

TEST_F(Watch, a_failed_commit_leaves_nothing_behind) {
  ASSERT_TRUE(a.lookup(kRootInode, "x"));
  wire::Create create = a.creation(kRootInode, "x");
  create.delegate = true;
  rig.memory().fail_next_commit(Error(Errc::no_space, "full"));
  auto failed = a.change(create);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Errc::no_space);
  EXPECT_FALSE(a.lookup(kRootInode, "x")->record);
  EXPECT_FALSE(rig.core().state().delegations.holder(create.inode));
  EXPECT_EQ(rig.health().files, 0U);
  ASSERT_TRUE(a.change(create));  // there is space again
}

TEST_F(Watch, a_failed_commit_answers_reads_from_what_is_there) {
  const Token read = rig.next_token();
  const Token listed = rig.next_token();
  const Token changed = rig.next_token();
  wire::Mutate mutate;
  mutate.first = Sequence(++a.sequence);
  const wire::Create create = a.creation(kRootInode, "x");
  mutate.operations.push_back({create, 1});
  rig.memory().fail_next_commit(Error(Errc::io, "broken"));
  rig.run({Request{a.connection, changed, mutate},
           Request{b.connection, read, wire::Lookup{kRootInode, "x"}},
           Request{b.connection, listed, wire::ReadDirectory{kRootInode, "", 0}}});
  EXPECT_FALSE(a.change_result(changed));
  auto found = b.result<wire::Lookup>(read);
  ASSERT_TRUE(found && *found);
  EXPECT_FALSE((*found)->record);
  auto entries = b.result<wire::ReadDirectory>(listed);
  ASSERT_TRUE(entries && *entries);
  EXPECT_TRUE((*entries)->entries.empty());
}

TEST_F(Watch, a_failed_commit_of_a_change_that_waited_fails_it) {
  ASSERT_TRUE(b.lookup(kRootInode, "x"));
  b.answers = false;
  const Token token = a.send_change(a.creation(kRootInode, "x"));
  rig.memory().fail_next_commit(Error(Errc::no_space, "full"));
  b.answer_all();
  auto failed = a.change_result(token);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Errc::no_space);
  auto again = b.lookup(kRootInode, "x");
  EXPECT_FALSE(again->record);
  EXPECT_TRUE(again->cacheable);  // nothing is pending any more
}

}  // namespace
}  // namespace shoal::tracker
