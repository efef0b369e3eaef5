// SPDX-License-Identifier: MIT
#include "fs/open_mode.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace shoal::fs {
namespace {

/// Everything that speaks for passthrough.
OpenSituation best(int flags) {
  return {.flags = flags,
          .can_pass_through = true,
          .may_be_mapped = false,
          .is_ours = true,
          .is_empty = true};
}

TEST(OpenMode, who_can_only_write_a_new_file_is_passed_through) {
  for (const int flags : {O_WRONLY, O_WRONLY | O_APPEND, O_WRONLY | O_CREAT | O_TRUNC}) {
    EXPECT_EQ(choose_open_mode(best(flags)), OpenMode::passthrough) << flags;
  }
}

TEST(OpenMode, what_can_be_mapped_is_mediated_unless_wanted_otherwise) {
  EXPECT_EQ(choose_open_mode(best(O_RDONLY)), OpenMode::mediated);
  EXPECT_EQ(choose_open_mode(best(O_RDWR)), OpenMode::mediated);
  OpenSituation wanted = best(O_RDWR);
  wanted.may_be_mapped = true;
  EXPECT_EQ(choose_open_mode(wanted), OpenMode::passthrough);
  wanted.flags = O_RDONLY;
  EXPECT_EQ(choose_open_mode(wanted), OpenMode::mediated);
}

TEST(OpenMode, direct_and_synchronous_writes_are_mediated) {
  for (const int flag : {O_DIRECT, O_SYNC, O_DSYNC}) {
    EXPECT_EQ(choose_open_mode(best(O_WRONLY | flag)), OpenMode::mediated) << flag;
  }
}

TEST(OpenMode, each_condition_is_needed) {
  for (bool OpenSituation::* const condition :
       {&OpenSituation::can_pass_through, &OpenSituation::is_ours, &OpenSituation::is_empty}) {
    OpenSituation situation = best(O_WRONLY);
    situation.*condition = false;
    EXPECT_EQ(choose_open_mode(situation), OpenMode::mediated);
  }
}

TEST(OpenMode, has_names_for_people) {
  EXPECT_STREQ(name(OpenMode::mediated), "mediated");
  EXPECT_STREQ(name(OpenMode::passthrough), "passthrough");
}

}  // namespace
}  // namespace shoal::fs
