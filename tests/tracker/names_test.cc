// SPDX-License-Identifier: MIT
// Each operation's rules, one at a time.
#include <gtest/gtest.h>

#include "tests/tracker/rig.h"

namespace shoal::tracker {
namespace {

using wire::FileKind;

class Names : public testing::Test {
 protected:
  Errc error_of(wire::Change change) {
    auto done = a.change(std::move(change));
    EXPECT_FALSE(done);
    return done ? Errc::internal : done.error().code();
  }
  wire::Attributes stat(InodeId inode) {
    auto record = a.get(inode);
    EXPECT_TRUE(record);
    return record ? record->attributes : wire::Attributes{};
  }
  bool is_there(InodeId inode) { return a.get(inode).has_value(); }

  Rig rig;
  TestPeer& a = rig.join("a");
};

TEST_F(Names, create_makes_an_inode_and_touches_its_directory) {
  wire::Create create = a.creation(kRootInode, "file");
  create.uid = 7;
  create.gid = 8;
  create.mode = 0640;
  auto done = a.change(create);
  ASSERT_TRUE(done) << done.error().message();
  ASSERT_EQ(done->size(), 2U);
  const wire::InodeRecord& record = done->at(0);
  EXPECT_EQ(record.inode, create.inode);
  EXPECT_EQ(record.attributes.mode, 0640U);
  EXPECT_EQ(record.attributes.uid, 7U);
  EXPECT_EQ(record.attributes.nlink, 1U);
  EXPECT_TRUE(record.cacheable);
  EXPECT_EQ(done->at(1).inode, kRootInode);
  EXPECT_EQ(done->at(1).attributes.mtime, record.attributes.ctime);
  auto found = a.lookup(kRootInode, "file");
  ASSERT_TRUE(found && found->record);
  EXPECT_EQ(found->record->attributes, record.attributes);
  EXPECT_TRUE(found->cacheable);
}

TEST_F(Names, create_refuses_what_linux_refuses) {
  ASSERT_TRUE(a.create(kRootInode, "file"));
  const InodeId file = a.lookup(kRootInode, "file")->record->inode;
  EXPECT_EQ(error_of(a.creation(kRootInode, "file")), Errc::exists);
  EXPECT_EQ(error_of(a.creation(file, "x")), Errc::not_directory);
  EXPECT_EQ(error_of(a.creation(InodeId(99'999'999), "x")), Errc::not_found);
  EXPECT_EQ(error_of(a.creation(kRootInode, std::string(256, 'x'))), Errc::name_too_long);
  EXPECT_EQ(error_of(a.creation(kRootInode, "a/b")), Errc::invalid);
  EXPECT_EQ(error_of(a.creation(kRootInode, "..")), Errc::invalid);
  EXPECT_EQ(error_of(a.creation(kRootInode, "")), Errc::invalid);
  wire::Create foreign = a.creation(kRootInode, "foreign");
  foreign.inode = InodeId(5'000'000);
  EXPECT_EQ(error_of(foreign), Errc::invalid);
  wire::Create used = a.creation(kRootInode, "used");
  used.inode = file;
  EXPECT_EQ(error_of(used), Errc::invalid);
  EXPECT_TRUE(a.change(a.creation(kRootInode, std::string(255, '\xff'))));
}

TEST_F(Names, directories_count_their_subdirectories) {
  const InodeId d = *a.mkdir(kRootInode, "d");
  EXPECT_EQ(stat(kRootInode).nlink, 3U);
  EXPECT_EQ(stat(d).nlink, 2U);
  const InodeId e = *a.mkdir(d, "e");
  EXPECT_EQ(stat(d).nlink, 3U);
  ASSERT_TRUE(a.change(wire::Rename{d, "e", kRootInode, "e", 0, false}));
  EXPECT_EQ(stat(d).nlink, 2U);
  EXPECT_EQ(stat(kRootInode).nlink, 4U);
  EXPECT_EQ(error_of(wire::Unlink{kRootInode, "e", false}), Errc::is_directory);
  ASSERT_TRUE(a.change(wire::Rmdir{kRootInode, "e"}));
  EXPECT_EQ(stat(kRootInode).nlink, 3U);
  EXPECT_FALSE(is_there(e));
  EXPECT_EQ(a.call(wire::GetParent{d})->parent, kRootInode);
  EXPECT_EQ(a.call(wire::GetParent{kRootInode})->parent, kRootInode);
}

TEST_F(Names, setgid_directories_pass_their_group_on) {
  wire::Create d = a.creation(kRootInode, "d", FileKind::directory);
  d.mode = 02775;
  d.gid = 50;
  ASSERT_TRUE(a.change(d));
  wire::Create sub = a.creation(d.inode, "sub", FileKind::directory);
  sub.gid = 1;
  ASSERT_TRUE(a.change(sub));
  EXPECT_EQ(stat(sub.inode).gid, 50U);
  EXPECT_EQ(stat(sub.inode).mode, 02755U);
  wire::Create file = a.creation(d.inode, "file");
  ASSERT_TRUE(a.change(file));
  EXPECT_EQ(stat(file.inode).gid, 50U);
  EXPECT_EQ(stat(file.inode).mode, 0644U);
}

TEST_F(Names, rmdir_wants_an_empty_directory) {
  const InodeId d = *a.mkdir(kRootInode, "d");
  ASSERT_TRUE(a.create(d, "file"));
  EXPECT_EQ(error_of(wire::Rmdir{kRootInode, "d"}), Errc::not_empty);
  EXPECT_EQ(error_of(wire::Rmdir{d, "file"}), Errc::not_directory);
  EXPECT_EQ(error_of(wire::Rmdir{d, "none"}), Errc::not_found);
  ASSERT_TRUE(a.change(wire::Unlink{d, "file", false}));
  ASSERT_TRUE(a.change(wire::Rmdir{kRootInode, "d"}));
}

TEST_F(Names, hard_links_share_an_inode_until_the_last_is_gone) {
  const InodeId file = *a.create(kRootInode, "one");
  const InodeId d = *a.mkdir(kRootInode, "d");
  ASSERT_TRUE(a.change(wire::Link{file, d, "two"}));
  EXPECT_EQ(stat(file).nlink, 2U);
  EXPECT_EQ(error_of(wire::Link{file, d, "two"}), Errc::exists);
  EXPECT_EQ(error_of(wire::Link{d, kRootInode, "dd"}), Errc::not_permitted);
  EXPECT_EQ(error_of(wire::Link{InodeId(77'777), d, "x"}), Errc::not_found);
  auto gone = a.change(wire::Unlink{kRootInode, "one", false});
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->at(0).inode, file);
  EXPECT_EQ(gone->at(0).attributes.nlink, 1U);
  EXPECT_TRUE(gone->at(0).cacheable);
  ASSERT_TRUE(a.change(wire::Unlink{d, "two", false}));
  EXPECT_FALSE(is_there(file));
}

TEST_F(Names, symlinks_keep_their_target) {
  wire::Create link = a.creation(kRootInode, "link", FileKind::symlink);
  link.target = "../x y\n";
  auto done = a.change(link);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->at(0).target, link.target);
  EXPECT_EQ(done->at(0).attributes.size, link.target.size());
  wire::Create empty = a.creation(kRootInode, "empty", FileKind::symlink);
  empty.target.clear();
  EXPECT_EQ(error_of(empty), Errc::invalid);
  wire::Create device = a.creation(kRootInode, "null", FileKind::char_device);
  device.rdev = 0x103;
  ASSERT_TRUE(a.change(device));
  EXPECT_EQ(stat(device.inode).rdev, 0x103U);
}

TEST_F(Names, rename_replaces_what_is_there) {
  const InodeId one = *a.create(kRootInode, "one");
  const InodeId two = *a.create(kRootInode, "two");
  ASSERT_TRUE(a.change(wire::Rename{kRootInode, "one", kRootInode, "two", 0, false}));
  EXPECT_EQ(a.lookup(kRootInode, "two")->record->inode, one);
  EXPECT_FALSE(a.lookup(kRootInode, "one")->record);
  EXPECT_FALSE(is_there(two));
  const InodeId d = *a.mkdir(kRootInode, "d");
  const InodeId full = *a.mkdir(kRootInode, "full");
  ASSERT_TRUE(a.create(full, "x"));
  EXPECT_EQ(error_of(wire::Rename{kRootInode, "two", kRootInode, "d", 0, false}),
            Errc::is_directory);
  EXPECT_EQ(error_of(wire::Rename{kRootInode, "d", kRootInode, "two", 0, false}),
            Errc::not_directory);
  EXPECT_EQ(error_of(wire::Rename{kRootInode, "d", kRootInode, "full", 0, false}), Errc::not_empty);
  EXPECT_EQ(error_of(wire::Rename{kRootInode, "none", kRootInode, "x", 0, false}), Errc::not_found);
  ASSERT_TRUE(a.change(wire::Rename{kRootInode, "full", kRootInode, "d", 0, false}));
  EXPECT_FALSE(is_there(d));
  EXPECT_EQ(stat(kRootInode).nlink, 3U);
  EXPECT_EQ(a.names(kRootInode), (std::vector<std::string>{"d", "two"}));
}

TEST_F(Names, rename_of_a_name_to_another_name_of_the_same_file_does_nothing) {
  const InodeId file = *a.create(kRootInode, "one");
  ASSERT_TRUE(a.change(wire::Link{file, kRootInode, "two"}));
  const auto before = stat(file);
  ASSERT_TRUE(a.change(wire::Rename{kRootInode, "one", kRootInode, "two", 0, false}));
  EXPECT_EQ(stat(file), before);
  EXPECT_EQ(a.names(kRootInode).size(), 2U);
}

TEST_F(Names, rename_flags_mean_what_renameat2_says) {
  const InodeId one = *a.create(kRootInode, "one");
  const InodeId d = *a.mkdir(kRootInode, "d");
  const InodeId sub = *a.mkdir(d, "sub");
  const auto no_replace = wire::Rename::kNoReplace;
  const auto exchange = wire::Rename::kExchange;
  EXPECT_EQ(error_of(wire::Rename{kRootInode, "one", kRootInode, "d", no_replace, false}),
            Errc::exists);
  EXPECT_EQ(error_of(wire::Rename{kRootInode, "one", kRootInode, "x", exchange, false}),
            Errc::not_found);
  EXPECT_EQ(
      error_of(wire::Rename{kRootInode, "one", kRootInode, "x", no_replace | exchange, false}),
      Errc::invalid);
  EXPECT_EQ(error_of(wire::Rename{kRootInode, "d", sub, "x", 0, false}), Errc::invalid);
  EXPECT_EQ(error_of(wire::Rename{kRootInode, "d", d, "x", 0, false}), Errc::invalid);
  EXPECT_EQ(error_of(wire::Rename{d, "sub", kRootInode, "d", 0, false}), Errc::not_empty);
  EXPECT_EQ(error_of(wire::Rename{d, "sub", kRootInode, "d", exchange, false}), Errc::invalid);
  ASSERT_TRUE(a.change(wire::Rename{kRootInode, "one", d, "sub", exchange, false}));
  EXPECT_EQ(a.lookup(d, "sub")->record->inode, one);
  EXPECT_EQ(a.lookup(kRootInode, "one")->record->inode, sub);
  EXPECT_EQ(stat(d).nlink, 2U);
  EXPECT_EQ(stat(kRootInode).nlink, 4U);
}

TEST_F(Names, unlinked_open_files_live_until_they_are_closed) {
  const InodeId file = *a.create(kRootInode, "file");
  auto gone = a.change(wire::Unlink{kRootInode, "file", true});
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->at(0).attributes.nlink, 0U);
  EXPECT_FALSE(gone->at(0).cacheable);
  EXPECT_TRUE(is_there(file));
  ASSERT_TRUE(a.publish(file, 0, made_up_content(1)));
  ASSERT_TRUE(a.call(wire::CloseOrphan{file}));
  EXPECT_FALSE(is_there(file));
  EXPECT_FALSE(rig.store().find_content(made_up_content(1).id));
}

TEST_F(Names, a_file_without_a_name_can_be_linked_later) {
  wire::Create create = a.creation(kRootInode, "");
  create.orphan = true;
  auto made = a.change(create);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->at(0).attributes.nlink, 0U);
  TestPeer& b = rig.join("b");
  auto stolen = b.change(wire::Link{create.inode, kRootInode, "stolen"});
  ASSERT_FALSE(stolen);
  EXPECT_EQ(stolen.error().code(), Errc::not_found);
  ASSERT_TRUE(a.change(wire::Link{create.inode, kRootInode, "named"}));
  ASSERT_TRUE(a.call(wire::CloseOrphan{create.inode}));
  EXPECT_EQ(stat(create.inode).nlink, 1U);
}

TEST_F(Names, attributes_change_as_told_and_ctime_always) {
  const InodeId file = *a.create(kRootInode, "file");
  const auto before = stat(file);
  wire::SetAttributes set;
  set.inode = file;
  set.mode = 06711;
  set.mtime = -5;
  ASSERT_TRUE(a.change(set));
  auto now = stat(file);
  EXPECT_EQ(now.mode, 06711U);
  EXPECT_EQ(now.mtime, -5);
  EXPECT_EQ(now.atime, before.atime);
  EXPECT_GT(now.ctime, before.ctime);
  wire::SetAttributes own;
  own.inode = file;
  own.uid = 5;
  own.drop_privileges = true;
  ASSERT_TRUE(a.change(own));
  EXPECT_EQ(stat(file).mode, 0711U);
  EXPECT_EQ(stat(file).uid, 5U);
  own.inode = InodeId(4444444);
  EXPECT_EQ(error_of(own), Errc::not_found);
}

TEST_F(Names, extended_attributes_follow_setxattr) {
  const InodeId file = *a.create(kRootInode, "file");
  const auto value = [](std::string_view text) {
    return Bytes(as_bytes(text).begin(), as_bytes(text).end());
  };
  EXPECT_EQ(error_of(wire::SetXattr{file, "user.a", value("1"), wire::SetXattr::kReplace}),
            Errc::no_attribute);
  auto set = a.change(wire::SetXattr{file, "user.a", value("1"), wire::SetXattr::kCreate});
  ASSERT_TRUE(set);
  EXPECT_TRUE(set->at(0).has_xattrs);
  EXPECT_EQ(error_of(wire::SetXattr{file, "user.a", value("1"), wire::SetXattr::kCreate}),
            Errc::exists);
  EXPECT_EQ(error_of(wire::SetXattr{file, "user.big", Bytes(65537), 0}), Errc::too_large);
  EXPECT_EQ(error_of(wire::RemoveXattr{file, "user.b"}), Errc::no_attribute);
  ASSERT_TRUE(a.change(wire::SetXattr{file, "security.capability", value("x"), 0}));
  wire::SetAttributes own;
  own.inode = file;
  own.drop_privileges = true;
  ASSERT_TRUE(a.change(own));
  auto xattrs = a.call(wire::GetXattrs{file});
  ASSERT_TRUE(xattrs);
  ASSERT_EQ(xattrs->xattrs.size(), 1U);
  EXPECT_TRUE(xattrs->cacheable);
  auto removed = a.change(wire::RemoveXattr{file, "user.a"});
  ASSERT_TRUE(removed);
  EXPECT_FALSE(removed->at(0).has_xattrs);
}

TEST_F(Names, publish_moves_the_version_on) {
  const InodeId file = *a.create(kRootInode, "file");
  wire::Publish publish;
  publish.inode = file;
  publish.content = made_up_content(1, 4000);
  publish.allocated_bytes = 4096;
  publish.mtime = 99;
  auto done = a.change(publish);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->at(0).version, 1U);
  EXPECT_EQ(done->at(0).attributes.size, 4000U);
  EXPECT_EQ(done->at(0).attributes.mtime, 99);
  EXPECT_EQ(done->at(0).content, publish.content);
  EXPECT_EQ(error_of(publish), Errc::conflict);
  publish.version = 1;
  publish.content = {};  // truncated
  ASSERT_TRUE(a.change(publish));
  EXPECT_EQ(stat(file).size, 0U);
  EXPECT_FALSE(rig.store().find_content(made_up_content(1, 4000).id));
}

TEST_F(Names, publish_checks_what_it_is_given) {
  const InodeId file = *a.create(kRootInode, "file");
  const InodeId d = *a.mkdir(kRootInode, "d");
  wire::Publish publish;
  publish.inode = d;
  publish.content = made_up_content(1);
  EXPECT_EQ(error_of(publish), Errc::is_directory);
  publish.inode = file;
  publish.content.chunk_bytes = 12345;
  EXPECT_EQ(error_of(publish), Errc::invalid);
  publish.content = made_up_content(1, 3 << 20);
  EXPECT_EQ(error_of(publish), Errc::corrupt);  // no layer
  publish.layer.resize(3);
  EXPECT_EQ(error_of(publish), Errc::corrupt);  // a wrong one
  publish.content.id.root = base::root_of_layer(publish.layer, publish.content.chunk_bytes);
  ASSERT_TRUE(a.change(publish));
  auto located = a.call(wire::Locate{{publish.content}});
  ASSERT_TRUE(located);
  ASSERT_EQ(located->contents.size(), 1U);
  EXPECT_EQ(located->contents[0].layer, publish.layer);
  ASSERT_EQ(located->contents[0].holders.size(), 1U);
  EXPECT_EQ(located->contents[0].holders[0].peer, a.id);
  publish.content = {};
  publish.content.id.root.bytes[0] = std::byte{1};
  publish.layer.clear();
  EXPECT_EQ(error_of(publish), Errc::corrupt);
}

TEST_F(Names, directories_are_read_in_pages) {
  std::vector<std::string> names;
  for (int i = 0; i < 20; ++i) {
    names.push_back(fmt::format("file{:02}", i));
    ASSERT_TRUE(a.create(kRootInode, names.back()));
  }
  EXPECT_EQ(a.names(kRootInode), names);
  EXPECT_EQ(a.call(wire::ReadDirectory{InodeId(99'999), "", 0}).error().code(), Errc::not_found);
}

TEST_F(Names, totals_follow_every_change) {
  const InodeId file = *a.create(kRootInode, "file");
  ASSERT_TRUE(a.mkdir(kRootInode, "d"));
  ASSERT_TRUE(a.publish(file, 0, made_up_content(1, 500)));
  auto status = rig.control(wire::Status{});
  ASSERT_TRUE(status);
  EXPECT_EQ(status->totals.files, 1U);
  EXPECT_EQ(status->totals.directories, 2U);
  EXPECT_EQ(status->totals.bytes, 500U);
  EXPECT_EQ(status->totals.members_online, 1U);
  EXPECT_EQ(status->totals.free_bytes, 500'000'000U);
  ASSERT_TRUE(a.change(wire::Unlink{kRootInode, "file", false}));
  ASSERT_TRUE(a.change(wire::Rmdir{kRootInode, "d"}));
  status = rig.control(wire::Status{});
  EXPECT_EQ(status->totals.files, 0U);
  EXPECT_EQ(status->totals.directories, 1U);
  EXPECT_EQ(status->totals.bytes, 0U);
}

TEST_F(Names, resolve_walks_a_path) {
  const InodeId d = *a.mkdir(kRootInode, "d");
  const InodeId file = *a.create(d, "file");
  ASSERT_TRUE(a.publish(file, 0, made_up_content(1, 500)));
  auto found = a.call(wire::Resolve{"//d/file"});
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->found.record.inode, file);
  EXPECT_EQ(found->wanted_copies, 2U);
  EXPECT_EQ(found->located.holders.size(), 1U);
  EXPECT_EQ(a.call(wire::Resolve{"/"})->found.record.inode, kRootInode);
  EXPECT_EQ(a.call(wire::Resolve{"/d/none"}).error().code(), Errc::not_found);
  EXPECT_EQ(a.call(wire::Resolve{"/d/file/x"}).error().code(), Errc::not_directory);
  EXPECT_EQ(a.call(wire::Resolve{"d"}).error().code(), Errc::invalid);
  EXPECT_EQ(a.call(wire::Resolve{"/d/../d"}).error().code(), Errc::invalid);
}

}  // namespace
}  // namespace shoal::tracker
