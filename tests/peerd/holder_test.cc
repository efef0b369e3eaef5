// SPDX-License-Identifier: MIT
// What a peer tells the tracker, copies and drops: announcer, replicator and evictor together, with
// other peers and a tracker that the test writes.
#include <gtest/gtest.h>

#include <algorithm>

#include "peerd/announcer.h"
#include "peerd/evictor.h"
#include "peerd/fetcher.h"
#include "peerd/limits.h"
#include "peerd/replicator.h"
#include "tests/peerd/fakes.h"
#include "tests/support/virtual_time.h"

namespace shoal::peerd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::FakePeer;
using test::MadeContent;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kCeiling = 64 * kMiB;

class HolderTest : public testing::Test {
 protected:
  HolderTest()
      : announcer_(loop_.get_executor(), time_, *pool_, *store_, tracker_),
        evictor_(loop_.get_executor(), time_, *pool_, *store_, announcer_, tracker_),
        fetcher_(Fetcher::Environment{loop_.get_executor(), time_, *pool_, *store_, tracker_,
                                      peers_, members_, test::peer_id("self")},
                 hooks()),
        replicator_(loop_.get_executor(), time_, *pool_, *store_, fetcher_, announcer_, tracker_) {
    announcer_.on_unwanted = [this](std::vector<wire::ContentRef> contents) {
      replicator_.drop_unwanted(std::move(contents));
    };
  }
  ~HolderTest() override { test::run_virtual_until_done(loop_, time_, stop()); }

  Fetcher::Hooks hooks() {
    Fetcher::Hooks made;
    made.on_stored = [this](const std::shared_ptr<cache::Blob>& blob, cache::BlobState state) {
      announcer_.stored(blob, state);
    };
    made.make_room = [this](std::uint64_t bytes) { return evictor_.make_room(bytes); };
    return made;
  }

  Task<void> stop() {
    co_await replicator_.stop();
    co_await fetcher_.stop();
    co_await evictor_.stop();
    co_await announcer_.stop();
  }

  wire::CopyOrder order(const MadeContent& content, std::uint64_t inode,
                        const std::string& holder = "a") {
    peers_.add(content);
    tracker_.hold(content, holder);
    return {InodeId(inode), tracker_.contents.at(content.shape.content)};
  }

  void run_for(Duration duration) {
    const SteadyTime until = time_.steady() + duration;
    test::run_virtual(loop_, time_, [&] { return time_.steady() >= until; });
  }
  bool run_until(const std::function<bool()>& is_done, Duration limit = seconds(300)) {
    return test::run_virtual(loop_, time_, is_done, limit);
  }
  bool is_idle() const {
    return replicator_.waiting() == 0 && replicator_.under_way() == 0 && announcer_.waiting() == 0;
  }

  /// What the tracker was told last of the content; all flags off when nothing.
  wire::Announcement told(const MadeContent& content) const {
    const auto words = tracker_.last_words();
    const auto found = words.find(content.shape.content);
    return found == words.end() ? wire::Announcement{} : found->second;
  }

  base::Loop loop_;
  test::VirtualTime time_;
  std::unique_ptr<Pool> pool_ = base::make_inline_pool();
  std::unique_ptr<cache::BlobStore> store_ = cache::make_memory_store(kCeiling);
  Members members_;
  test::FakePeers peers_{time_};
  test::FakeTracker tracker_{time_};
  Announcer announcer_;
  Evictor evictor_;
  Fetcher fetcher_;
  Replicator replicator_;
};

TEST_F(HolderTest, becomes_a_holder_when_told_to_and_says_so) {
  const MadeContent content = test::make_content(3 * kMiB, 1);
  replicator_.copy({order(content, 5)});
  ASSERT_TRUE(run_until([&] { return told(content).complete; }));
  const auto blob = store_->find(InodeId(5));
  ASSERT_TRUE(blob);
  EXPECT_EQ(blob->info().role, cache::Role::replica);
  EXPECT_EQ(test::read_all(*blob, 3 * kMiB), content.bytes);
}

TEST_F(HolderTest, copies_many_small_files_at_the_same_time_and_announces_them_in_batches) {
  std::vector<wire::CopyOrder> orders;
  for (std::uint64_t i = 0; i < 500; ++i) {
    orders.push_back(order(test::make_content(1000 + i, 100 + i), 100 + i));
  }
  peers_.peer("a").delay = milliseconds(5);
  const SteadyTime start = time_.steady();
  replicator_.copy(std::move(orders));
  ASSERT_TRUE(run_until([&] { return tracker_.last_words().size() == 500 && is_idle(); }));
  EXPECT_LT(time_.steady() - start, milliseconds(500));
  EXPECT_LT(tracker_.announced.size(), 30u);
  EXPECT_LE(peers_.peer("a").most_in_flight, kMaxCopies);
  EXPECT_EQ(tracker_.locate_calls, 0u);
}

TEST_F(HolderTest, says_that_an_order_failed) {
  const MadeContent content = test::make_content(kMiB, 2);
  wire::CopyOrder one = order(content, 5);
  peers_.peer("a").way = FakePeer::Way::gone;
  replicator_.copy({std::move(one)});
  ASSERT_TRUE(run_until([&] { return told(content).order_failed; }));
  EXPECT_EQ(store_->find(InodeId(5))->info().role, cache::Role::cached);
}

TEST_F(HolderTest, refuses_an_order_for_a_file_that_is_being_written_here) {
  const MadeContent content = test::make_content(kMiB, 3);
  auto working = store_->create_working(InodeId(5));
  ASSERT_TRUE(working);
  replicator_.copy({order(content, 5)});
  ASSERT_TRUE(run_until([&] { return told(content).order_failed; }));
  EXPECT_EQ((*working)->info().state, cache::BlobState::working);
}

TEST_F(HolderTest, never_turns_away_from_newer_bytes_of_its_own) {
  const MadeContent content = test::make_content(kMiB, 4);
  auto working = store_->create_working(InodeId(5));
  ASSERT_TRUE(working);
  ASSERT_TRUE((*working)->write_at(0, as_bytes("written here")));
  auto sealed = (*working)->seal(false);
  ASSERT_TRUE(sealed);
  replicator_.copy({order(content, 5)});
  ASSERT_TRUE(run_until([&] { return told(content).order_failed; }));
  EXPECT_EQ(store_->find(InodeId(5))->info().shape, sealed->shape);
}

TEST_F(HolderTest, follows_to_a_newer_content_of_the_same_file) {
  const MadeContent old_content = test::make_content(2 * kMiB, 5);
  const MadeContent new_content = test::make_content(2 * kMiB, 6);
  const auto first = order(old_content, 5);
  const auto second = order(new_content, 5);
  tracker_.may_be_dropped.insert(old_content.shape.content);
  replicator_.copy({first, second});
  ASSERT_TRUE(run_until([&] { return told(new_content).complete && is_idle(); }));
  EXPECT_EQ(store_->find(InodeId(5))->info().shape, new_content.shape);
}

TEST_F(HolderTest, does_not_give_up_bytes_that_other_files_need_for_a_newer_content) {
  const MadeContent old_content = test::make_content(2 * kMiB, 51);
  const MadeContent new_content = test::make_content(2 * kMiB, 52);
  replicator_.copy({order(old_content, 5)});
  ASSERT_TRUE(run_until([&] { return told(old_content).complete && is_idle(); }));
  replicator_.copy({order(new_content, 5)});
  ASSERT_TRUE(run_until([&] { return told(new_content).order_failed; }));
  EXPECT_TRUE(store_->find_content(old_content.shape.content));
}

TEST_F(HolderTest, says_that_another_blob_still_has_the_bytes_that_one_gave_up) {
  const MadeContent old_content = test::make_content(2 * kMiB, 53);
  const MadeContent new_content = test::make_content(2 * kMiB, 54);
  test::put_content(*store_, InodeId(5), old_content);
  test::put_content(*store_, InodeId(6), old_content);
  tracker_.may_be_dropped.insert(old_content.shape.content);
  replicator_.copy({order(new_content, 5)});
  ASSERT_TRUE(run_until([&] { return told(new_content).complete; }));
  EXPECT_TRUE(store_->find_content(old_content.shape.content));
  EXPECT_TRUE(told(old_content).complete);
}

TEST_F(HolderTest, tells_of_contents_that_were_overwritten) {
  const MadeContent content = test::make_content(1000, 55);
  const auto blob = test::put_content(*store_, InodeId(5), content);
  ASSERT_TRUE(blob->begin_working());
  run_for(3 * kEvictInterval);
  EXPECT_FALSE(told(content).dropped) << "nothing has taken its place yet";
  ASSERT_TRUE(blob->write_at(0, as_bytes("other")));
  ASSERT_TRUE(blob->seal(false));
  EXPECT_TRUE(run_until([&] { return told(content).dropped; }));
}

TEST_F(HolderTest, says_nothing_of_an_overwritten_content_that_another_blob_has) {
  const MadeContent content = test::make_content(1000, 56);
  test::put_content(*store_, InodeId(5), content);
  test::put_content(*store_, InodeId(6), content);
  ASSERT_TRUE(store_->remove(InodeId(5)));
  run_for(3 * kEvictInterval);
  EXPECT_FALSE(told(content).dropped);
  ASSERT_TRUE(store_->remove(InodeId(6)));
  EXPECT_TRUE(run_until([&] { return told(content).dropped; }));
}

TEST_F(HolderTest, begins_bulk_copies_elsewhere_for_each_peer) {
  const MadeContent content = test::make_content(16 * kMiB, 7);
  replicator_.copy({order(content, 5)});
  ASSERT_TRUE(run_until([&] { return told(content).complete; }));
  ASSERT_FALSE(peers_.asked.empty());
  std::uint64_t head = 0;
  const PeerId self = test::peer_id("self");
  std::memcpy(&head, self.digest.bytes.data(), sizeof head);
  EXPECT_EQ(peers_.asked.front().first, head % 16 * 64);
}

TEST_F(HolderTest, tells_what_it_has_of_a_large_file_while_it_is_fetched) {
  const MadeContent content = test::make_content(48 * kMiB, 8);
  replicator_.copy({order(content, 5)});
  peers_.peer("a").delay = seconds(2);
  ASSERT_TRUE(run_until([&] { return told(content).complete; }));
  bool has_told_part = false;
  for (const auto& batch : tracker_.announced) {
    for (const wire::Announcement& one : batch) has_told_part |= !one.chunks.empty();
  }
  EXPECT_TRUE(has_told_part);
}

TEST_F(HolderTest, keeps_announcements_while_the_tracker_is_away) {
  const MadeContent content = test::make_content(1000, 9);
  tracker_.is_away = true;
  announcer_.complete(content.ref());
  run_for(seconds(90));
  EXPECT_TRUE(tracker_.announced.empty());
  tracker_.is_away = false;
  ASSERT_TRUE(run_until([&] { return told(content).complete; }));
}

TEST_F(HolderTest, tells_the_latest_word_only) {
  const MadeContent content = test::make_content(1000, 10);
  announcer_.complete(content.ref());
  announcer_.dropped(content.ref());
  ASSERT_TRUE(run_until([&] { return told(content).dropped; }));
  EXPECT_EQ(tracker_.announced.size(), 1u);
  EXPECT_EQ(tracker_.announced.front().size(), 1u);
}

TEST_F(HolderTest, announces_everything_in_pages_after_a_new_session) {
  const std::size_t count = 2 * kMaxAnnounceBatch + 10;
  for (std::size_t i = 0; i < count; ++i) {
    test::put_content(*store_, InodeId(10 + i), test::make_content(100 + i, 10'000 + i));
  }
  announcer_.announce_all();
  ASSERT_TRUE(run_until([&] { return tracker_.last_words().size() == count; }));
  EXPECT_EQ(tracker_.announced.size(), 3u);
}

TEST_F(HolderTest, announces_everything_though_the_tracker_fails_at_first) {
  const MadeContent content = test::make_content(1000, 11);
  test::put_content(*store_, InodeId(5), content);
  tracker_.is_away = true;
  announcer_.announce_all();
  run_for(seconds(40));
  tracker_.is_away = false;
  ASSERT_TRUE(run_until([&] { return told(content).complete; }));
}

TEST_F(HolderTest, drops_what_nothing_refers_to) {
  const MadeContent content = test::make_content(1000, 12);
  test::put_content(*store_, InodeId(5), content);
  test::put_content(*store_, InodeId(6), content);
  tracker_.unwanted.insert(content.shape.content);
  announcer_.announce_all();
  ASSERT_TRUE(run_until([&] { return !store_->find_content(content.shape.content); }));
}

TEST_F(HolderTest, keeps_what_may_not_have_been_published_yet) {
  auto working = store_->create_working(InodeId(5));
  ASSERT_TRUE(working);
  ASSERT_TRUE((*working)->write_at(0, as_bytes("not published")));
  auto sealed = (*working)->seal(false);
  ASSERT_TRUE(sealed);
  working->reset();
  const ContentId content = sealed->shape.content;
  tracker_.unwanted.insert(content);
  announcer_.announce_all();
  run_for(seconds(10));
  EXPECT_TRUE(store_->find_content(content));
  ASSERT_TRUE(store_->set_role(InodeId(5), cache::Role::replica));  // now it was
  EXPECT_TRUE(run_until([&] { return !store_->find_content(content); }));
}

TEST_F(HolderTest, lets_go_of_what_it_is_told_to_release) {
  const MadeContent content = test::make_content(1000, 13);
  const MadeContent newer = test::make_content(1000, 14);
  test::put_content(*store_, InodeId(5), content);
  test::put_content(*store_, InodeId(6), newer);
  replicator_.release({{InodeId(5), content.ref()}, {InodeId(6), content.ref()}});
  ASSERT_TRUE(run_until([&] { return !store_->find(InodeId(5)); }));
  EXPECT_TRUE(store_->find(InodeId(6))) << "it has moved on to another content";
}

TEST_F(HolderTest, does_not_release_a_blob_that_is_being_written) {
  const MadeContent content = test::make_content(1000, 15);
  ASSERT_TRUE(test::put_content(*store_, InodeId(5), content)->begin_working());
  replicator_.release({{InodeId(5), content.ref()}});
  run_for(seconds(1));
  ASSERT_TRUE(store_->find(InodeId(5)));
  EXPECT_EQ(store_->find(InodeId(5))->info().state, cache::BlobState::working);
}

TEST_F(HolderTest, makes_room_for_a_copy_out_of_what_is_only_cached) {
  const MadeContent cached = test::make_content(40 * kMiB, 16);
  test::put_content(*store_, InodeId(5), cached);
  const MadeContent wanted = test::make_content(40 * kMiB, 17);
  replicator_.copy({order(wanted, 6)});
  ASSERT_TRUE(run_until([&] { return told(wanted).complete; }));
  EXPECT_LE(store_->usage().bytes, kCeiling);
  EXPECT_TRUE(run_until([&] { return told(cached).dropped; }));
}

TEST_F(HolderTest, asks_before_it_drops_a_replica) {
  const MadeContent kept = test::make_content(24 * kMiB, 18);
  const MadeContent spare = test::make_content(24 * kMiB, 19);
  replicator_.copy({order(kept, 5), order(spare, 6)});
  ASSERT_TRUE(run_until([&] { return told(kept).complete && told(spare).complete && is_idle(); }));
  tracker_.may_be_dropped.insert(spare.shape.content);
  const MadeContent wanted = test::make_content(30 * kMiB, 20);
  replicator_.copy({order(wanted, 7)});
  ASSERT_TRUE(run_until([&] { return told(wanted).complete || told(wanted).order_failed; }));
  EXPECT_TRUE(told(wanted).complete);
  EXPECT_TRUE(store_->find_content(kept.shape.content));
  EXPECT_FALSE(store_->find_content(spare.shape.content));
}

TEST_F(HolderTest, fails_an_order_when_the_store_is_full_of_what_is_needed) {
  const MadeContent kept = test::make_content(50 * kMiB, 21);
  replicator_.copy({order(kept, 5)});
  ASSERT_TRUE(run_until([&] { return told(kept).complete && is_idle(); }));
  const MadeContent wanted = test::make_content(30 * kMiB, 22);
  replicator_.copy({order(wanted, 7)});
  ASSERT_TRUE(run_until([&] { return told(wanted).order_failed; }));
  EXPECT_TRUE(store_->find_content(kept.shape.content));
}

}  // namespace
}  // namespace shoal::peerd
