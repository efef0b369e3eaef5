// SPDX-License-Identifier: MIT
#include "peerd/spread.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "base/random.h"

namespace shoal::peerd {
namespace {

std::vector<std::uint64_t> all_chunks(std::uint64_t count) {
  std::vector<std::uint64_t> chunks(count);
  std::iota(chunks.begin(), chunks.end(), 0);
  return chunks;
}

Bytes map_of(std::uint64_t count, std::initializer_list<std::uint64_t> chunks) {
  Bytes map((count + 7) / 8);
  for (const std::uint64_t chunk : chunks) map[chunk / 8] |= std::byte(0x80u >> (chunk % 8));
  return map;
}

TEST(Spread, takes_everything_as_its_own_when_it_is_alone) {
  const SpreadPlan plan = plan_spread(all_chunks(100), {}, 1, 100, 100);
  EXPECT_EQ(plan.own.size(), 100u);
  EXPECT_TRUE(plan.from_crowd.empty() && plan.others.empty());
}

TEST(Spread, begins_elsewhere_for_each_fetcher) {
  base::Random random(7);
  std::set<std::uint64_t> first;
  for (int i = 0; i < 64; ++i) {
    first.insert(plan_spread(all_chunks(1000), {}, random.next(), 1000, 1).own[0]);
  }
  EXPECT_GT(first.size(), 55u);
}

TEST(Spread, takes_from_the_crowd_what_fewest_of_it_have) {
  const Bytes a = map_of(8, {1, 2, 3}), b = map_of(8, {2, 3}), c = map_of(8, {3});
  const CrowdMember crowd[] = {{11, &a, true}, {12, &b, true}, {13, &c, true}};
  const SpreadPlan plan = plan_spread(all_chunks(8), crowd, 1, 8, 8);
  EXPECT_EQ(plan.from_crowd, (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(plan.own.size() + plan.others.size(), 5u);
}

TEST(Spread, gives_each_chunk_to_exactly_one_member_of_the_crowd) {
  constexpr std::uint64_t kChunks = 512;
  const std::vector<std::uint64_t> heads{11, 22, 33, 44, 55, 66, 77, 88};
  const Bytes nothing;
  std::map<std::uint64_t, int> owners;
  for (const std::uint64_t self : heads) {
    std::vector<CrowdMember> others;
    for (const std::uint64_t head : heads) {
      if (head != self) others.push_back({head, &nothing, true});
    }
    const SpreadPlan plan = plan_spread(all_chunks(kChunks), others, self, kChunks, kChunks);
    EXPECT_NEAR(static_cast<double>(plan.own.size()), 64, 30);
    for (const std::uint64_t chunk : plan.own) ++owners[chunk];
  }
  EXPECT_EQ(owners.size(), kChunks);
  EXPECT_TRUE(std::ranges::all_of(owners, [](const auto& item) { return item.second == 1; }));
}

TEST(Spread, leaves_nothing_to_members_that_get_nothing) {
  const Bytes nothing;
  const CrowdMember crowd[] = {{11, &nothing, false}, {12, &nothing, false}};
  EXPECT_EQ(plan_spread(all_chunks(64), crowd, 1, 64, 64).own.size(), 64u);
}

TEST(Spread, looks_at_a_bounded_part_of_a_huge_file) {
  const SpreadPlan plan = plan_spread(all_chunks(60'000), {}, 1, 60'000, 60'000);
  EXPECT_EQ(plan.own.size(), kMaxSpreadLook);
}

/// Rounds in which the source sends as many chunks as everybody together may get from it, and each
/// member one chunk to another: what a crowd does when all links are equal.
TEST(Spread, pulls_each_chunk_from_the_source_about_once) {
  constexpr std::uint64_t kChunks = 512;
  constexpr std::size_t kMembers = 8;
  const std::uint64_t seed = 20261128;
  base::Random random(seed);
  struct Member {
    std::uint64_t head;
    Bytes has = Bytes((kChunks + 7) / 8);
    Bytes told = Bytes((kChunks + 7) / 8);  // what the others know of it
    std::vector<std::uint64_t> wanted = all_chunks(kChunks);
  };
  std::vector<Member> members(kMembers);
  for (Member& member : members) member.head = random.next();
  std::size_t from_source = 0;
  std::size_t rounds = 0;
  const auto take = [](Member& member, std::uint64_t chunk) {
    member.has[chunk / 8] |= std::byte(0x80u >> (chunk % 8));
    std::erase(member.wanted, chunk);
  };
  for (; rounds < 200; ++rounds) {
    // Ten rounds before anybody knows of anybody, then news every fifth.
    if (rounds >= 10 && rounds % 5 == 0) {
      for (Member& member : members) member.told = member.has;
    }
    bool is_done = true;
    for (Member& member : members) {
      std::vector<CrowdMember> crowd;
      for (const Member& other : members) {
        if (&other != &member && rounds >= 10) crowd.push_back({other.head, &other.told, true});
      }
      const SpreadPlan plan = plan_spread(member.wanted, crowd, member.head, kChunks, 8);
      if (!plan.own.empty()) {
        take(member, plan.own.front());
        ++from_source;
      }
      for (std::size_t i = 0; i < std::min<std::size_t>(7, plan.from_crowd.size()); ++i) {
        take(member, plan.from_crowd[i]);
      }
      is_done = is_done && member.wanted.empty();
    }
    if (is_done) break;
  }
  EXPECT_LE(from_source, kChunks * 110 / 100) << "seed " << seed;
  EXPECT_LE(rounds, kChunks / kMembers * 3 / 2) << "seed " << seed;
}

}  // namespace
}  // namespace shoal::peerd
