// SPDX-License-Identifier: MIT
#include "cache/block_bitmap.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/cache/content.h"

namespace shoal::cache {
namespace {

TEST(BlockBitmap, starts_with_the_value_asked_for) {
  EXPECT_EQ(BlockBitmap(10'000).count(), 0u);
  const BlockBitmap full(10'000, true);
  EXPECT_EQ(full.count(), 10'000u);
  EXPECT_TRUE(full.is_full());
  EXPECT_TRUE(full.test(9'999));
  EXPECT_FALSE(full.test(10'000));
}

TEST(BlockBitmap, an_empty_one_is_full) {
  const BlockBitmap none;
  EXPECT_TRUE(none.is_full());
  EXPECT_EQ(none.find(0, true), 0u);
  EXPECT_TRUE(none.runs(0, 100, true).empty());
}

TEST(BlockBitmap, counts_what_changed) {
  BlockBitmap bits(200);
  EXPECT_EQ(bits.set(60, 10, true), 10u);
  EXPECT_EQ(bits.set(65, 10, true), 5u);
  EXPECT_EQ(bits.set(0, 1000, false), 15u);
}

TEST(BlockBitmap, finds_runs_across_pages) {
  BlockBitmap bits(20'000);
  bits.set(4'000, 9'000, true);
  bits.set(19'999, 5, true);
  const std::vector<BlockRun> expected = {{4'000, 9'000}, {19'999, 1}};
  EXPECT_EQ(bits.runs(0, 20'000, true), expected);
  EXPECT_EQ(bits.runs(5'000, 100, true), (std::vector<BlockRun>{{5'000, 100}}));
  EXPECT_EQ(bits.find(13'000, true), 19'999u);
  EXPECT_EQ(bits.find(4'000, false), 13'000u);
}

TEST(BlockBitmap, keeps_its_bits_when_it_grows_and_forgets_them_when_it_shrinks) {
  BlockBitmap bits(100, true);
  bits.resize(5'000, false);
  EXPECT_EQ(bits.count(), 100u);
  EXPECT_FALSE(bits.test(100));
  bits.resize(50, false);
  bits.resize(9'000, true);
  EXPECT_TRUE(bits.is_full());
  bits.resize(4'096, true);
  EXPECT_TRUE(bits.all(0, 4'096, true));
  EXPECT_FALSE(bits.all(0, 4'097, true));
}

TEST(BlockBitmap, petabytes_of_equal_bits_take_little_memory) {
  BlockBitmap bits(std::uint64_t{1} << 30, true);
  bits.set(12'345'678, 1, false);
  EXPECT_EQ(bits.find(0, false), 12'345'678u);
  EXPECT_EQ(bits.count(), (std::uint64_t{1} << 30) - 1);
}

TEST(BlockBitmap, behaves_as_a_vector_of_bools) {
  base::Random random(test_seed());
  std::vector<bool> model;
  BlockBitmap bits;
  for (int step = 0; step < 4'000; ++step) {
    const std::uint64_t first = random.below(20'000);
    const std::uint64_t count = random.chance(0.3) ? random.below(10'000) : random.below(70);
    const bool value = random.chance(0.5);
    if (random.chance(0.1)) {
      bits.resize(first, value);
      model.resize(first, value);
    } else {
      std::uint64_t changed = 0;
      for (std::uint64_t i = first; i < std::min<std::uint64_t>(first + count, model.size()); ++i) {
        changed += model[i] != value ? 1 : 0;
        model[i] = value;
      }
      ASSERT_EQ(bits.set(first, count, value), changed);
    }
    ASSERT_EQ(bits.size(), model.size());
    ASSERT_EQ(bits.count(), static_cast<std::uint64_t>(std::ranges::count(model, true)));
    const std::uint64_t from = random.below(20'000);
    const auto begin = model.begin() + static_cast<std::ptrdiff_t>(std::min(from, bits.size()));
    const auto found =
        static_cast<std::uint64_t>(std::find(begin, model.end(), value) - model.begin());
    ASSERT_EQ(bits.find(from, value), found);
    ASSERT_EQ(bits.test(from), from < model.size() && model[from]);
  }
}

}  // namespace
}  // namespace shoal::cache
