// SPDX-License-Identifier: MIT
#include "peerd/upload_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/hash.h"

namespace shoal::peerd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Tickets = std::vector<UploadQueue::Ticket>;

constexpr std::uint64_t kMiB = 1 << 20;
const SteadyTime kStart{std::chrono::hours(1)};

PeerId peer(std::uint64_t number) {
  return PeerId{base::sha256(as_bytes("peer " + std::to_string(number)))};
}

TEST(UploadQueue, lets_in_what_fits_in_the_order_of_arrival) {
  UploadQueue queue({4 * kMiB, 4 * kMiB, 0});
  for (std::uint64_t i = 1; i <= 6; ++i) queue.enter(i, peer(i), kMiB);
  EXPECT_EQ(queue.let_in(kStart), (Tickets{1, 2, 3, 4}));
  queue.leave(peer(2), kMiB);
  EXPECT_EQ(queue.let_in(kStart), (Tickets{5}));
  queue.withdraw(6);
  queue.leave(peer(1), kMiB);
  EXPECT_EQ(queue.let_in(kStart), (Tickets{}));
  EXPECT_EQ(queue.bytes(), 3 * kMiB);
}

TEST(UploadQueue, lets_a_new_peer_go_before_one_that_was_given_more) {
  UploadQueue queue({4 * kMiB, 4 * kMiB, 0});
  for (std::uint64_t i = 1; i <= 8; ++i) queue.enter(i, peer(1), kMiB);
  EXPECT_EQ(queue.let_in(kStart), (Tickets{1, 2, 3, 4}));
  queue.enter(9, peer(2), kMiB);
  queue.leave(peer(1), kMiB);
  EXPECT_EQ(queue.let_in(kStart), (Tickets{9}));
}

TEST(UploadQueue, keeps_a_peer_within_its_share_whatever_it_asks_for) {
  UploadQueue queue({64 * kMiB, 2 * kMiB, 0});
  for (std::uint64_t i = 1; i <= 8; ++i) queue.enter(i, peer(1), kMiB);
  EXPECT_EQ(queue.let_in(kStart), (Tickets{1, 2}));
  queue.enter(9, peer(2), kMiB);
  EXPECT_EQ(queue.let_in(kStart), (Tickets{9}));
}

TEST(UploadQueue, lets_short_answers_go_before_long_ones) {
  UploadQueue queue({64 * kMiB, 4 * kMiB, 10 * kMiB});
  for (std::uint64_t i = 1; i <= 4; ++i) queue.enter(i, peer(i), 4 * kMiB);
  EXPECT_EQ(queue.let_in(kStart), (Tickets{1}));
  queue.enter(5, peer(5), 16 << 10);
  EXPECT_EQ(queue.let_in(kStart + milliseconds(350)), (Tickets{5, 2}));
}

TEST(UploadQueue, lets_in_alone_what_is_larger_than_the_limit) {
  UploadQueue queue({kMiB, kMiB, 0});
  queue.enter(1, peer(1), 16 * kMiB);
  queue.enter(2, peer(2), kMiB);
  EXPECT_EQ(queue.let_in(kStart), (Tickets{1}));
  queue.leave(peer(1), 16 * kMiB);
  EXPECT_EQ(queue.let_in(kStart), (Tickets{2}));
}

TEST(UploadQueue, shares_a_limited_rate_evenly_among_peers) {
  UploadQueue queue({64 * kMiB, 16 * kMiB, 10 * kMiB});
  std::map<UploadQueue::Ticket, std::size_t> whose;
  UploadQueue::Ticket last = 0;
  std::uint64_t sent[3] = {};
  const auto ask = [&](std::size_t number) {
    whose[++last] = number;
    queue.enter(last, peer(number), kMiB);
  };
  for (int i = 0; i < 30; ++i) ask(0);  // one that asks for much at once
  ask(1);
  ask(2);
  SteadyTime now = kStart;
  while (now < kStart + seconds(10)) {
    for (const UploadQueue::Ticket ticket : queue.let_in(now)) {
      const std::size_t number = whose[ticket];
      sent[number] += kMiB;
      queue.leave(peer(number), kMiB);  // handed to the kernel at once
      ask(number);
    }
    now = queue.next(now);
  }
  const std::uint64_t all = sent[0] + sent[1] + sent[2];
  EXPECT_NEAR(static_cast<double>(all) / kMiB, 100, 5);
  for (const std::uint64_t bytes : sent) EXPECT_NEAR(static_cast<double>(bytes) / kMiB, 33, 4);
}

TEST(RateLimit, keeps_to_its_rate_whatever_the_sizes) {
  for (const std::uint64_t size : {std::uint64_t{1000}, 64 * std::uint64_t{1024}, 3 * kMiB}) {
    RateLimit limit(kMiB);
    SteadyTime now = kStart;
    std::uint64_t passed = 0;
    while (now < kStart + seconds(100)) {
      if (limit.take(size, now)) {
        passed += size;
      } else {
        now = limit.next(now);
      }
    }
    EXPECT_NEAR(static_cast<double>(passed), 100.0 * kMiB, 4.0 * kMiB) << size;
  }
}

TEST(RateLimit, lets_everything_pass_without_a_limit) {
  RateLimit limit(0);
  EXPECT_TRUE(limit.take(std::uint64_t{1} << 60, kStart));
  EXPECT_TRUE(limit.take(1, kStart));
  EXPECT_EQ(limit.next(kStart), kStart);
}

}  // namespace
}  // namespace shoal::peerd
