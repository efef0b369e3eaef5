// SPDX-License-Identifier: MIT
#include "base/random.h"

#include <gtest/gtest.h>

#include <array>

namespace shoal::base {
namespace {

// Computed with an independent implementation of splitmix64 and xoshiro256** (see the paper).
TEST(RandomTest, agrees_with_the_published_algorithm) {
  Random random(0);
  EXPECT_EQ(random.next(), 0x99ec5f36cb75f2b4u);
  EXPECT_EQ(random.next(), 0xbf6e1f784956452au);
  EXPECT_EQ(random.next(), 0x1a5f849d4933e6e0u);
}

TEST(RandomTest, one_seed_gives_one_sequence) {
  Random a(42);
  Random b(42);
  Random c(43);
  EXPECT_EQ(a.next(), b.next());
  EXPECT_NE(a.next(), c.next());
}

TEST(RandomTest, below_reaches_every_value_and_no_other) {
  Random random(1);
  std::array<int, 5> seen{};
  for (int i = 0; i < 1000; ++i) ++seen.at(random.below(5));
  for (const int count : seen) EXPECT_GT(count, 120);
  EXPECT_EQ(random.below(1), 0u);
}

TEST(RandomTest, unit_stays_below_one) {
  Random random(1);
  for (int i = 0; i < 1000; ++i) {
    const double value = random.unit();
    EXPECT_GE(value, 0.0);
    EXPECT_LT(value, 1.0);
  }
}

TEST(RandomTest, fills_any_length) {
  Bytes bytes(13);
  Random(7).fill(bytes);
  EXPECT_NE(bytes, Bytes(13));
}

TEST(RandomTest, secrets_differ) {
  EXPECT_EQ(secret_bytes(32).size(), 32u);
  EXPECT_NE(secret_bytes(32), secret_bytes(32));
  EXPECT_NE(system_seed(), system_seed());
}

TEST(RandomTest, compares_content_and_length) {
  EXPECT_TRUE(equal_in_constant_time(as_bytes("secret"), as_bytes("secret")));
  EXPECT_FALSE(equal_in_constant_time(as_bytes("secret"), as_bytes("secreT")));
  EXPECT_FALSE(equal_in_constant_time(as_bytes("secret"), as_bytes("secrets")));
  EXPECT_TRUE(equal_in_constant_time({}, {}));
}

}  // namespace
}  // namespace shoal::base
