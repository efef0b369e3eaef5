// SPDX-License-Identifier: MIT
#include "peerd/fetcher.h"

#include <gtest/gtest.h>

#include <optional>

#include "base/metrics.h"
#include "peerd/limits.h"
#include "tests/peerd/fakes.h"
#include "tests/support/virtual_time.h"

namespace shoal::peerd {
namespace {

using cache::Urgency;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::FakePeer;
using test::MadeContent;
using Way = FakePeer::Way;

constexpr std::uint64_t kMiB = 1 << 20;

class FetcherTest : public testing::Test {
 protected:
  FetcherTest() {
    Fetcher::Hooks hooks;
    hooks.on_stored = [this](const std::shared_ptr<cache::Blob>&, cache::BlobState state) {
      last_state_ = state;
    };
    fetcher_ = std::make_unique<Fetcher>(
        Fetcher::Environment{loop_.get_executor(), time_, *pool_, *store_, tracker_, peers_,
                             members_, test::peer_id("self")},
        std::move(hooks));
  }
  ~FetcherTest() override { test::run_virtual_until_done(loop_, time_, fetcher_->stop()); }

  MadeContent offer(std::uint64_t size, std::uint64_t seed, std::vector<std::string> holders,
                    std::uint32_t chunk_bytes = base::kDefaultChunkBytes) {
    MadeContent content = test::make_content(size, seed, chunk_bytes);
    peers_.add(content);
    tracker_.add(content);
    for (const std::string& holder : holders) tracker_.hold(content, holder);
    return content;
  }

  std::shared_ptr<cache::Blob> blob_of(const MadeContent& content, std::uint64_t inode = 7) {
    auto blob = store_->obtain(InodeId(inode), content.shape, content.layer, cache::Role::cached);
    EXPECT_TRUE(blob);
    return *blob;
  }

  static cache::BlockRun all_of(const MadeContent& content) {
    return {0, base::block_count(content.bytes.size())};
  }

  /// A fetch in the background; its outcome appears in *place.
  using Place = std::shared_ptr<std::optional<Result<void>>>;
  Place begin(TaskGroup& group, std::shared_ptr<cache::Blob> blob, cache::BlockRun run,
              Duration budget = seconds(10), Urgency urgency = Urgency::reader) {
    auto place = std::make_shared<std::optional<Result<void>>>();
    spawn(group, fetch_into(std::move(blob), run, urgency, Deadline::after(time_, budget), place));
    return place;
  }
  Task<void> fetch_into(std::shared_ptr<cache::Blob> blob, cache::BlockRun run, Urgency urgency,
                        Deadline deadline, Place place) {
    auto outcome = co_await fetcher_->fetch(std::move(blob), run, urgency, deadline);
    place->emplace(std::move(outcome));
  }

  Result<void> fetch(std::shared_ptr<cache::Blob> blob, cache::BlockRun run,
                     Duration budget = seconds(10)) {
    TaskGroup group(loop_.get_executor());
    const Place place = begin(group, std::move(blob), run, budget);
    const bool has_ended = test::run_virtual(loop_, time_, [&] { return place->has_value(); });
    EXPECT_TRUE(has_ended);
    test::run_virtual_until_done(loop_, time_, group.stop());
    return **place;
  }

  Task<void> fetch_and_note(Fetcher& fetcher, std::shared_ptr<cache::Blob> blob,
                            cache::BlockRun run, Urgency urgency, std::optional<SteadyTime>& done) {
    const Deadline deadline = Deadline::after(time_, seconds(60));
    auto fetched = co_await fetcher.fetch(std::move(blob), run, urgency, deadline);
    EXPECT_TRUE(fetched);
    done = time_.steady();
  }

  Result<void> copy(std::shared_ptr<cache::Blob> blob, Duration budget = seconds(60)) {
    Result<void> outcome;
    test::run_virtual_until_done(
        loop_, time_,
        [](Fetcher& fetcher, std::shared_ptr<cache::Blob> target, Deadline deadline,
           Result<void>& place) -> Task<void> {
          auto copied = co_await fetcher.fetch_spread(std::move(target), deadline);
          place = std::move(copied);
        }(*fetcher_, std::move(blob), Deadline::after(time_, budget), outcome));
    return outcome;
  }

  base::Loop loop_;
  test::VirtualTime time_;
  std::unique_ptr<Pool> pool_ = base::make_inline_pool();
  std::unique_ptr<cache::BlobStore> store_ = cache::make_memory_store(std::uint64_t{1} << 30);
  Members members_;
  test::FakePeers peers_{time_};
  test::FakeTracker tracker_{time_};
  std::optional<cache::BlobState> last_state_;
  std::unique_ptr<Fetcher> fetcher_;
};

TEST_F(FetcherTest, fetches_a_small_file_with_one_request) {
  const MadeContent content = offer(5000, 1, {"a"});
  const auto blob = blob_of(content);
  ASSERT_TRUE(fetch(blob, all_of(content)));
  EXPECT_EQ(test::read_all(*blob, 5000), content.bytes);
  EXPECT_EQ(peers_.peer("a").requests, 1u);
  EXPECT_EQ(last_state_, cache::BlobState::sealed);
}

TEST_F(FetcherTest, fetches_every_size_of_file) {
  std::uint64_t seed = 10;
  for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{16383}, std::uint64_t{16384},
                                   std::uint64_t{16385}, kMiB - 1, kMiB, kMiB + 1, 5 * kMiB + 3}) {
    for (const std::uint32_t chunk_bytes : {16u << 10, 64u << 10, 1u << 20, 4u << 20}) {
      const MadeContent content = offer(size, ++seed, {"a", "b"}, chunk_bytes);
      const auto blob = blob_of(content, seed);
      const auto fetched = fetch(blob, all_of(content));
      ASSERT_TRUE(fetched) << size << " " << chunk_bytes << " " << fetched.error().message();
      EXPECT_EQ(test::read_all(*blob, size), content.bytes) << size << " " << chunk_bytes;
    }
  }
}

TEST_F(FetcherTest, asks_for_single_blocks_when_only_they_are_wanted) {
  const MadeContent content = offer(4 * kMiB, 2, {"a"});
  const auto blob = blob_of(content);
  ASSERT_TRUE(fetch(blob, {70, 1}));
  ASSERT_EQ(peers_.asked.size(), 1u);
  EXPECT_EQ(peers_.asked.front(), (cache::BlockRun{70, 1}));
  EXPECT_EQ(blob->info().blocks_present, 1u);
}

TEST_F(FetcherTest, does_not_ask_for_what_is_here) {
  const MadeContent content = offer(kMiB, 3, {"a"});
  const auto blob = blob_of(content);
  ASSERT_TRUE(fetch(blob, {10, 20}));
  ASSERT_TRUE(fetch(blob, all_of(content)));
  EXPECT_EQ(peers_.peer("a").bytes_sent, kMiB);
  ASSERT_TRUE(fetch(blob, all_of(content)));
  EXPECT_EQ(peers_.peer("a").bytes_sent, kMiB);
}

TEST_F(FetcherTest, uses_several_holders_at_once) {
  const MadeContent content = offer(32 * kMiB, 4, {"a", "b", "c"});
  for (const char* name : {"a", "b", "c"}) peers_.peer(name).delay = milliseconds(50);
  const SteadyTime start = time_.steady();
  ASSERT_TRUE(fetch(blob_of(content), all_of(content)));
  for (const char* name : {"a", "b", "c"}) EXPECT_GT(peers_.peer(name).bytes_sent, 6 * kMiB);
  EXPECT_LT(time_.steady() - start, milliseconds(300));
}

TEST_F(FetcherTest, keeps_bytes_under_way_below_the_limit) {
  const MadeContent content = offer(200 * kMiB, 5, {"a", "b", "c", "d"});
  for (const char* name : {"a", "b", "c", "d"}) peers_.peer(name).delay = milliseconds(20);
  std::uint64_t most = 0;
  peers_.peer("a").before_answer = [&](FakePeer&) {
    most = std::max(most, fetcher_->bytes_under_way());
  };
  TaskGroup group(loop_.get_executor());
  std::vector<Place> places;
  const auto blob = blob_of(content);
  for (std::uint64_t part = 0; part < 4; ++part) {
    places.push_back(begin(group, blob, {part * 3200, 3200}, seconds(60), Urgency::replica));
  }
  const auto all_done = [&] {
    return std::ranges::all_of(places, [](const Place& place) { return place->has_value(); });
  };
  ASSERT_TRUE(test::run_virtual(loop_, time_, all_done));
  for (const Place& place : places) EXPECT_TRUE(**place);
  EXPECT_LE(most, kMaxReplicaBytes);
  EXPECT_GT(most, kMaxReplicaBytes / 2);
  EXPECT_EQ(fetcher_->bytes_under_way(), 0u);
  test::run_virtual_until_done(loop_, time_, group.stop());
}

TEST_F(FetcherTest, joins_callers_who_want_the_same_blocks) {
  const MadeContent content = offer(4 * kMiB, 6, {"a"});
  const auto blob = blob_of(content);
  TaskGroup group(loop_.get_executor());
  const Place first = begin(group, blob, all_of(content), seconds(10), Urgency::replica);
  const Place second = begin(group, blob, {30, 100});
  const Place third = begin(group, blob, all_of(content));
  ASSERT_TRUE(test::run_virtual(loop_, time_, [&] {
    return first->has_value() && second->has_value() && third->has_value();
  }));
  EXPECT_TRUE(**first && **second && **third);
  EXPECT_EQ(peers_.peer("a").bytes_sent, 4 * kMiB);
  EXPECT_EQ(test::read_all(*blob, 4 * kMiB), content.bytes);
  test::run_virtual_until_done(loop_, time_, group.stop());
}

TEST_F(FetcherTest, goes_on_for_the_others_when_one_caller_gives_up) {
  const MadeContent content = offer(kMiB, 7, {"a"});
  peers_.peer("a").delay = seconds(1);
  const auto blob = blob_of(content);
  TaskGroup giving_up(loop_.get_executor());
  TaskGroup staying(loop_.get_executor());
  const Place first = begin(giving_up, blob, all_of(content));
  const Place second = begin(staying, blob, all_of(content));
  test::run_ready(loop_);
  test::run_virtual_until_done(loop_, time_, giving_up.stop());
  ASSERT_TRUE(first->has_value());
  EXPECT_EQ((*first)->error().code(), Errc::canceled);
  ASSERT_TRUE(test::run_virtual(loop_, time_, [&] { return second->has_value(); }));
  EXPECT_TRUE(**second);
  EXPECT_EQ(peers_.peer("a").requests, 1u);
  test::run_virtual_until_done(loop_, time_, staying.stop());
}

TEST_F(FetcherTest, stops_asking_when_nobody_waits_any_more) {
  const MadeContent content = offer(kMiB, 8, {"a"});
  peers_.peer("a").way = Way::gone;
  TaskGroup group(loop_.get_executor());
  const Place place = begin(group, blob_of(content), all_of(content));
  test::run_virtual(loop_, time_, [&] { return peers_.peer("a").requests > 2; });
  test::run_virtual_until_done(loop_, time_, group.stop());
  test::run_virtual(loop_, time_, [&] { return fetcher_->flight_count() == 0; }, seconds(10));
  EXPECT_EQ(fetcher_->flight_count(), 0u);
  EXPECT_EQ(fetcher_->bytes_under_way(), 0u);
}

struct Fault {
  const char* name;
  Way way;
  bool is_lie;
};

TEST_F(FetcherTest, goes_to_another_holder_when_one_fails) {
  std::uint64_t seed = 100;
  for (const Fault& fault :
       {Fault{"lies", Way::lies, true}, Fault{"leaves", Way::lies_leaves, true},
        Fault{"short", Way::short_answer, true}, Fault{"stalls", Way::stalls, false},
        Fault{"denies", Way::denies, false}, Fault{"busy", Way::busy, false},
        Fault{"gone", Way::gone, false}}) {
    const std::string bad = std::string("bad ") + fault.name;
    const MadeContent content = offer(8 * kMiB, ++seed, {"good", bad});
    peers_.peer(bad).way = fault.way;
    const auto blob = blob_of(content, seed);
    const auto fetched = fetch(blob, all_of(content));
    ASSERT_TRUE(fetched) << fault.name << ": " << fetched.error().message();
    EXPECT_EQ(test::read_all(*blob, 8 * kMiB), content.bytes) << fault.name;
    EXPECT_GT(peers_.peer(bad).requests, 0u) << fault.name << " was never asked";
    EXPECT_EQ(peers_.peer(bad).hang_ups > 0, fault.is_lie) << fault.name;
  }
}

TEST_F(FetcherTest, counts_a_lie_and_does_not_ask_the_liar_again) {
  base::Counter& lies = base::counter("shoal_chunk_verify_failures_total");
  const std::uint64_t before = lies.value();
  const MadeContent first = offer(100, 9, {"liar"});
  peers_.peer("liar").way = Way::lies;
  const auto alone = fetch(blob_of(first, 1), all_of(first), seconds(5));
  ASSERT_FALSE(alone);
  EXPECT_EQ(alone.error().code(), Errc::unreachable);
  EXPECT_EQ(lies.value(), before + 1);
  const MadeContent second = offer(100, 10, {"liar", "good"});
  ASSERT_TRUE(fetch(blob_of(second, 2), all_of(second)));
  EXPECT_EQ(peers_.peer("liar").requests, 1u);
}

TEST_F(FetcherTest, stores_nothing_of_a_bad_answer) {
  const MadeContent content = offer(kMiB, 11, {"liar"});
  peers_.peer("liar").way = Way::lies;
  const auto blob = blob_of(content);
  ASSERT_FALSE(fetch(blob, all_of(content), seconds(3)));
  EXPECT_EQ(blob->info().blocks_present, 0u);
}

TEST_F(FetcherTest, says_unreachable_within_its_budget_when_nobody_holds_a_block) {
  const MadeContent content = offer(kMiB, 12, {});
  const SteadyTime start = time_.steady();
  const auto fetched = fetch(blob_of(content), all_of(content), seconds(10));
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), Errc::unreachable);
  EXPECT_LE(time_.steady() - start, milliseconds(10'100));
  EXPECT_GE(time_.steady() - start, seconds(9));
}

TEST_F(FetcherTest, says_unreachable_within_its_budget_when_all_holders_fail) {
  const MadeContent content = offer(kMiB, 13, {"gone", "stalled", "empty"});
  peers_.peer("gone").way = Way::gone;
  peers_.peer("stalled").way = Way::stalls;
  peers_.peer("empty").way = Way::denies;
  const SteadyTime start = time_.steady();
  const auto fetched = fetch(blob_of(content), all_of(content), seconds(10));
  ASSERT_FALSE(fetched);
  EXPECT_TRUE(fetched.error().code() == Errc::unreachable ||
              fetched.error().code() == Errc::timed_out);
  EXPECT_LE(time_.steady() - start, milliseconds(10'100));
  EXPECT_LT(peers_.peer("gone").requests, 100u) << "it was hammered";
}

TEST_F(FetcherTest, finds_a_holder_that_comes_back_before_the_deadline) {
  const MadeContent content = offer(kMiB, 14, {"a"});
  peers_.peer("a").way = Way::gone;
  const auto blob = blob_of(content);
  TaskGroup group(loop_.get_executor());
  const Place place = begin(group, blob, all_of(content));
  const SteadyTime back_at = time_.steady() + seconds(4);
  test::run_virtual(loop_, time_, [&] { return time_.steady() >= back_at; });
  peers_.peer("a").way = Way::honest;
  ASSERT_TRUE(test::run_virtual(loop_, time_, [&] { return place->has_value(); }));
  EXPECT_TRUE(**place);
  EXPECT_LT(time_.steady() - back_at, seconds(4));
  test::run_virtual_until_done(loop_, time_, group.stop());
}

TEST_F(FetcherTest, learns_of_a_holder_that_appears_while_it_waits) {
  const MadeContent content = offer(kMiB, 15, {});
  const auto blob = blob_of(content);
  TaskGroup group(loop_.get_executor());
  const Place place = begin(group, blob, all_of(content));
  const SteadyTime there_at = time_.steady() + seconds(3);
  test::run_virtual(loop_, time_, [&] { return time_.steady() >= there_at; });
  EXPECT_FALSE(place->has_value());
  tracker_.hold(content, "late");
  ASSERT_TRUE(test::run_virtual(loop_, time_, [&] { return place->has_value(); }));
  EXPECT_TRUE(**place);
  test::run_virtual_until_done(loop_, time_, group.stop());
}

TEST_F(FetcherTest, says_stale_when_the_tracker_no_longer_knows_the_content) {
  const MadeContent content = offer(kMiB, 16, {"a"});
  peers_.peer("a").before_answer = [&](FakePeer& peer) {
    peer.way = Way::denies;
    tracker_.contents.erase(content.shape.content);
  };
  const auto fetched = fetch(blob_of(content), all_of(content));
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), Errc::stale);
}

TEST_F(FetcherTest, says_stale_when_the_blob_has_turned_to_another_content) {
  const MadeContent old_content = offer(3 * kMiB, 17, {"a"});
  const MadeContent new_content = offer(3 * kMiB, 18, {"a"});
  const auto blob = blob_of(old_content);
  bool has_turned = false;
  peers_.peer("a").before_answer = [&](FakePeer&) {
    if (!std::exchange(has_turned, true)) {
      ASSERT_TRUE(blob->follow(new_content.shape, new_content.layer));
    }
  };
  const auto fetched = fetch(blob, all_of(old_content));
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), Errc::stale);
  ASSERT_TRUE(fetch(blob, all_of(new_content)));
  EXPECT_EQ(test::read_all(*blob, 3 * kMiB), new_content.bytes);
}

TEST_F(FetcherTest, asks_partial_holders_for_what_they_have) {
  const MadeContent content = offer(4 * kMiB, 19, {});
  // Chunks 0 and 1 here, 2 and 3 there.
  peers_.peer("head").chunks = {std::byte{0xc0}};
  peers_.peer("tail").chunks = {std::byte{0x30}};
  tracker_.hold(content, "head", true, {std::byte{0xc0}});
  tracker_.hold(content, "tail", true, {std::byte{0x30}});
  const auto blob = blob_of(content);
  ASSERT_TRUE(fetch(blob, all_of(content)));
  EXPECT_EQ(test::read_all(*blob, 4 * kMiB), content.bytes);
  EXPECT_EQ(peers_.peer("head").bytes_sent, 2 * kMiB);
  EXPECT_EQ(peers_.peer("tail").bytes_sent, 2 * kMiB);
}

TEST_F(FetcherTest, asks_a_partial_holder_itself_what_it_has_by_now) {
  const MadeContent content = offer(4 * kMiB, 20, {});
  peers_.peer("growing").chunks = {std::byte{0xf0}};
  tracker_.hold(content, "growing", true, {std::byte{0x80}});
  ASSERT_TRUE(fetch(blob_of(content), all_of(content)));
  EXPECT_GT(peers_.peer("growing").map_requests, 0u);
}

TEST_F(FetcherTest, copies_from_a_local_blob_with_the_same_content) {
  const MadeContent content = test::make_content(3 * kMiB + 5, 21);
  tracker_.add(content);
  test::put_content(*store_, InodeId(1), content);
  const auto blob = blob_of(content, 2);
  ASSERT_TRUE(fetch(blob, all_of(content), seconds(1)));
  EXPECT_EQ(test::read_all(*blob, content.bytes.size()), content.bytes);
  EXPECT_TRUE(peers_.asked.empty());
  EXPECT_EQ(tracker_.locate_calls, 0u);
}

TEST_F(FetcherTest, tells_nobody_of_a_blob_that_is_not_the_stores) {
  const MadeContent content = offer(3 * kMiB + 5, 21, {"a"});
  ASSERT_TRUE(fetch(blob_of(content), {0, 64}));
  ASSERT_EQ(last_state_, cache::BlobState::partial);
  last_state_.reset();
  const auto aside = cache::make_memory_store(16 * kMiB);
  const auto blob = aside->obtain(InodeId(1), content.shape, {}, cache::Role::cached).value();
  ASSERT_TRUE(fetch(blob, all_of(content)));
  EXPECT_EQ(test::read_all(*blob, content.bytes.size()), content.bytes);
  EXPECT_EQ(last_state_, std::nullopt);
  EXPECT_EQ(peers_.peer("a").bytes_sent, content.bytes.size()) << "the first chunk was here";
}

TEST_F(FetcherTest, does_not_fetch_chunks_of_zeroes) {
  const MadeContent content = test::make_content(16 * kMiB, 22, base::kDefaultChunkBytes, 2 * kMiB);
  peers_.add(content);
  tracker_.hold(content, "a");
  const auto blob = blob_of(content);
  ASSERT_TRUE(fetch(blob, all_of(content)));
  EXPECT_EQ(test::read_all(*blob, 16 * kMiB), content.bytes);
  EXPECT_EQ(peers_.peer("a").bytes_sent, 2 * kMiB);
  EXPECT_EQ(blob->info().state, cache::BlobState::sealed);
}

TEST_F(FetcherTest, never_asks_itself) {
  const MadeContent content = offer(100, 23, {"self", "a"});
  ASSERT_TRUE(fetch(blob_of(content), all_of(content)));
  EXPECT_EQ(peers_.peer("self").requests, 0u);
}

TEST_F(FetcherTest, asks_the_tracker_for_many_contents_at_once) {
  TaskGroup group(loop_.get_executor());
  std::vector<Place> places;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const MadeContent content = offer(100 + i, 1000 + i, {"a"});
    places.push_back(begin(group, blob_of(content, 100 + i), all_of(content)));
  }
  ASSERT_TRUE(test::run_virtual(loop_, time_, [&] {
    return std::ranges::all_of(places, [](const Place& place) { return place->has_value(); });
  }));
  for (const Place& place : places) EXPECT_TRUE(**place);
  EXPECT_LT(tracker_.locate_calls, 10u);
  test::run_virtual_until_done(loop_, time_, group.stop());
}

TEST_F(FetcherTest, asks_again_for_contents_behind_long_layers) {
  tracker_.locate_layers_max = 8192;
  TaskGroup group(loop_.get_executor());
  std::vector<Place> places;
  for (std::uint64_t i = 0; i < 4; ++i) {
    const MadeContent content = offer(100, 2000 + i, {"a"});
    const auto blob = blob_of(content, 200 + i);
    // A layer as long as that of a large file, which nobody looks at.
    tracker_.contents.at(content.shape.content).layer.resize(8192);
    places.push_back(begin(group, blob, all_of(content)));
  }
  ASSERT_TRUE(test::run_virtual(loop_, time_, [&] {
    return std::ranges::all_of(places, [](const Place& place) { return place->has_value(); });
  }));
  for (const Place& place : places) EXPECT_TRUE(**place);
  test::run_virtual_until_done(loop_, time_, group.stop());
}

TEST_F(FetcherTest, needs_no_tracker_when_it_knows_the_holders) {
  const MadeContent content = offer(4 * kMiB, 24, {"a"});
  bool has_learned = false;
  TaskGroup group(loop_.get_executor());
  spawn(group, [](Fetcher& fetcher, wire::Located located, bool& done) -> Task<void> {
    auto learned = co_await fetcher.learn(std::move(located));
    EXPECT_TRUE(learned);
    done = true;
  }(*fetcher_, tracker_.contents.at(content.shape.content), has_learned));
  ASSERT_TRUE(test::run_virtual(loop_, time_, [&] { return has_learned; }));
  test::run_virtual_until_done(loop_, time_, group.stop());
  tracker_.is_away = true;
  ASSERT_TRUE(fetch(blob_of(content), all_of(content)));
}

TEST_F(FetcherTest, gives_the_layer_of_a_large_content) {
  const MadeContent content = offer(5 * kMiB, 25, {"a"});
  std::optional<Result<std::vector<Digest>>> layer;
  test::run_virtual_until_done(
      loop_, time_,
      [](Fetcher& fetcher, cache::Shape shape, Deadline deadline,
         std::optional<Result<std::vector<Digest>>>& place) -> Task<void> {
        auto got = co_await fetcher.layer(shape, deadline);
        place.emplace(std::move(got));
      }(*fetcher_, content.shape, Deadline::after(time_, seconds(10)), layer));
  ASSERT_TRUE(layer && *layer);
  EXPECT_EQ(**layer, content.layer);
}

TEST_F(FetcherTest, refuses_a_layer_that_does_not_lead_to_the_root) {
  const MadeContent content = offer(5 * kMiB, 26, {"a"});
  std::swap(tracker_.contents.at(content.shape.content).layer[0],
            tracker_.contents.at(content.shape.content).layer[1]);
  std::optional<Result<std::vector<Digest>>> layer;
  test::run_virtual_until_done(
      loop_, time_,
      [](Fetcher& fetcher, cache::Shape shape, Deadline deadline,
         std::optional<Result<std::vector<Digest>>>& place) -> Task<void> {
        auto got = co_await fetcher.layer(shape, deadline);
        place.emplace(std::move(got));
      }(*fetcher_, content.shape, Deadline::after(time_, seconds(2)), layer));
  ASSERT_TRUE(layer && !*layer);
  EXPECT_EQ(layer->error().code(), Errc::corrupt);
}

TEST_F(FetcherTest, asks_a_second_holder_when_the_first_is_late) {
  base::Counter& hedged = base::counter("shoal_chunk_requests_hedged_total");
  const MadeContent content = offer(64 * kMiB, 40, {"a", "b"});
  const auto blob = blob_of(content);
  ASSERT_TRUE(fetch(blob, {0, 1024}));  // both are measured
  const std::uint64_t before = hedged.value();
  peers_.peer("a").delay = seconds(1);
  const SteadyTime start = time_.steady();
  // Single blocks, one after another, as a program reads here and there.
  for (std::uint64_t block = 1024; block < 1024 + 40 * 64; block += 64) {
    ASSERT_TRUE(fetch(blob, {block, 1}));
  }
  EXPECT_LT(time_.steady() - start, milliseconds(1500)) << "more than one read waited for it";
  EXPECT_GT(hedged.value(), before);
}

TEST_F(FetcherTest, asks_for_no_more_than_its_budget_twice) {
  base::Counter& hedged = base::counter("shoal_chunk_requests_hedged_total");
  const std::uint64_t before = hedged.value();
  const MadeContent content = offer(256 * kMiB, 41, {"a", "b"});
  // Each answer of either is late by chance, so that there is always a reason.
  std::uint64_t number = 0;
  for (const char* name : {"a", "b"}) {
    peers_.peer(name).before_answer = [&](FakePeer& peer) {
      peer.delay = ++number % 5 == 0 ? milliseconds(400) : milliseconds(5);
    };
  }
  ASSERT_TRUE(fetch(blob_of(content), all_of(content), seconds(100)));
  EXPECT_LE(peers_.peer("a").bytes_sent + peers_.peer("b").bytes_sent,
            content.bytes.size() + content.bytes.size() / 20 + kMaxHedgeBytes);
  EXPECT_LE(hedged.value() - before, 256 / 20 + kMaxHedgeBytes / kMiB);
}

TEST_F(FetcherTest, takes_the_requests_of_a_holder_that_fell_silent) {
  for (const Urgency urgency : {Urgency::reader, Urgency::readahead}) {
    const auto tag = std::to_string(static_cast<int>(urgency));
    const MadeContent content = offer(256 * kMiB, 420 + static_cast<std::uint64_t>(urgency),
                                      {"a" + tag, "b" + tag, "c" + tag, "d" + tag});
    for (const char* name : {"a", "b", "c", "d"}) peers_.peer(name + tag).delay = milliseconds(20);
    FakePeer& silent = peers_.peer("d" + tag);
    std::size_t answers = 0;
    silent.before_answer = [&answers](FakePeer& peer) {
      if (++answers == 10) peer.way = Way::stalls;
    };
    const auto blob = blob_of(content, 700 + static_cast<std::uint64_t>(urgency));
    TaskGroup group(loop_.get_executor());
    const SteadyTime start = time_.steady();
    const Place place = begin(group, blob, all_of(content), seconds(60), urgency);
    ASSERT_TRUE(test::run_virtual(loop_, time_, [&] { return place->has_value(); }));
    ASSERT_TRUE(**place);
    // The time-out of a request alone would be six seconds.
    EXPECT_LT(time_.steady() - start, milliseconds(1200)) << tag;
    EXPECT_EQ(test::read_all(*blob, content.bytes.size()), content.bytes);
    test::run_virtual_until_done(loop_, time_, group.stop());
  }
}

TEST_F(FetcherTest, asks_nobody_twice_when_there_is_one_holder) {
  const MadeContent content = offer(4 * kMiB, 44, {"a"});
  peers_.peer("a").delay = seconds(1);
  ASSERT_TRUE(fetch(blob_of(content), all_of(content)));
  EXPECT_EQ(peers_.peer("a").requests, 4u);
}

TEST_F(FetcherTest, names_a_liar_and_goes_on_at_once) {
  const MadeContent content = offer(64 * kMiB, 45, {"good", "bad"});
  peers_.peer("bad").way = Way::lies;
  const SteadyTime start = time_.steady();
  ASSERT_TRUE(fetch(blob_of(content), all_of(content)));
  EXPECT_LT(time_.steady() - start, milliseconds(500));
  EXPECT_GT(peers_.peer("bad").hang_ups, 0u);
}

TEST_F(FetcherTest, receives_no_faster_than_it_may_and_what_is_urgent_first) {
  Fetcher limited(Fetcher::Environment{loop_.get_executor(), time_, *pool_, *store_, tracker_,
                                       peers_, members_, test::peer_id("self"), 10 * kMiB},
                  {});
  const MadeContent content = offer(64 * kMiB, 46, {"a"});
  const auto blob = blob_of(content);
  std::optional<SteadyTime> copied, read;
  TaskGroup group(loop_.get_executor());
  const SteadyTime start = time_.steady();
  spawn(group, fetch_and_note(limited, blob, {0, 30 * 64}, Urgency::replica, copied));
  const SteadyTime later = start + milliseconds(500);
  test::run_virtual(loop_, time_, [&] { return time_.steady() >= later; });
  spawn(group, fetch_and_note(limited, blob, {50 * 64, 1}, Urgency::reader, read));
  ASSERT_TRUE(test::run_virtual(loop_, time_, [&] { return copied && read; }));
  EXPECT_GT(*copied - start, milliseconds(2500));
  EXPECT_LT(*copied - start, milliseconds(3500));
  EXPECT_LT(*read - later, milliseconds(400)) << "it queued behind a copy";
  test::run_virtual_until_done(loop_, time_, group.stop());
  test::run_virtual_until_done(loop_, time_, limited.stop());
}

TEST_F(FetcherTest, copies_whole_contents_of_every_size) {
  std::uint64_t seed = 3000;
  for (const std::uint64_t size : {std::uint64_t{1}, kMiB, 3 * kMiB + 1, 40 * kMiB + 12345}) {
    const MadeContent content = offer(size, ++seed, {"a", "b"});
    const auto blob = blob_of(content, seed);
    EXPECT_TRUE(copy(blob));
    EXPECT_EQ(test::read_all(*blob, size), content.bytes) << size;
    EXPECT_EQ(blob->info().state, cache::BlobState::sealed);
  }
}

TEST_F(FetcherTest, copies_from_partial_holders_what_they_have) {
  const MadeContent content = offer(64 * kMiB, 47, {"source"});
  Bytes half(8);
  std::fill(half.begin(), half.begin() + 4, std::byte{0xff});
  peers_.peer("partial").chunks = half;
  tracker_.hold(content, "partial", true, half);
  ASSERT_TRUE(copy(blob_of(content)));
  // But for what was asked for before it was known.
  EXPECT_GE(peers_.peer("partial").bytes_sent, 32 * kMiB - kFirstSpreadChunks * kMiB);
  EXPECT_LE(peers_.peer("source").bytes_sent, 36 * kMiB);
}

TEST_F(FetcherTest, copies_what_a_member_of_the_crowd_never_gets) {
  const MadeContent content = offer(64 * kMiB, 48, {"source"});
  Bytes one(8);
  one[0] = std::byte{0x80};
  peers_.peer("idle").chunks = one;
  tracker_.hold(content, "idle", true, one);
  const SteadyTime start = time_.steady();
  ASSERT_TRUE(copy(blob_of(content)));
  EXPECT_LT(time_.steady() - start, seconds(10));
}

TEST_F(FetcherTest, gives_up_a_copy_that_nobody_can_serve) {
  const MadeContent content = offer(16 * kMiB, 49, {"gone"});
  peers_.peer("gone").way = Way::gone;
  const SteadyTime start = time_.steady();
  EXPECT_FALSE(copy(blob_of(content), seconds(5)));
  EXPECT_LE(time_.steady() - start, seconds(6));
}

}  // namespace
}  // namespace shoal::peerd
