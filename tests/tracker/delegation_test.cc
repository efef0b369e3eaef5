// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "tests/tracker/rig.h"

namespace shoal::tracker {
namespace {

class Delegating : public testing::Test {
 protected:
  Delegating() {
    // a has written 77 bytes that it has not published.
    a.on_recall =
        [this](
            const wire::Recall& recall) -> std::optional<std::variant<wire::RecallReply, Error>> {
      ++recalls;
      wire::RecallReply reply;
      if (!recall.publish) {
        reply.held = true;
        reply.size = 77;
        reply.mtime = 7;
        return reply;
      }
      wire::Publish publish;
      publish.inode = recall.inode;
      publish.version = 0;
      publish.content = made_up_content(1, 77);
      publish.release = true;
      a.send_change(publish);
      return reply;
    };
  }

  Rig rig;
  TestPeer& a = rig.join("a");
  TestPeer& b = rig.join("b");
  int recalls = 0;
};

TEST_F(Delegating, size_and_time_come_from_the_writer) {
  const InodeId file = *a.create(kRootInode, "file", wire::FileKind::regular, true);
  EXPECT_TRUE(a.get(file)->delegated);
  EXPECT_EQ(recalls, 0);
  auto found = b.lookup(kRootInode, "file");
  ASSERT_TRUE(found && found->record);
  EXPECT_EQ(found->record->attributes.size, 77U);
  EXPECT_EQ(found->record->attributes.mtime, 7);
  EXPECT_FALSE(found->record->cacheable);
  EXPECT_TRUE(found->cacheable);
  EXPECT_EQ(recalls, 1);
  EXPECT_EQ(b.get(file)->attributes.size, 77U);
  EXPECT_EQ(recalls, 2);
  auto listed = b.call(wire::ReadDirectory{kRootInode, "", 0});
  EXPECT_FALSE(listed->entries.at(0).record.cacheable);
  EXPECT_EQ(recalls, 2);
}

TEST_F(Delegating, a_reader_makes_the_writer_publish) {
  const InodeId file = *a.create(kRootInode, "file", wire::FileKind::regular, true);
  auto read = b.get(file, true);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->content, made_up_content(1, 77));
  EXPECT_TRUE(read->cacheable);
  EXPECT_FALSE(a.get(file)->delegated);
}

TEST_F(Delegating, a_reader_does_so_while_he_is_asked_about_the_end_of_the_name) {
  const InodeId file = *a.create(kRootInode, "file", wire::FileKind::regular, true);
  TestPeer& c = rig.join("c");
  for (TestPeer* peer : {&b, &c}) ASSERT_TRUE(peer->lookup(kRootInode, "file"));
  b.answers = false;
  const Token removed = c.send_change(wire::Unlink{kRootInode, "file", false});
  ASSERT_EQ(b.count_events(), 1U);
  auto read = b.get(file, true);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->content, made_up_content(1, 77)) << "what was committed is not what a has";
  EXPECT_FALSE(c.result<wire::Mutate>(removed));
  b.open_files = {file};
  b.answer_all();
  EXPECT_TRUE(c.change_result(removed));
}

TEST_F(Delegating, publishing_under_it_asks_nobody) {
  const InodeId file = *a.create(kRootInode, "file", wire::FileKind::regular, true);
  ASSERT_TRUE(b.lookup(kRootInode, "file"));
  b.dropped.clear();
  ASSERT_TRUE(a.publish(file, 0, made_up_content(1)));
  ASSERT_TRUE(a.publish(file, 1, made_up_content(2), true));
  EXPECT_TRUE(b.dropped.empty());
  EXPECT_TRUE(b.get(file)->cacheable);
  EXPECT_EQ(recalls, 1);
}

TEST_F(Delegating, the_right_to_write_moves_from_one_to_the_other) {
  const InodeId file = *a.create(kRootInode, "file", wire::FileKind::regular, true);
  auto got = b.call(wire::Delegate{file});
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_TRUE(got->record.delegated);
  EXPECT_EQ(got->record.content, made_up_content(1, 77));
  EXPECT_EQ(got->record.version, 1U);
  ASSERT_FALSE(a.dropped.empty());
  EXPECT_TRUE(a.dropped.back().data && a.dropped.back().attributes);
  EXPECT_EQ(a.publish(file, 1, made_up_content(3)).error().code(), Errc::conflict);
  ASSERT_TRUE(b.call(wire::ReturnDelegation{file}));
  EXPECT_TRUE(a.publish(file, 1, made_up_content(3)));
}

TEST_F(Delegating, two_who_ask_at_once_get_it_one_after_the_other) {
  const InodeId file = *a.create(kRootInode, "file");
  TestPeer& c = rig.join("c");
  for (TestPeer* peer : {&b, &c}) ASSERT_TRUE(peer->lookup(kRootInode, "file"));
  a.answers = b.answers = c.answers = false;
  const Token first = b.send(wire::Delegate{file});
  const Token second = c.send(wire::Delegate{file});
  for (int i = 0; i < 5; ++i) {
    a.answer_all();
    b.answer_all();
    c.answer_all();
  }
  const auto one = b.result<wire::Delegate>(first);
  const auto two = c.result<wire::Delegate>(second);
  ASSERT_TRUE(one && *one);
  ASSERT_TRUE(two && *two);
  const SessionId holder = rig.core().state().delegations.holder(file);
  EXPECT_TRUE(holder == b.session.session || holder == c.session.session);
}

TEST_F(Delegating, the_last_words_of_a_writer_that_is_gone_are_what_was_committed) {
  const InodeId file = *a.create(kRootInode, "file", wire::FileKind::regular, true);
  a.answers = false;
  const Token data = b.send(wire::GetInode{file, true});
  const Token size = b.send(wire::GetInode{file, false});
  EXPECT_FALSE(b.result<wire::GetInode>(data));
  EXPECT_FALSE(b.result<wire::GetInode>(size));
  a.disconnect(true);
  auto read = b.result<wire::GetInode>(data);
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((*read)->record.attributes.size, 0U);
  auto told = b.result<wire::GetInode>(size);
  ASSERT_TRUE(told && *told);
  EXPECT_TRUE((*told)->record.cacheable);
}

TEST_F(Delegating, an_answer_that_was_on_its_way_is_too_old_for_a_later_question) {
  const InodeId file = *a.create(kRootInode, "file", wire::FileKind::regular, true);
  a.answers = false;
  const Token first = b.send(wire::GetInode{file, false});
  const Token second = b.send(wire::GetInode{file, false});
  ASSERT_EQ(a.count_events(), 1U);
  a.answer_all();
  EXPECT_TRUE(b.result<wire::GetInode>(first));
  EXPECT_FALSE(b.result<wire::GetInode>(second));
  ASSERT_EQ(a.count_events(), 1U);
  a.answer_all();
  EXPECT_TRUE(b.result<wire::GetInode>(second));
}

TEST_F(Delegating, a_writer_that_cannot_publish_gives_an_error_and_no_old_bytes) {
  const InodeId file = *a.create(kRootInode, "file", wire::FileKind::regular, true);
  a.on_recall = [](const wire::Recall&) {
    return std::variant<wire::RecallReply, Error>(Error(Errc::no_space, "full"));
  };
  auto read = b.get(file, true);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), Errc::io);
  EXPECT_FALSE(b.call(wire::Delegate{file}));
  EXPECT_TRUE(a.get(file)->delegated);
}

TEST_F(Delegating, attributes_set_elsewhere_come_after_what_was_written) {
  const InodeId file = *a.create(kRootInode, "file", wire::FileKind::regular, true);
  wire::SetAttributes set;
  set.inode = file;
  set.mtime = 5;
  auto done = b.change(set);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->at(0).attributes.size, 77U);
  EXPECT_EQ(done->at(0).attributes.mtime, 5);
}

TEST_F(Delegating, orphans_can_be_written) {
  const InodeId file = *a.create(kRootInode, "file", wire::FileKind::regular, true);
  a.open_files = {file};
  ASSERT_TRUE(b.lookup(kRootInode, "file"));
  ASSERT_TRUE(b.change(wire::Unlink{kRootInode, "file", false}));
  auto record = a.get(file);
  ASSERT_TRUE(record);
  EXPECT_TRUE(record->delegated && record->cacheable);
  ASSERT_TRUE(a.publish(file, 0, made_up_content(4)));
  ASSERT_TRUE(a.call(wire::CloseOrphan{file}));
  EXPECT_FALSE(a.get(file));
}

TEST_F(Delegating, only_files_are_delegated) {
  const InodeId d = *a.mkdir(kRootInode, "d");
  EXPECT_EQ(a.call(wire::Delegate{d}).error().code(), Errc::is_directory);
  EXPECT_EQ(a.call(wire::Delegate{InodeId(4'000'000)}).error().code(), Errc::not_found);
}

}  // namespace
}  // namespace shoal::tracker
