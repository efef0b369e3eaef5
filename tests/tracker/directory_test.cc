// SPDX-License-Identifier: MIT
// Delegations of directories: who gets them, and what ends them (docs/coherence.md).
#include <gtest/gtest.h>

#include "tests/tracker/rig.h"

namespace shoal::tracker {
namespace {

using wire::FileKind;

class Directories : public testing::Test {
 protected:
  Directories() {
    // a sends its journal when it is recalled, and keeps the delegation if it may.
    a.on_recall =
        [this](
            const wire::Recall& recall) -> std::optional<std::variant<wire::RecallReply, Error>> {
      recalls.push_back(recall);
      if (!unsent.empty()) a.send_operations(std::exchange(unsent, {}));
      wire::RecallReply reply;
      reply.held = !recall.publish;
      return reply;
    };
  }

  SessionId holder(InodeId directory) { return rig.core().state().delegations.holder(directory); }
  bool is_recalled(InodeId directory, bool publish) {
    const bool is =
        recalls.size() == 1 && recalls[0].inode == directory && recalls[0].publish == publish;
    recalls.clear();
    return is;
  }

  Rig rig;
  TestPeer& a = rig.join("a");
  TestPeer& b = rig.join("b");
  std::vector<wire::Recall> recalls;
  std::vector<wire::Operation> unsent;
};

TEST_F(Directories, a_new_directory_is_delegated_to_who_makes_it) {
  wire::Create create = a.creation(kRootInode, "d", FileKind::directory);
  create.delegate = true;
  auto reply = a.operate({create, 1});
  ASSERT_TRUE(reply && !reply->error);
  EXPECT_EQ(reply->granted, create.inode);
  EXPECT_TRUE(reply->records.at(0).delegated && reply->records.at(0).cacheable);
  EXPECT_EQ(holder(create.inode), a.session.session);
  EXPECT_TRUE(rig.core().state().watches.watches(a.session.session, create.inode));
  EXPECT_TRUE(a.get(create.inode)->delegated);
  EXPECT_TRUE(a.lookup(create.inode, "none")->cacheable);
  EXPECT_TRUE(recalls.empty());
}

TEST_F(Directories, only_directories_and_files_are_delegated_at_birth) {
  wire::Create link = a.creation(kRootInode, "link", FileKind::symlink);
  link.delegate = true;
  EXPECT_EQ(a.change(link).error().code(), Errc::invalid);
}

TEST_F(Directories, questions_about_names_in_it_end_the_delegation) {
  for (int question = 0; question < 3; ++question) {
    const InodeId d = *a.mkdir_delegated(kRootInode, fmt::format("d{}", question));
    const wire::Create file = a.creation(d, "file");
    unsent.push_back(a.journaled(file));
    switch (question) {
      case 0: {
        auto found = b.lookup(d, "file");
        ASSERT_TRUE(found && found->record);
        EXPECT_EQ(found->record->inode, file.inode);
        EXPECT_TRUE(found->cacheable && found->record->cacheable);
        break;
      }
      case 1:
        EXPECT_EQ(b.names(d), std::vector<std::string>{"file"});
        break;
      default:
        EXPECT_TRUE(b.call(wire::GetXattrs{d})->cacheable);
        EXPECT_EQ(b.names(d).size(), 1U);
    }
    EXPECT_TRUE(is_recalled(d, true));
    EXPECT_FALSE(holder(d));
    // What a has cached stays good: it is told of changes.
    a.dropped.clear();
    ASSERT_TRUE(b.create(d, "other"));
    EXPECT_FALSE(a.dropped.empty());
  }
}

TEST_F(Directories, questions_about_a_file_in_it_end_the_delegation) {
  const auto ask = [this](int question, InodeId file) {
    if (question == 0) return b.get(file).has_value();
    if (question == 1) return b.get(file, true).has_value();
    if (question == 2) return b.call(wire::GetXattrs{file}).has_value();
    return b.call(wire::Delegate{file}).has_value();
  };
  for (int question = 0; question < 4; ++question) {
    const InodeId d = *a.mkdir_delegated(kRootInode, fmt::format("d{}", question));
    const InodeId file = *a.create(d, "file");
    wire::SetAttributes set;
    set.inode = file;
    set.mode = 0600;
    unsent.push_back(a.journaled(set));
    EXPECT_TRUE(ask(question, file)) << question;
    EXPECT_TRUE(is_recalled(d, true)) << question;
    EXPECT_EQ(b.get(file)->attributes.mode, 0600U);
  }
}

TEST_F(Directories, changes_by_others_end_the_delegation) {
  const InodeId top = *a.mkdir(kRootInode, "top");
  const auto changes = [&](InodeId d, InodeId file) {
    wire::SetAttributes set_directory;
    set_directory.inode = d;
    set_directory.mode = 0700;
    wire::SetAttributes set_file = set_directory;
    set_file.inode = file;
    wire::Rename rename_in{top, "x", d, "x"};
    wire::Rename rename_out{d, "file", top, fmt::format("from{}", d)};
    return std::vector<wire::Change>{
        b.creation(d, "new"),
        wire::Unlink{d, "file"},
        set_directory,
        set_file,
        wire::Link{file, top, fmt::format("link{}", d)},
        wire::SetXattr{file, "user.x", {}, 0},
        wire::SetXattr{d, "user.x", {}, 0},
        rename_in,
        rename_out,
        wire::Rename{top, fmt::format("d{}", d), top, fmt::format("e{}", d)},
        wire::Rmdir{top, fmt::format("d{}", d)}};
  };
  ASSERT_TRUE(a.create(top, "x"));
  const std::size_t count = changes(InodeId(7), InodeId(8)).size();
  for (std::size_t i = 0; i < count; ++i) {
    wire::Create create = a.creation(top, "", FileKind::directory);
    create.name = fmt::format("d{}", create.inode);
    create.delegate = true;
    ASSERT_TRUE(a.change(create));
    const InodeId file = *a.create(create.inode, "file");
    recalls.clear();
    const bool is_rmdir = i + 1 == count;
    if (is_rmdir) unsent.push_back(a.journaled(wire::Unlink{create.inode, "file"}));
    auto done = b.change(changes(create.inode, file)[i]);
    EXPECT_TRUE(done) << i << ": " << done.error().message();
    EXPECT_TRUE(is_recalled(create.inode, true)) << i;
    EXPECT_FALSE(holder(create.inode));
  }
}

TEST_F(Directories, its_own_attributes_are_told_and_it_stays_delegated) {
  const InodeId d = *a.mkdir_delegated(kRootInode, "d");
  unsent.push_back(a.journaled(a.creation(d, "sub", FileKind::directory)));
  auto found = b.lookup(kRootInode, "d");
  ASSERT_TRUE(found && found->record);
  EXPECT_TRUE(is_recalled(d, false));
  EXPECT_EQ(found->record->attributes.nlink, 3U);
  EXPECT_TRUE(found->cacheable);
  EXPECT_FALSE(found->record->cacheable);
  unsent.push_back(a.journaled(a.creation(d, "another", FileKind::directory)));
  EXPECT_EQ(b.get(d)->attributes.nlink, 4U);
  EXPECT_TRUE(is_recalled(d, false));
  EXPECT_TRUE(b.call(wire::GetParent{d}));
  EXPECT_TRUE(is_recalled(d, false));
  EXPECT_EQ(holder(d), a.session.session);
  // So a goes on without asking b.
  b.dropped.clear();
  ASSERT_TRUE(a.operate(a.journaled(a.creation(d, "more"))));
  EXPECT_TRUE(b.dropped.empty());
}

TEST_F(Directories, listing_the_parent_recalls_nothing_and_is_not_to_be_kept) {
  const InodeId d = *a.mkdir_delegated(kRootInode, "d");
  auto listed = b.call(wire::ReadDirectory{kRootInode, "", 0});
  ASSERT_EQ(listed->entries.size(), 1U);
  EXPECT_FALSE(listed->entries[0].record.cacheable);
  EXPECT_TRUE(recalls.empty());
  ASSERT_TRUE(a.create(d, "file"));
  EXPECT_TRUE(b.dropped.empty());
}

TEST_F(Directories, who_wants_a_directory_gets_it_when_alone) {
  const InodeId d = *a.mkdir(kRootInode, "d");
  auto reply = a.operate(a.wanting(a.creation(d, "one")));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->granted, d);
  EXPECT_EQ(holder(d), a.session.session);
  reply = a.operate(a.wanting(a.creation(d, "two")));
  EXPECT_FALSE(reply->granted);  // it has it
}

TEST_F(Directories, nobody_gets_a_directory_that_others_watch) {
  const InodeId d = *a.mkdir(kRootInode, "d");
  ASSERT_TRUE(b.lookup(d, "x"));
  EXPECT_FALSE(a.operate(a.wanting(a.creation(d, "one")))->granted);
  b.disconnect(true);
  EXPECT_EQ(a.operate(a.wanting(a.creation(d, "two")))->granted, d);
}

TEST_F(Directories, who_holds_attributes_of_a_directory_has_dropped_them_when_it_is_granted) {
  const InodeId d = *a.mkdir(kRootInode, "d");
  ASSERT_TRUE(b.lookup(kRootInode, "d")->record->cacheable);
  b.dropped.clear();
  EXPECT_EQ(a.operate(a.wanting(a.creation(d, "one")))->granted, d);
  ASSERT_EQ(b.dropped.size(), 1U);
  EXPECT_EQ(b.dropped[0].inode, d);
}

TEST_F(Directories, nobody_gets_a_directory_with_a_pending_change) {
  const InodeId d = *a.mkdir(kRootInode, "d");
  a.answers = false;
  ASSERT_TRUE(a.create(d, "one"));
  // b makes a name there without watching it, and waits for a.
  const Token pending = b.send_change(b.creation(d, "two"));
  EXPECT_FALSE(b.result<wire::Mutate>(pending));
  auto reply = a.operate(a.wanting(a.creation(d, "three")));
  EXPECT_FALSE(reply->granted);
  a.answer_all();
  a.answer_all();
  EXPECT_TRUE(b.change_result(pending));
}

TEST_F(Directories, a_rename_grants_where_it_leads_to) {
  const InodeId from = *a.mkdir(kRootInode, "from");
  const InodeId to = *a.mkdir(kRootInode, "to");
  ASSERT_TRUE(a.create(from, "file"));
  EXPECT_EQ(a.operate(a.wanting(wire::Rename{from, "file", to, "file"}))->granted, to);
  EXPECT_FALSE(holder(from));
}

TEST_F(Directories, a_file_that_others_know_brings_them_along) {
  const InodeId d = *a.mkdir_delegated(kRootInode, "d");
  const InodeId file = *a.create(kRootInode, "file");
  ASSERT_TRUE(b.lookup(kRootInode, "file"));
  recalls.clear();
  ASSERT_TRUE(a.change(wire::Rename{kRootInode, "file", d, "file"}));
  EXPECT_TRUE(is_recalled(d, true));
  b.dropped.clear();
  wire::SetAttributes set;
  set.inode = file;
  set.mode = 0600;
  ASSERT_TRUE(a.change(set));
  EXPECT_EQ(b.dropped.size(), 1U);
}

TEST_F(Directories, a_link_that_is_left_brings_those_along_who_know_the_file) {
  const InodeId d = *a.mkdir(kRootInode, "d");
  const InodeId file = *a.create(kRootInode, "file");
  ASSERT_TRUE(a.change(wire::Link{file, d, "link"}));
  ASSERT_EQ(a.operate(a.wanting(a.creation(d, "x")))->granted, d);
  ASSERT_TRUE(b.lookup(kRootInode, "file"));
  EXPECT_TRUE(recalls.empty());  // it has a name elsewhere
  for (TestPeer* author : {&a}) {
    ASSERT_TRUE(author->change(wire::Unlink{kRootInode, "file"}));
    EXPECT_TRUE(is_recalled(d, true));
  }
  EXPECT_TRUE(rig.core().state().watches.watches(b.session.session, d));
}

TEST_F(Directories, files_without_watchers_move_between_delegated_directories) {
  const InodeId d = *a.mkdir_delegated(kRootInode, "d");
  const InodeId e = *a.mkdir_delegated(kRootInode, "e");
  ASSERT_TRUE(a.create(d, "file"));
  ASSERT_TRUE(b.lookup(kRootInode, "none"));
  auto reply = a.operate(a.journaled(wire::Rename{d, "file", e, "file"}));
  ASSERT_TRUE(reply && !reply->error);
  EXPECT_TRUE(recalls.empty() && b.dropped.empty());
}

TEST_F(Directories, whoever_writes_a_file_watches_its_directory) {
  const InodeId d = *a.mkdir(kRootInode, "d");
  const InodeId file = *a.create(d, "file");
  ASSERT_TRUE(b.call(wire::Delegate{file}));
  EXPECT_TRUE(rig.core().state().watches.watches(b.session.session, d));
  EXPECT_FALSE(a.operate(a.wanting(a.creation(d, "x")))->granted);
}

TEST_F(Directories, a_holder_that_cannot_send_its_journal_gives_an_error_and_no_old_state) {
  const InodeId d = *a.mkdir_delegated(kRootInode, "d");
  a.on_recall = [](const wire::Recall&) {
    return std::variant<wire::RecallReply, Error>(Error(Errc::no_space, "full"));
  };
  EXPECT_EQ(b.lookup(d, "x").error().code(), Errc::io);
  EXPECT_EQ(b.get(d).error().code(), Errc::io);
  EXPECT_EQ(b.create(d, "x").error().code(), Errc::io);
  EXPECT_EQ(holder(d), a.session.session);
  a.on_recall = [](const wire::Recall&) {
    wire::RecallReply reply;
    reply.held = true;
    return std::variant<wire::RecallReply, Error>(reply);
  };
  EXPECT_EQ(b.lookup(d, "x").error().code(), Errc::busy);
}

TEST_F(Directories, a_holder_that_does_not_know_of_its_delegation_loses_it) {
  const InodeId d = *a.mkdir_delegated(kRootInode, "d");
  a.on_recall = [](const wire::Recall&) {
    return std::variant<wire::RecallReply, Error>(wire::RecallReply{});
  };
  EXPECT_TRUE(b.get(d)->cacheable);
  EXPECT_FALSE(holder(d));
}

TEST_F(Directories, delegations_end_with_the_session_and_with_the_directory) {
  const InodeId d = *a.mkdir_delegated(kRootInode, "d");
  const InodeId e = *a.mkdir_delegated(kRootInode, "e");
  EXPECT_EQ(rig.core().state().delegations.directories_of(a.session.session), 2U);
  ASSERT_TRUE(a.change(wire::Rmdir{kRootInode, "e"}));
  EXPECT_FALSE(holder(e));
  EXPECT_EQ(rig.core().state().delegations.directories_of(a.session.session), 1U);
  a.answers = false;
  const Token waits = b.send(wire::Lookup{d, "x"});
  EXPECT_FALSE(b.result<wire::Lookup>(waits));
  a.disconnect(true);
  EXPECT_TRUE(*b.result<wire::Lookup>(waits));
  EXPECT_FALSE(holder(d));
}

TEST_F(Directories, a_session_may_give_one_back) {
  const InodeId d = *a.mkdir_delegated(kRootInode, "d");
  ASSERT_TRUE(a.call(wire::ReturnDelegation{d}));
  ASSERT_TRUE(b.lookup(d, "x"));
  EXPECT_TRUE(recalls.empty());
}

TEST_F(Directories, a_holder_that_leaves_a_recall_unanswered_is_not_kept_alive) {
  const InodeId d = *a.mkdir_delegated(kRootInode, "d");
  a.answers = false;
  const Token waits = b.send(wire::Lookup{d, "x"});
  bool refused = false;
  for (int i = 0; i < 12 && !b.result<wire::Lookup>(waits); ++i) {
    rig.advance(std::chrono::seconds(5));
    ASSERT_TRUE(b.call(wire::Heartbeat{b.capacity}));
    refused = refused || !a.call(wire::Heartbeat{a.capacity});
    rig.tick();
  }
  EXPECT_TRUE(refused);
  EXPECT_TRUE(*b.result<wire::Lookup>(waits));
}

TEST_F(Directories, a_failed_commit_takes_a_grant_back) {
  const InodeId d = *a.mkdir(kRootInode, "d");
  wire::Create create = a.creation(d, "sub", FileKind::directory);
  create.delegate = true;
  rig.memory().fail_next_commit(Error(Errc::no_space, "full"));
  EXPECT_TRUE(a.operate(a.wanting(create))->error);
  EXPECT_FALSE(holder(d));
  EXPECT_FALSE(holder(create.inode));
  EXPECT_EQ(rig.core().state().delegations.directories_of(a.session.session), 0U);
}

// ---- directories that others have looked into

class WatchedDirectories : public Directories {
 protected:
  WatchedDirectories() {
    b.on_whole = [this](InodeId directory) {
      asked.push_back(directory);
      return lets_go;
    };
  }
  /// a changes something in it, and would like to have it. True: it has it now.
  bool wish() {
    auto reply = a.operate(a.wanting(a.creation(d, fmt::format("wish{}", ++wishes))));
    EXPECT_TRUE(reply && !reply->error);
    return reply && reply->granted == d;
  }

  const InodeId d = *a.mkdir(kRootInode, "d");
  std::vector<InodeId> asked;
  bool lets_go = true;
  int wishes = 0;
};

TEST_F(WatchedDirectories, are_delegated_again_when_the_watcher_needs_them_no_longer) {
  ASSERT_TRUE(b.lookup(d, "none"));
  ASSERT_TRUE(b.lookup(kRootInode, "d"));
  EXPECT_FALSE(wish());
  EXPECT_EQ(asked, std::vector<InodeId>{d});
  EXPECT_FALSE(rig.core().state().watches.watches(b.session.session, d));
  EXPECT_TRUE(wish());
  EXPECT_EQ(holder(d), a.session.session);
  // Whoever let go is told nothing of it, until it looks again.
  b.dropped.clear();
  ASSERT_TRUE(a.create(d, "untold"));
  EXPECT_TRUE(b.dropped.empty());
  EXPECT_TRUE(b.lookup(d, "untold")->record);
  EXPECT_TRUE(is_recalled(d, true));
  ASSERT_TRUE(a.create(d, "told"));
  EXPECT_FALSE(b.dropped.empty());
}

TEST_F(WatchedDirectories, stay_shared_while_the_watcher_needs_them) {
  lets_go = false;
  ASSERT_TRUE(b.lookup(d, "none"));
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(wish());
  EXPECT_EQ(asked.size(), 1U) << "it is not asked with every change";
  rig.advance(Contests::kUsedPause);
  lets_go = true;
  EXPECT_FALSE(wish());
  EXPECT_EQ(asked.size(), 2U);
  EXPECT_TRUE(wish());
}

TEST_F(WatchedDirectories, are_kept_by_a_watcher_that_was_told_more_while_it_was_asked) {
  const std::function<void(InodeId file)> news[] = {
      [&](InodeId) { ASSERT_TRUE(b.lookup(d, "other")); },
      [&](InodeId file) { ASSERT_TRUE(b.get(file)); },
      [&](InodeId) { ASSERT_TRUE(b.lookup(kRootInode, "d")); },
      [&](InodeId) { EXPECT_FALSE(b.names(d).empty()); },
      [&](InodeId file) { ASSERT_TRUE(b.call(wire::GetXattrs{file})); },
      [&](InodeId file) { ASSERT_TRUE(b.call(wire::Delegate{file})); },
      [&](InodeId file) {
        wire::SetAttributes set;
        set.inode = file;
        set.mode = 0600;
        ASSERT_TRUE(b.change(set));
      },
      [&](InodeId) { ASSERT_TRUE(b.create(d, "from-b")); },
  };
  const InodeId file = *a.create(d, "file");
  ASSERT_TRUE(b.lookup(d, "none"));
  for (std::size_t i = 0; i < std::size(news); ++i) {
    rig.advance(Contests::kUsedPause);
    ASSERT_TRUE(b.call(wire::Heartbeat{b.capacity}) && a.call(wire::Heartbeat{a.capacity}));
    asked.clear();
    b.answers = false;
    // Nothing that b has to be asked about before: the name was told to nobody.
    const Token token = a.send_operations({a.wanting(wire::Unlink{d, fmt::format("no{}", i)})});
    b.answer_all();
    ASSERT_TRUE(a.result<wire::Mutate>(token));
    const Token made = a.send_operations({a.wanting(a.creation(d, fmt::format("n{}", i)))});
    std::deque<Push> changes;
    for (int round = 0; round < 3 && !a.result<wire::Mutate>(made); ++round) b.answer_all();
    ASSERT_TRUE(a.result<wire::Mutate>(made));
    ASSERT_EQ(b.count_events(), 1U) << i;  // the question, which is about nothing that changes
    news[i](file);
    b.answers = true;
    b.answer_all();
    EXPECT_EQ(asked, std::vector<InodeId>{d}) << i;
    EXPECT_TRUE(rig.core().state().watches.watches(b.session.session, d)) << i;
    EXPECT_FALSE(holder(d)) << i;
    if (i == 5) ASSERT_TRUE(b.call(wire::ReturnDelegation{file}));
  }
}

TEST_F(WatchedDirectories, are_kept_by_a_watcher_that_writes_a_file_in_them) {
  const InodeId file = *a.create(d, "file");
  ASSERT_TRUE(b.call(wire::Delegate{file}));
  EXPECT_FALSE(wish());
  EXPECT_FALSE(wish());
  EXPECT_FALSE(asked.empty());
  EXPECT_TRUE(rig.core().state().watches.watches(b.session.session, d));
  ASSERT_TRUE(b.call(wire::ReturnDelegation{file}));
  rig.advance(Contests::kUsedPause);
  EXPECT_FALSE(wish());
  EXPECT_TRUE(wish());
}

TEST_F(WatchedDirectories, that_are_wanted_by_turns_are_left_alone_ever_longer) {
  int grants = 0;
  for (int second = 0; second < 300; ++second) {
    ASSERT_TRUE(b.lookup(d, "none"));
    if (wish() || wish()) ++grants;
    rig.advance(std::chrono::seconds(1));
    ASSERT_TRUE(b.call(wire::Heartbeat{b.capacity}) && a.call(wire::Heartbeat{a.capacity}));
  }
  EXPECT_GE(grants, 4);
  EXPECT_LE(grants, 12);
}

TEST_F(WatchedDirectories, that_many_watch_are_shared) {
  for (int i = 0; i < 5; ++i) {
    TestPeer& other = rig.join(fmt::format("other{}", i));
    other.on_whole = b.on_whole;
    ASSERT_TRUE(other.lookup(d, "none"));
  }
  EXPECT_FALSE(wish());
  EXPECT_TRUE(asked.empty());
}

TEST_F(WatchedDirectories, a_question_to_a_session_that_ends_or_a_directory_that_goes_is_over) {
  ASSERT_TRUE(b.lookup(d, "none"));
  b.answers = false;
  const Token token = a.send_operations({a.wanting(a.creation(d, "x"))});
  for (int round = 0; round < 3 && !a.result<wire::Mutate>(token); ++round) b.answer_all();
  ASSERT_EQ(b.count_events(), 1U);
  ASSERT_TRUE(a.change(wire::Unlink{d, "x"}) || true);
  b.disconnect(true);
  EXPECT_TRUE(wish());
}

TEST_F(Directories, a_writer_takes_the_delegation_of_a_file_in_a_directory_of_its_own) {
  const InodeId d = *a.mkdir_delegated(kRootInode, "d");
  const InodeId file = *a.create(d, "file");
  for (int i = 0; i < 2; ++i) {
    auto taken = a.operate(a.journaled(wire::TakeDelegation{file}));
    ASSERT_TRUE(taken && !taken->error);
  }
  EXPECT_EQ(holder(file), a.session.session);
  rig.memory().fail_next_commit(Error(Errc::no_space, "full"));
  ASSERT_FALSE(a.operate(a.journaled(wire::TakeDelegation{file})));
  EXPECT_EQ(holder(file), a.session.session);  // it was not this one that gave it
  // It stays when the directory's goes, and is recalled like every other.
  ASSERT_TRUE(b.lookup(d, "none"));
  EXPECT_EQ(holder(file), a.session.session);
  EXPECT_EQ(b.operate({wire::TakeDelegation{file}, 1})->error, Errc::conflict);
  recalls.clear();
  EXPECT_TRUE(b.get(file, true));
  EXPECT_TRUE(is_recalled(file, true));
}

TEST_F(Directories, a_delegation_taken_where_others_look_is_a_change_like_any_other) {
  const InodeId file = *a.create(kRootInode, "file");
  ASSERT_TRUE(b.lookup(kRootInode, "file"));
  b.dropped.clear();
  ASSERT_FALSE(a.operate({wire::TakeDelegation{file}, 1})->error);
  ASSERT_EQ(b.dropped.size(), 1U);
  EXPECT_TRUE(b.dropped[0].data);
}

TEST_F(Directories, are_claimed_again_after_a_restart) {
  const InodeId d = *a.mkdir_delegated(kRootInode, "d");
  const InodeId e = *a.mkdir_delegated(kRootInode, "e");
  rig.restart();
  b.open(true);
  const Token found = b.send(wire::Lookup{d, "file"});
  a.open(true, {{d, 0}});
  // a has answered the recall, with its journal.
  unsent.push_back(a.journaled(a.creation(d, "late")));
  auto reply = b.result<wire::Lookup>(found);
  ASSERT_TRUE(reply && *reply);
  EXPECT_TRUE(is_recalled(d, true));
  ASSERT_TRUE(b.lookup(e, "x"));
  EXPECT_TRUE(recalls.empty());
}

TEST_F(Directories, who_comes_back_too_late_has_lost_them) {
  const InodeId d = *a.mkdir_delegated(kRootInode, "d");
  rig.restart();
  b.open(true);
  rig.advance(wire::kLeaseTerm);
  const Token token = rig.next_token();
  wire::OpenSession open;
  open.name = "a";
  open.resume = a.session.session;
  open.reclaims = {{d, 0}};
  rig.run({Request{rig.connect(a.id), token, open}});
  ASSERT_FALSE(rig.replies.at(token));
  EXPECT_EQ(rig.replies.at(token).error().code(), Errc::stale);
}

}  // namespace
}  // namespace shoal::tracker
