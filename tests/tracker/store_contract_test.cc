// SPDX-License-Identifier: MIT
// One suite for every Store.
#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"
#include "tracker/memory_store.h"
#include "tracker/sqlite_store.h"

namespace shoal::tracker {
namespace {

struct MemoryMaker {
  std::unique_ptr<Store> make() { return std::make_unique<MemoryStore>(Bytes(16), "swarm"); }
};

struct SqliteMaker {
  std::unique_ptr<Store> make() {
    auto store = SqliteStore::in_memory(Bytes(16), "swarm");
    EXPECT_TRUE(store) << store.error().message();
    return std::move(*store);
  }
};

template <class Maker>
class StoreContract : public testing::Test {
 protected:
  StoreContract() : store_(maker_.make()) { store_->begin(); }
  ~StoreContract() override { store_->rollback(); }
  void commit() {
    auto committed = store_->commit();
    ASSERT_TRUE(committed) << committed.error().message();
    store_->begin();
  }
  void undo() {
    store_->rollback();
    store_->begin();
  }

  Maker maker_;
  std::unique_ptr<Store> store_;
};

using Makers = testing::Types<MemoryMaker, SqliteMaker>;
TYPED_TEST_SUITE(StoreContract, Makers);

InodeRow file_row(std::uint64_t number) {
  InodeRow row;
  row.inode = InodeId(number);
  row.mode = 04755;
  row.nlink = 3;
  row.uid = 1000;
  row.gid = 4'000'000'000;
  row.allocated_bytes = 8192;
  row.atime = -1;
  row.mtime = 1'700'000'000'123'456'789;
  row.ctime = 5;
  row.version = 7;
  row.has_xattrs = true;
  return row;
}

ContentRow content_row(std::uint8_t tag, HolderSetId holders = {}) {
  ContentRow row;
  row.ref.id.root.bytes.fill(std::byte{tag});
  row.ref.id.size = 12345;
  row.ref.chunk_bytes = 1 << 20;
  row.refs = 1;
  row.holders = holders;
  return row;
}

TYPED_TEST(StoreContract, starts_with_an_empty_root) {
  auto root = this->store_->inode(kRootInode);
  ASSERT_TRUE(root);
  EXPECT_TRUE(root->is_directory());
  EXPECT_EQ(root->nlink, 2U);
  EXPECT_EQ(this->store_->number(Number::directories), 1U);
  EXPECT_EQ(this->store_->swarm().size(), 16U);
  EXPECT_EQ(this->store_->swarm_name(), "swarm");
}

TYPED_TEST(StoreContract, keeps_every_field_of_an_inode) {
  const InodeRow row = file_row(9);
  this->store_->insert_inode(row);
  EXPECT_EQ(this->store_->inode(InodeId(9)), row);
  InodeRow link = file_row(10);
  link.kind = wire::FileKind::symlink;
  link.target = std::string("a\xff b", 4);
  InodeRow device = file_row(11);
  device.kind = wire::FileKind::char_device;
  device.rdev = 0x8000'0000'0000'0103;
  this->store_->insert_inode(link);
  this->store_->insert_inode(device);
  this->commit();
  EXPECT_EQ(this->store_->inode(InodeId(10)), link);
  EXPECT_EQ(this->store_->inode(InodeId(11)), device);
  link.mode = 0;
  link.nlink = 1;
  this->store_->update_inode(link);
  EXPECT_EQ(this->store_->inode(InodeId(10)), link);
  this->store_->remove_inode(InodeId(10));
  EXPECT_FALSE(this->store_->inode(InodeId(10)));
}

TYPED_TEST(StoreContract, undoes_what_was_not_committed) {
  this->store_->insert_inode(file_row(9));
  this->store_->add_entry(kRootInode, "a", InodeId(9));
  this->commit();
  this->store_->replace_entry(kRootInode, "a", kRootInode);
  this->store_->remove_inode(InodeId(9));
  this->store_->set_number(Number::boot, 99);
  this->store_->put_xattr(kRootInode, "user.x", as_bytes("1"));
  this->undo();
  EXPECT_EQ(this->store_->child(kRootInode, "a"), InodeId(9));
  EXPECT_EQ(this->store_->inode(InodeId(9)), file_row(9));
  EXPECT_NE(this->store_->number(Number::boot), 99U);
  EXPECT_TRUE(this->store_->xattrs(kRootInode).empty());
}

TYPED_TEST(StoreContract, lists_children_by_the_bytes_of_their_names) {
  const std::vector<std::string> names = {"\x01", "A", "a", "aa", "b", "\xc3\xa4", "\xff"};
  for (std::uint64_t i = 0; i < names.size(); ++i) {
    this->store_->insert_inode(file_row(100 + i));
    this->store_->add_entry(kRootInode, names[names.size() - 1 - i], InodeId(100 + i));
  }
  std::vector<std::string> listed;
  for (std::string after;;) {
    const auto page = this->store_->children(kRootInode, after, 2);
    for (const auto& row : page) listed.push_back(row.name);
    if (page.size() < 2) break;
    after = listed.back();
  }
  EXPECT_EQ(listed, names);
  EXPECT_TRUE(this->store_->has_children(kRootInode));
  EXPECT_FALSE(this->store_->has_children(InodeId(100)));
  EXPECT_EQ(this->store_->child_inode(kRootInode, "\xff")->inode, InodeId(100));
}

TYPED_TEST(StoreContract, finds_all_links_of_an_inode) {
  this->store_->insert_inode(file_row(9));
  this->store_->add_entry(kRootInode, "a", InodeId(9));
  this->store_->add_entry(InodeId(5), "b", InodeId(9));
  this->store_->add_entry(InodeId(5), "a", InodeId(9));
  const std::vector<LinkRow> all = {{kRootInode, "a"}, {InodeId(5), "a"}, {InodeId(5), "b"}};
  EXPECT_EQ(this->store_->links(InodeId(9), 10), all);
  EXPECT_EQ(this->store_->links(InodeId(9), 1).size(), 1U);
  this->store_->remove_entry(InodeId(5), "a");
  EXPECT_EQ(this->store_->links(InodeId(9), 10).size(), 2U);
  std::size_t seen = 0;
  this->store_->scan_entries([&](InodeId, std::string_view, InodeId) { return ++seen < 5; });
  EXPECT_EQ(seen, 2U);
}

TYPED_TEST(StoreContract, keeps_extended_attributes_and_removes_them_with_the_inode) {
  this->store_->insert_inode(file_row(9));
  this->store_->put_xattr(InodeId(9), "user.b", as_bytes("2"));
  this->store_->put_xattr(InodeId(9), "user.a", as_bytes(std::string_view("\0x", 2)));
  this->store_->put_xattr(InodeId(9), "user.b", {});
  auto xattrs = this->store_->xattrs(InodeId(9));
  ASSERT_EQ(xattrs.size(), 2U);
  EXPECT_EQ(xattrs[0].name, "user.a");
  EXPECT_EQ(xattrs[0].value.size(), 2U);
  EXPECT_TRUE(xattrs[1].value.empty());
  this->store_->remove_xattr(InodeId(9), "user.a");
  EXPECT_EQ(this->store_->xattrs(InodeId(9)).size(), 1U);
  this->store_->remove_inode(InodeId(9));
  EXPECT_TRUE(this->store_->xattrs(InodeId(9)).empty());
}

TYPED_TEST(StoreContract, joins_the_content_to_its_inodes) {
  std::vector<Digest> layer(3);
  layer[1].bytes.fill(std::byte{9});
  const ContentRow content = content_row(1);
  const ContentKey key = this->store_->add_content(content, layer);
  ASSERT_TRUE(key);
  InodeRow row = file_row(9);
  row.content = key;
  this->store_->insert_inode(row);
  EXPECT_EQ(this->store_->inode(InodeId(9))->content_ref, content.ref);
  EXPECT_EQ(this->store_->inode_with(key), InodeId(9));
  EXPECT_EQ(this->store_->layer(key), layer);
  EXPECT_EQ(this->store_->find_content(content.ref.id)->key, key);
  ContentId shorter = content.ref.id;
  shorter.size -= 1;
  EXPECT_FALSE(this->store_->find_content(shorter));
  row.content = {};
  this->store_->update_inode(row);
  EXPECT_FALSE(this->store_->inode_with(key));
  this->store_->remove_content(key);
  EXPECT_FALSE(this->store_->content(key));
  EXPECT_TRUE(this->store_->layer(key).empty());
}

TYPED_TEST(StoreContract, finds_contents_by_their_holders) {
  const HolderSetId set(4);
  std::vector<ContentKey> keys;
  for (std::uint8_t i = 1; i <= 5; ++i) {
    keys.push_back(this->store_->add_content(content_row(i, set), {}));
  }
  EXPECT_EQ(this->store_->contents_held_by(set, {}, 3).size(), 3U);
  EXPECT_EQ(this->store_->contents_held_by(set, keys[2], 9).size(), 2U);
  ContentRow moved = *this->store_->content(keys[4]);
  moved.holders = HolderSetId(5);
  moved.refs = 2;
  this->store_->update_content(moved);
  EXPECT_EQ(this->store_->contents_held_by(set, {}, 9).size(), 4U);
  EXPECT_EQ(this->store_->content(keys[4]), moved);
  this->store_->put_partial(keys[0], PeerKey(2), as_bytes("x"));
  this->store_->put_partial(keys[0], PeerKey(1), as_bytes("y"));
  this->store_->put_partial(keys[0], PeerKey(2), as_bytes("z"));
  const auto partials = this->store_->partials(keys[0]);
  ASSERT_EQ(partials.size(), 2U);
  EXPECT_EQ(as_text(partials[1].chunks), "z");
  this->store_->remove_partial(keys[0], PeerKey(1));
  EXPECT_EQ(this->store_->partials(keys[0]).size(), 1U);
}

TYPED_TEST(StoreContract, keeps_holder_sets) {
  const HolderSetRow row{HolderSetId(3), {PeerKey(1), PeerKey(70000)}, 5, 6};
  this->store_->put_holder_set(row);
  EXPECT_EQ(this->store_->holder_sets(), std::vector<HolderSetRow>{row});
  HolderSetRow counted = row;
  counted.files = 60;
  this->store_->put_holder_set(counted);
  EXPECT_EQ(this->store_->holder_sets(), std::vector<HolderSetRow>{counted});
  this->store_->remove_holder_set(HolderSetId(3));
  EXPECT_TRUE(this->store_->holder_sets().empty());
}

TYPED_TEST(StoreContract, keeps_the_last_reply_whatever_is_forgotten) {
  const SessionId session(1);
  this->store_->add_session({session, PeerKey(1)});
  EXPECT_FALSE(this->store_->last_kept(session));
  for (std::uint64_t i = 1; i <= 5; ++i) {
    this->store_->keep_reply(session, Sequence(i), as_bytes("reply"));
  }
  this->store_->keep_reply(SessionId(2), Sequence(9), as_bytes("other"));
  this->store_->forget_replies(session, Sequence(3));
  EXPECT_FALSE(this->store_->kept_reply(session, Sequence(2)));
  EXPECT_TRUE(this->store_->kept_reply(session, Sequence(3)));
  this->store_->forget_replies(session, Sequence(100));
  EXPECT_EQ(this->store_->last_kept(session), Sequence(5));
  EXPECT_EQ(this->store_->sessions().size(), 1U);
  this->store_->remove_session(session);
  EXPECT_TRUE(this->store_->sessions().empty());
  EXPECT_FALSE(this->store_->last_kept(session));
  EXPECT_EQ(this->store_->last_kept(SessionId(2)), Sequence(9));
}

TYPED_TEST(StoreContract, knows_whose_range_a_number_is_from) {
  this->store_->add_inode_range(InodeId(100), 50, PeerKey(1));
  this->store_->add_inode_range(InodeId(150), 50, PeerKey(2));
  EXPECT_FALSE(this->store_->inode_range_owner(InodeId(99)));
  EXPECT_EQ(this->store_->inode_range_owner(InodeId(100)), PeerKey(1));
  EXPECT_EQ(this->store_->inode_range_owner(InodeId(149)), PeerKey(1));
  EXPECT_EQ(this->store_->inode_range_owner(InodeId(150)), PeerKey(2));
  EXPECT_FALSE(this->store_->inode_range_owner(InodeId(200)));
}

TYPED_TEST(StoreContract, gives_an_invitation_out_once) {
  Digest hash;
  hash.bytes[3] = std::byte{1};
  this->store_->add_invitation(hash, 77);
  this->store_->add_invitation(Digest{}, 5);
  this->store_->forget_invitations(6);
  EXPECT_FALSE(this->store_->take_invitation(Digest{}));
  EXPECT_EQ(this->store_->take_invitation(hash), 77);
  EXPECT_FALSE(this->store_->take_invitation(hash));
}

TYPED_TEST(StoreContract, keeps_members_and_orphans) {
  PeerRow row;
  row.key = PeerKey(3);
  row.id.digest.bytes[0] = std::byte{7};
  row.name = "mill";
  row.endpoints = {{"127.0.0.1", 1}, {"::1", 65535}};
  row.capacity = {4, 3, 2, 1};
  row.journal = 5;
  this->store_->put_peer(row);
  row.last_seen = 99;
  this->store_->put_peer(row);
  const auto peers = this->store_->peers();
  ASSERT_EQ(peers.size(), 1U);
  EXPECT_EQ(peers[0].id, row.id);
  EXPECT_EQ(peers[0].endpoints, row.endpoints);
  EXPECT_EQ(peers[0].last_seen, 99);
  EXPECT_EQ(peers[0].capacity.free_bytes, 3U);
  EXPECT_EQ(peers[0].journal, row.journal);

  this->store_->add_orphan(InodeId(5), SessionId(1));
  this->store_->add_orphan(InodeId(5), SessionId(1));
  this->store_->add_orphan(InodeId(5), SessionId(2));
  this->store_->add_orphan(InodeId(6), SessionId(2));
  EXPECT_EQ(this->store_->orphan_sessions(InodeId(5)).size(), 2U);
  EXPECT_EQ(this->store_->orphans_of(SessionId(2)).size(), 2U);
  EXPECT_EQ(this->store_->orphans().size(), 3U);
  this->store_->remove_orphan(InodeId(5), SessionId(2));
  EXPECT_EQ(this->store_->orphan_sessions(InodeId(5)), std::vector<SessionId>{SessionId(1)});
}

TEST(sqlite_store, survives_being_closed_and_is_seen_by_readers) {
  test::TempFolder folder;
  const std::string path = folder / "tracker.db";
  ASSERT_TRUE(SqliteStore::create(path, Bytes(16), "mill", 5));
  {
    auto store = SqliteStore::open(path);
    ASSERT_TRUE(store) << store.error().message();
    (*store)->begin();
    (*store)->insert_inode(file_row(9));
    ASSERT_TRUE((*store)->commit());
    auto reader = SqliteStore::open_for_reading(path);
    ASSERT_TRUE(reader) << reader.error().message();
    EXPECT_TRUE((*reader)->inode(InodeId(9)));
    (*reader)->begin();
    (*reader)->insert_inode(file_row(10));
    EXPECT_FALSE((*reader)->commit());
  }
  auto store = SqliteStore::open(path);
  ASSERT_TRUE(store);
  EXPECT_EQ((*store)->inode(InodeId(9)), file_row(9));
}

TEST(sqlite_store, brings_an_older_database_up_to_date) {
  test::TempFolder folder;
  const std::string path = folder / "tracker.db";
  ASSERT_TRUE(SqliteStore::create(path, Bytes(16), "mill", 5));
  {
    auto store = SqliteStore::open(path);
    base::Database& database = (*store)->database();
    ASSERT_TRUE(
        database.execute("INSERT INTO peers VALUES(1, x'00', 'attic', '', 5, 0, 0, 0, 0, 0);"
                         "ALTER TABLE peers DROP COLUMN journal"));
    ASSERT_TRUE(database.set_user_version(1));
  }
  auto store = SqliteStore::open(path);
  ASSERT_TRUE(store) << store.error().message();
  const auto peers = (*store)->peers();
  ASSERT_EQ(peers.size(), 1U);
  EXPECT_EQ(peers[0].name, "attic");
  EXPECT_EQ(peers[0].journal, 0U);
}

TEST(sqlite_store, refuses_what_it_cannot_use_with_the_reason) {
  test::TempFolder folder;
  const std::string path = folder / "tracker.db";
  EXPECT_FALSE(SqliteStore::open(path));
  ASSERT_TRUE(SqliteStore::create(path, Bytes(16), "mill", 5));
  EXPECT_EQ(SqliteStore::create(path, Bytes(16), "mill", 5).error().code(), Errc::exists);
  {
    auto store = SqliteStore::open(path);
    ASSERT_TRUE((*store)->database().set_user_version(1000));
  }
  auto newer = SqliteStore::open(path);
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().code(), Errc::version_mismatch);
}

}  // namespace
}  // namespace shoal::tracker
