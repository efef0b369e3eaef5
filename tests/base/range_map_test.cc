// SPDX-License-Identifier: MIT
#include "base/range_map.h"

#include <gtest/gtest.h>

#include <array>

#include "base/random.h"

namespace shoal::base {
namespace {

using Map = RangeMap<int>;

TEST(RangeMapTest, an_assignment_cuts_what_was_there) {
  Map map;
  map.assign(0, 99, 1);
  map.assign(40, 59, 2);
  EXPECT_EQ(map.pieces(), (std::vector<Map::Piece>{{0, 39, 1}, {40, 59, 2}, {60, 99, 1}}));
  map.erase(50, 79);
  EXPECT_EQ(map.pieces(), (std::vector<Map::Piece>{{0, 39, 1}, {40, 49, 2}, {80, 99, 1}}));
}

TEST(RangeMapTest, equal_neighbours_become_one) {
  Map map;
  map.assign(0, 9, 1);
  map.assign(20, 29, 1);
  map.assign(10, 19, 1);
  EXPECT_EQ(map.pieces(), (std::vector<Map::Piece>{{0, 29, 1}}));
}

TEST(RangeMapTest, the_last_number_is_in_reach) {
  Map map;
  map.assign(5, Map::kEnd, 1);
  map.assign(Map::kEnd, Map::kEnd, 2);
  EXPECT_EQ(map.pieces(),
            (std::vector<Map::Piece>{{5, Map::kEnd - 1, 1}, {Map::kEnd, Map::kEnd, 2}}));
  map.erase(0, Map::kEnd);
  EXPECT_TRUE(map.empty());
}

TEST(RangeMapTest, a_visit_sees_pieces_cut_to_its_range) {
  Map map;
  map.assign(10, 19, 1);
  map.assign(30, 39, 2);
  EXPECT_EQ(map.pieces(15, 34), (std::vector<Map::Piece>{{15, 19, 1}, {30, 34, 2}}));
  EXPECT_TRUE(map.pieces(20, 29).empty());
}

TEST(RangeMapTest, random_changes_agree_with_an_array) {
  const std::uint64_t seed = system_seed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Random random(seed);
  constexpr std::size_t kSize = 40;
  std::array<int, kSize> model{};
  Map map;
  for (int step = 0; step < 5000; ++step) {
    const std::uint64_t first = random.below(kSize);
    const std::uint64_t last = first + random.below(kSize - first);
    const int value = static_cast<int>(random.below(3));  // 0: nothing
    for (std::uint64_t i = first; i <= last; ++i) model[i] = value;
    if (value == 0) {
      map.erase(first, last);
    } else {
      map.assign(first, last, value);
    }
    std::array<int, kSize> seen{};
    std::uint64_t end_before = kSize;
    int value_before = 0;
    for (const Map::Piece& piece : map.pieces()) {
      EXPECT_FALSE(end_before + 1 == piece.first && value_before == piece.value) << "not merged";
      for (std::uint64_t i = piece.first; i <= piece.last; ++i) seen[i] = piece.value;
      end_before = piece.last;
      value_before = piece.value;
    }
    ASSERT_EQ(seen, model);
  }
}

}  // namespace
}  // namespace shoal::base
