// SPDX-License-Identifier: MIT
#include "fs/open_mode.h"

#include <gtest/gtest.h>

namespace shoal::fs {
namespace {

TEST(OpenMode, passes_through_only_what_is_complete_and_where_the_kernel_can) {
  EXPECT_EQ(choose_open_mode({.kernel_can_pass_through = true, .is_complete = true}),
            OpenMode::passthrough);
  EXPECT_EQ(choose_open_mode({.kernel_can_pass_through = true, .is_complete = false}),
            OpenMode::mediated);
  EXPECT_EQ(choose_open_mode({.kernel_can_pass_through = false, .is_complete = true}),
            OpenMode::mediated);
  EXPECT_EQ(choose_open_mode({}), OpenMode::mediated);
}

TEST(OpenMode, has_names_for_people) {
  EXPECT_STREQ(name(OpenMode::mediated), "mediated");
  EXPECT_STREQ(name(OpenMode::passthrough), "passthrough");
}

}  // namespace
}  // namespace shoal::fs
