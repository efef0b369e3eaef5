// SPDX-License-Identifier: MIT
#include "base/error.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "base/result.h"

namespace shoal::base {
namespace {

// The order is the numbering that other machines rely on: only ever append.
constexpr auto kNames = std::to_array<std::string_view>({
    "invalid",      "not_found",     "exists",        "not_directory",   "is_directory",
    "not_empty",    "not_permitted", "access_denied", "name_too_long",   "too_many_links",
    "too_large",    "no_space",      "no_attribute",  "unsupported",     "read_only",
    "busy",         "stale",         "conflict",      "corrupt",         "io",
    "timed_out",    "canceled",      "unreachable",   "unauthenticated", "version_mismatch",
    "out_of_range", "internal",
});

TEST(ErrorTest, every_number_keeps_its_name) {
  ASSERT_EQ(kNames.size(), kErrcMax);
  for (std::uint16_t number = 1; number <= kErrcMax; ++number) {
    EXPECT_EQ(name(static_cast<Errc>(number)), kNames[number - 1U]) << number;
  }
}

TEST(ErrorTest, numbers_outside_the_list_are_unknown) {
  EXPECT_EQ(name(static_cast<Errc>(0)), "unknown");
  EXPECT_EQ(name(static_cast<Errc>(kErrcMax + 1)), "unknown");
}

TEST(ErrorTest, only_passing_troubles_are_retryable) {
  const std::set<Errc> retryable = {Errc::busy, Errc::timed_out, Errc::unreachable};
  for (std::uint16_t number = 1; number <= kErrcMax; ++number) {
    const auto code = static_cast<Errc>(number);
    EXPECT_EQ(is_retryable(code), retryable.contains(code)) << name(code);
  }
}

TEST(ErrorTest, context_grows_in_front) {
  const Error inner(Errc::corrupt, "short read");
  EXPECT_EQ(inner.with("inode 7").context(), "inode 7: short read");
  EXPECT_EQ(Error(inner).with("inode 7").with("reading").message(),
            "reading: inode 7: short read (corrupt)");
  EXPECT_EQ(inner.with("x").code(), Errc::corrupt);
}

TEST(ErrorTest, a_message_without_context_is_the_kind) {
  EXPECT_EQ(Error(Errc::io, "").message(), "io");
}

TEST(ResultTest, fail_makes_any_result) {
  const Result<int> number = fail(Errc::no_space, "writing {}", 7);
  ASSERT_FALSE(number);
  EXPECT_EQ(number.error().message(), "writing 7 (no_space)");
  const Result<void> nothing = pass(number);
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code(), Errc::no_space);
}

}  // namespace
}  // namespace shoal::base
