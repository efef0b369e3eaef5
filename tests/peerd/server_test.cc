// SPDX-License-Identifier: MIT
#include "peerd/server.h"

#include <gtest/gtest.h>

#include <deque>
#include <optional>

#include "peerd/limits.h"
#include "tests/peerd/fakes.h"
#include "tests/support/virtual_time.h"

namespace shoal::peerd {
namespace {

using test::MadeContent;

constexpr std::uint64_t kMiB = 1 << 20;

/// Keeps work back until it is told to do it.
class HeldPool final : public Pool {
 public:
  bool is_held = false;
  void let_go() {
    is_held = false;
    for (auto& work : std::exchange(held_, {})) work();
  }

 protected:
  void post(std::move_only_function<void()> work) override {
    if (is_held) {
      held_.push_back(std::move(work));
    } else {
      work();
    }
  }

 private:
  std::deque<std::move_only_function<void()>> held_;
};

class ServerTest : public testing::Test {
 protected:
  using Reply = Result<wire::WithPayload<wire::ReadBlocksReply>>;
  using Place = std::shared_ptr<std::optional<Reply>>;

  ServerTest() {
    wire::Member member;
    member.peer = test::peer_id("member");
    members_.replace({member});
  }
  ~ServerTest() override { test::run_virtual_until_done(loop_, time_, group_.stop()); }

  Place begin(const std::string& peer, const wire::ReadBlocks& request) {
    auto place = std::make_shared<std::optional<Reply>>();
    spawn(group_, ask(server_, test::peer_id(peer), request, place));
    return place;
  }
  static Task<void> ask(Server& server, PeerId peer, wire::ReadBlocks request, Place place) {
    auto reply = co_await server.read_blocks(peer, request);
    place->emplace(std::move(reply));
  }
  Reply read(const std::string& peer, const wire::ReadBlocks& request) {
    const Place place = begin(peer, request);
    EXPECT_TRUE(test::run_virtual(loop_, time_, [&] { return place->has_value(); }));
    return **place;
  }
  void welcome(const std::vector<std::string>& names) {
    std::vector<wire::Member> members(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) members[i].peer = test::peer_id(names[i]);
    members_.replace(std::move(members));
  }
  static std::size_t answered(const std::vector<Place>& places) {
    return static_cast<std::size_t>(
        std::ranges::count_if(places, [](const Place& place) { return place->has_value(); }));
  }
  static wire::ReadBlocks request(const MadeContent& content, std::uint64_t chunk,
                                  std::uint32_t first, std::uint32_t count, bool leaves = false) {
    return {content.ref(), chunk, first, count, leaves};
  }

  base::Loop loop_;
  test::VirtualTime time_;
  HeldPool pool_;
  std::unique_ptr<cache::BlobStore> store_ = cache::make_memory_store(256 * kMiB);
  Members members_;
  Server server_{loop_.get_executor(), time_, pool_, *store_, members_, 0};
  TaskGroup group_{loop_.get_executor()};
};

TEST_F(ServerTest, sends_blocks_of_a_chunk_with_the_leaves_of_the_whole) {
  const MadeContent content = test::make_content(3 * kMiB + 100, 1);
  test::put_content(*store_, InodeId(5), content);
  const Reply reply = read("member", request(content, 1, 2, 3, true));
  ASSERT_TRUE(reply) << reply.error().message();
  const auto begin = content.bytes.begin() + kMiB + 2 * kBlockBytes;
  EXPECT_EQ(reply->payload, Bytes(begin, begin + 3 * kBlockBytes));
  EXPECT_EQ(reply->message.leaves,
            std::vector<Digest>(content.leaves.begin() + 64, content.leaves.begin() + 128));
  const Reply last = read("member", request(content, 3, 0, 1));
  ASSERT_TRUE(last);
  EXPECT_EQ(last->payload.size(), 100u);
  EXPECT_TRUE(last->message.leaves.empty());
}

TEST_F(ServerTest, answers_members_only) {
  const MadeContent content = test::make_content(100, 2);
  test::put_content(*store_, InodeId(5), content);
  const Reply reply = read("stranger", request(content, 0, 0, 1));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code(), Errc::unauthenticated);
}

TEST_F(ServerTest, refuses_numbers_that_lie_outside_of_the_content) {
  const MadeContent content = test::make_content(3 * kMiB + 100, 3);
  test::put_content(*store_, InodeId(5), content);
  for (const wire::ReadBlocks& bad :
       {request(content, 4, 0, 1), request(content, ~std::uint64_t{0}, 0, 1),
        request(content, 0, 64, 1), request(content, 0, 0, 65), request(content, 0, 0, 0),
        request(content, 3, 0, 2), request(content, 0, ~0u, ~0u)}) {
    const Reply reply = read("member", bad);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code(), Errc::invalid);
  }
}

TEST_F(ServerTest, says_not_found_for_what_is_not_here) {
  const MadeContent absent = test::make_content(100, 4);
  EXPECT_EQ(read("member", request(absent, 0, 0, 1)).error().code(), Errc::not_found);
  const MadeContent partial = test::make_content(3 * kMiB, 5);
  ASSERT_TRUE(store_->obtain(InodeId(6), partial.shape, partial.layer, cache::Role::cached));
  EXPECT_EQ(read("member", request(partial, 0, 0, 1)).error().code(), Errc::not_found);
}

TEST_F(ServerTest, tells_of_a_content_of_which_nothing_is_here) {
  std::vector<wire::ContentRef> absent;
  server_.on_absent = [&absent](const wire::ContentRef& content) { absent.push_back(content); };
  const MadeContent gone = test::make_content(100, 14);
  EXPECT_FALSE(read("member", request(gone, 0, 0, 1)));
  const MadeContent partial = test::make_content(3 * kMiB, 15);
  ASSERT_TRUE(store_->obtain(InodeId(6), partial.shape, partial.layer, cache::Role::cached));
  EXPECT_FALSE(read("member", request(partial, 0, 0, 1)));
  EXPECT_EQ(absent, std::vector<wire::ContentRef>{gone.ref()});
}

TEST_F(ServerTest, refuses_more_requests_of_one_peer_than_its_limit) {
  const MadeContent content = test::make_content(100, 6);
  test::put_content(*store_, InodeId(5), content);
  pool_.is_held = true;
  std::vector<Place> places;
  for (std::size_t i = 0; i < kMaxServedRequests + 5; ++i) {
    places.push_back(begin("member", request(content, 0, 0, 1)));
  }
  test::run_ready(loop_);
  std::size_t refused = 0;
  for (const Place& place : places) {
    if (place->has_value() && !**place) {
      EXPECT_EQ((*place)->error().code(), Errc::busy);
      ++refused;
    }
  }
  EXPECT_EQ(refused, 5u);
  pool_.let_go();
  test::run_ready(loop_);
  EXPECT_TRUE(std::ranges::all_of(places, [](const Place& place) { return place->has_value(); }));
  EXPECT_TRUE(read("member", request(content, 0, 0, 1)));
}

TEST_F(ServerTest, reads_no_more_into_memory_than_its_limit) {
  const MadeContent content = test::make_content(8 * kMiB, 7);
  test::put_content(*store_, InodeId(5), content);
  std::vector<std::string> names;
  for (int i = 0; i < 8; ++i) names.push_back("member " + std::to_string(i));
  welcome(names);
  pool_.is_held = true;
  std::vector<Place> places;
  for (std::size_t i = 0; i < 160; ++i) {
    places.push_back(begin(names[i % names.size()], request(content, i % 8, 0, 64)));
  }
  test::run_ready(loop_);
  pool_.let_go();
  pool_.is_held = true;  // those who waited for memory come only now
  test::run_ready(loop_);
  EXPECT_EQ(answered(places), kMaxUploadBytes / kMiB);
  pool_.let_go();
  EXPECT_TRUE(test::run_virtual(loop_, time_, [&] { return answered(places) == places.size(); }));
}

TEST_F(ServerTest, reads_no_more_for_one_peer_than_its_share_and_lets_others_pass) {
  const MadeContent content = test::make_content(8 * kMiB, 8);
  test::put_content(*store_, InodeId(5), content);
  welcome({"greedy", "member"});
  pool_.is_held = true;
  std::vector<Place> places;
  for (std::size_t i = 0; i < 100; ++i) {
    places.push_back(begin("greedy", request(content, i % 8, 0, 64)));
  }
  test::run_ready(loop_);
  const Place other = begin("member", request(content, 0, 0, 64));
  test::run_ready(loop_);
  pool_.let_go();
  pool_.is_held = true;
  test::run_ready(loop_);
  EXPECT_EQ(answered(places), kMaxPeerUploadBytes / kMiB);
  EXPECT_TRUE(other->has_value());
  pool_.let_go();
  EXPECT_TRUE(test::run_virtual(loop_, time_, [&] { return answered(places) == places.size(); }));
}

TEST_F(ServerTest, gives_back_the_share_of_a_request_that_was_canceled) {
  const MadeContent content = test::make_content(8 * kMiB, 9);
  test::put_content(*store_, InodeId(5), content);
  welcome({"member", "other"});
  std::vector<Place> places;
  for (std::size_t i = 0; i < 20; ++i) {
    places.push_back(begin("member", request(content, i % 8, 0, 64)));
  }
  test::run_ready(loop_);
  test::run_virtual_until_done(loop_, time_, group_.stop());
  places.clear();
  TaskGroup later(loop_.get_executor());
  std::vector<Place> next;
  for (std::size_t i = 0; i < kMaxPeerUploadBytes / kMiB; ++i) {
    next.push_back(std::make_shared<std::optional<Reply>>());
    spawn(later, ask(server_, test::peer_id("member"), request(content, i % 8, 0, 64), next[i]));
  }
  test::run_ready(loop_);
  EXPECT_EQ(answered(next), kMaxPeerUploadBytes / kMiB);
  test::run_virtual_until_done(loop_, time_, later.stop());
}

TEST_F(ServerTest, sends_no_faster_than_it_may) {
  Server limited(loop_.get_executor(), time_, pool_, *store_, members_, 10 * kMiB);
  const MadeContent content = test::make_content(8 * kMiB, 10);
  test::put_content(*store_, InodeId(5), content);
  const SteadyTime start = time_.steady();
  std::vector<Place> places;
  for (std::size_t i = 0; i < 40; ++i) {
    places.push_back(std::make_shared<std::optional<Reply>>());
    spawn(group_, ask(limited, test::peer_id("member"), request(content, i % 8, 0, 64), places[i]));
  }
  ASSERT_TRUE(test::run_virtual(loop_, time_, [&] { return answered(places) == places.size(); }));
  EXPECT_GT(time_.steady() - start, std::chrono::milliseconds(3500));
  EXPECT_LT(time_.steady() - start, std::chrono::milliseconds(4500));
}

}  // namespace
}  // namespace shoal::peerd
