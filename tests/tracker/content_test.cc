// SPDX-License-Identifier: MIT
// Holders, copy orders, releases and health.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/tracker/rig.h"
#include "tracker/find.h"

namespace shoal::tracker {
namespace {

class Holding : public testing::Test {
 protected:
  InodeId write(TestPeer& peer, const std::string& name, std::uint64_t number,
                std::uint64_t size = 100) {
    const InodeId inode = *peer.create(kRootInode, name);
    EXPECT_TRUE(peer.publish(inode, 0, made_up_content(number, size)));
    return inode;
  }
  wire::AnnounceReply announce(TestPeer& peer, wire::Announcement announcement) {
    auto reply = peer.call(wire::Announce{{std::move(announcement)}});
    EXPECT_TRUE(reply) << reply.error().message();
    return reply ? *reply : wire::AnnounceReply{};
  }
  wire::AnnounceReply complete(TestPeer& peer, wire::ContentRef content) {
    return announce(peer, {content, false, true, {}, false});
  }
  wire::AnnounceReply dropped(TestPeer& peer, wire::ContentRef content) {
    return announce(peer, {content, true, false, {}, false});
  }
  std::vector<wire::Holder> holders(wire::ContentRef content) {
    auto located = a.call(wire::Locate{{content}});
    return located && !located->contents.empty() ? located->contents[0].holders
                                                 : std::vector<wire::Holder>{};
  }

  Rig rig;
  TestPeer& a = rig.join("a");
  TestPeer& b = rig.join("b");
  TestPeer& c = rig.join("c");
};

TEST_F(Holding, holders_are_found_online_and_complete_ones_first) {
  wire::ContentRef content = made_up_content(1, 40 << 10);
  content.chunk_bytes = 16 << 10;
  const InodeId file = *a.create(kRootInode, "file");
  wire::Publish publish;
  publish.inode = file;
  publish.layer.resize(3);
  content.id.root = base::root_of_layer(publish.layer, content.chunk_bytes);
  publish.content = content;
  ASSERT_TRUE(a.change(publish));
  announce(b, {content, false, false, Bytes{std::byte{0b10100000}}, false});
  complete(c, content);
  c.disconnect(true);
  const auto found = holders(content);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].peer, a.id);
  EXPECT_TRUE(found[0].online && found[0].complete);
  EXPECT_EQ(found[1].peer, b.id);
  EXPECT_EQ(found[1].chunks, Bytes{std::byte{0b10100000}});
  EXPECT_EQ(found[2].peer, c.id);
  EXPECT_FALSE(found[2].online);
  complete(b, content);
  EXPECT_TRUE(holders(content)[1].complete);
  dropped(b, content);
  EXPECT_EQ(holders(content).size(), 2U);
}

TEST_F(Holding, maps_that_lie_are_refused) {
  const wire::ContentRef content = made_up_content(1, 100);
  write(a, "file", 1);
  for (const Bytes& map : {Bytes{}, Bytes(2), Bytes{std::byte{0x40}}, Bytes{std::byte{0xff}}}) {
    auto reply = b.call(wire::Announce{{{content, false, false, map, false}}});
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code(), Errc::invalid);
  }
  wire::ContentRef other_cut = content;
  other_cut.chunk_bytes = 32 << 10;
  EXPECT_FALSE(b.call(wire::Announce{{{other_cut, false, false, Bytes{std::byte{0x80}}, false}}}));
  announce(b, {content, false, false, Bytes{std::byte{0x80}}, false});
}

TEST_F(Holding, a_store_that_began_anew_holds_nothing_and_copies_are_made_again) {
  write(a, "one", 1);
  write(a, "two", 2);
  complete(b, made_up_content(1));
  complete(b, made_up_content(2));
  EXPECT_EQ(rig.health().under, 0U);
  EXPECT_TRUE(b.call(wire::Announce{}));
  EXPECT_EQ(rig.health().under, 2U);
  ASSERT_EQ(holders(made_up_content(1)).size(), 1U);
  EXPECT_EQ(holders(made_up_content(1))[0].peer, a.id);
  complete(b, made_up_content(2));
  EXPECT_EQ(holders(made_up_content(2)).size(), 2U);
  rig.tick();
  EXPECT_EQ(b.ordered().size() + c.ordered().size(), 1U);
}

TEST_F(Holding, contents_nobody_refers_to_are_unwanted) {
  EXPECT_EQ(complete(b, made_up_content(9)).unwanted.size(), 1U);
  EXPECT_TRUE(dropped(b, made_up_content(9)).unwanted.empty());
  write(a, "file", 1);
  EXPECT_TRUE(complete(b, made_up_content(1)).unwanted.empty());
}

TEST_F(Holding, the_last_reference_takes_the_content_along_and_tells_its_holders) {
  write(a, "one", 1);
  write(b, "two", 1);  // the same bytes
  ASSERT_TRUE(a.change(wire::Unlink{kRootInode, "one", false}));
  rig.tick();
  EXPECT_TRUE(a.released().empty());
  EXPECT_EQ(holders(made_up_content(1)).size(), 2U);
  ASSERT_TRUE(a.change(wire::Unlink{kRootInode, "two", false}));
  rig.tick();
  EXPECT_EQ(a.released(), std::vector<ContentId>{made_up_content(1).id});
  EXPECT_EQ(b.released().size(), 1U);
  EXPECT_TRUE(c.released().empty());
  EXPECT_TRUE(holders(made_up_content(1)).empty());
}

TEST_F(Holding, published_contents_are_copied_to_as_many_as_wanted) {
  write(a, "file", 1);
  rig.tick();
  EXPECT_EQ(b.ordered().size() + c.ordered().size(), 1U);
  TestPeer& target = b.ordered().empty() ? c : b;
  TestPeer& other = b.ordered().empty() ? b : c;
  const auto& orders = std::get<wire::CopyOrders>(target.inbox.back().message);
  EXPECT_EQ(orders.orders[0].located.holders.at(0).peer, a.id);
  rig.tick();
  EXPECT_EQ(target.ordered().size(), 1U);  // once is enough
  EXPECT_EQ(rig.health().under, 1U);
  complete(target, made_up_content(1));
  rig.tick();
  EXPECT_TRUE(other.ordered().empty());
  EXPECT_EQ(rig.health().under, 0U);
}

TEST_F(Holding, a_failed_order_goes_to_somebody_else) {
  write(a, "file", 1);
  rig.tick();
  TestPeer& target = b.ordered().empty() ? c : b;
  TestPeer& other = b.ordered().empty() ? b : c;
  announce(target, {made_up_content(1), false, false, {}, true});
  rig.tick();
  EXPECT_EQ(other.ordered().size(), 1U);
}

TEST_F(Holding, orders_of_a_peer_that_goes_away_are_given_again) {
  write(a, "file", 1);
  rig.tick();
  TestPeer& target = b.ordered().empty() ? c : b;
  TestPeer& other = b.ordered().empty() ? b : c;
  target.disconnect(false);
  rig.tick();
  EXPECT_EQ(other.ordered().size(), 1U);
}

TEST_F(Holding, orders_follow_from_the_database_after_a_restart) {
  write(a, "file", 1);
  rig.restart();
  for (TestPeer* peer : {&a, &b, &c}) peer->open(true);
  rig.tick();
  EXPECT_EQ(b.ordered().size() + c.ordered().size(), 1U);
}

TEST_F(Holding, orders_of_contents_that_are_gone_vanish) {
  const InodeId file = write(a, "file", 1);
  rig.tick();
  ASSERT_TRUE(a.publish(file, 1, made_up_content(2)));
  b.inbox.clear();
  c.inbox.clear();
  rig.tick();
  std::vector<ContentId> ordered = b.ordered();
  const auto more = c.ordered();
  ordered.insert(ordered.end(), more.begin(), more.end());
  EXPECT_EQ(ordered, std::vector<ContentId>{made_up_content(2).id});
}

TEST_F(Holding, a_window_bounds_what_one_peer_is_asked_for_at_once) {
  c.disconnect(true);
  constexpr std::uint64_t kFiles = kMaxOrdersPerPeer + 200;
  for (std::uint64_t i = 0; i < kFiles; ++i) write(a, fmt::format("f{}", i), i);
  for (int i = 0; i < 5; ++i) rig.tick();
  ASSERT_EQ(b.ordered().size(), kMaxOrdersPerPeer);
  for (const ContentId& id : b.ordered()) {
    complete(b, wire::ContentRef{id, base::kDefaultChunkBytes});
  }
  b.inbox.clear();
  for (int i = 0; i < 5; ++i) rig.tick();
  EXPECT_EQ(b.ordered().size(), 200U);
}

TEST_F(Holding, peers_without_space_are_left_alone) {
  b.disconnect(true);
  c.capacity.free_bytes = 50;
  c.open();
  write(a, "file", 1, 100);
  rig.tick();
  EXPECT_TRUE(c.ordered().empty());
}

TEST_F(Holding, a_holder_that_is_away_counts_for_a_while) {
  write(a, "file", 1);
  complete(b, made_up_content(1));
  b.disconnect(true);
  rig.tick();
  EXPECT_TRUE(c.ordered().empty());
  EXPECT_EQ(rig.health().under, 1U);
  for (int i = 0; i < 70; ++i) {
    rig.advance(std::chrono::seconds(10));
    for (TestPeer* peer : {&a, &c}) ASSERT_TRUE(peer->call(wire::Heartbeat{peer->capacity}));
    rig.tick();
  }
  EXPECT_FALSE(c.ordered().empty());
}

TEST_F(Holding, nobody_may_drop_what_others_do_not_have) {
  write(a, "file", 1);
  const auto may_drop = [](TestPeer& peer) -> bool {
    auto reply = peer.call(wire::MayDrop{{made_up_content(1), made_up_content(99)}});
    EXPECT_TRUE(reply && reply->may_drop.size() == 2 && reply->may_drop[1]);
    return reply->may_drop[0];
  };
  complete(b, made_up_content(1));
  EXPECT_FALSE(may_drop(a));
  complete(c, made_up_content(1));
  EXPECT_TRUE(may_drop(a));
  EXPECT_EQ(holders(made_up_content(1)).size(), 2U);
  EXPECT_FALSE(may_drop(b));
}

TEST_F(Holding, health_counts_what_is_endangered_and_what_is_lost) {
  write(a, "one", 1);
  write(a, "two", 2);
  write(a, "three", 3);
  ASSERT_TRUE(a.create(kRootInode, "empty"));
  complete(b, made_up_content(1));
  complete(c, made_up_content(2));
  auto health = rig.health();
  EXPECT_EQ(health.files, 4U);
  EXPECT_EQ(health.under, 1U);
  EXPECT_EQ(health.unavailable, 0U);
  a.disconnect(true);
  health = rig.health();
  EXPECT_EQ(health.under, 3U);
  EXPECT_EQ(health.unavailable, 1U);
  EXPECT_EQ(health.lost, 0U);
  a.open();
  announce(a, {made_up_content(3), true, false, {}, false});
  EXPECT_EQ(rig.health().lost, 1U);
  complete(a, made_up_content(3));
  EXPECT_EQ(rig.health().lost, 0U);
}

TEST_F(Holding, names_are_found_by_part_by_pattern_and_by_path) {
  const InodeId d = *a.mkdir(kRootInode, "src");
  for (const char* name : {"main.cc", "main.h", "b[1].txt"}) ASSERT_TRUE(a.create(d, name));
  ASSERT_TRUE(a.create(kRootInode, "main.cc"));
  using Paths = std::deque<std::string>;
  const auto found = [&](const std::string& pattern, std::uint32_t limit = 100) {
    Paths paths = find_paths(rig.store(), pattern, limit).paths;
    std::sort(paths.begin(), paths.end());
    return paths;
  };
  EXPECT_EQ(found("main"), (Paths{"/main.cc", "/src/main.cc", "/src/main.h"}));
  EXPECT_EQ(found("*.h"), (Paths{"/src/main.h"}));
  EXPECT_EQ(found("/src/*.cc"), (Paths{"/src/main.cc"}));
  EXPECT_EQ(found("b[[]1*"), (Paths{"/src/b[1].txt"}));
  EXPECT_EQ(found("m?in.cc").size(), 2U);
  EXPECT_EQ(found("nothing"), Paths{});
  EXPECT_EQ(found("main", 2).size(), 2U);
  EXPECT_TRUE(find_paths(rig.store(), "main", 2).is_truncated);
}

}  // namespace
}  // namespace shoal::tracker
