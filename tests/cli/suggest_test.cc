// SPDX-License-Identifier: MIT
#include "cli/suggest.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

TEST(Suggest, finds_the_word_that_was_meant) {
  const std::vector<std::string> words = {"lab", "status", "peers", "find", "info", "umount"};
  EXPECT_EQ(suggest("stauts", words), "status");
  EXPECT_EQ(suggest("stat", words), "status");
  EXPECT_EQ(suggest("peer", words), "peers");
  EXPECT_EQ(suggest("unmount", words), "umount");
  EXPECT_EQ(suggest("ifno", words), "info");
  EXPECT_EQ(suggest("labs", words), "lab");
}

TEST(Suggest, is_silent_when_nothing_is_near) {
  const std::vector<std::string> words = {"lab", "status"};
  EXPECT_EQ(suggest("xyzzy", words), "");
  EXPECT_EQ(suggest("x", words), "");
  EXPECT_EQ(suggest("", words), "");
  EXPECT_EQ(suggest(std::string(100'000, 's'), words), "");
}

}  // namespace
}  // namespace shoal::cli
