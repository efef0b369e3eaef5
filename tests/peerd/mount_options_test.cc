// SPDX-License-Identifier: MIT
#include "peerd/mount_options.h"

#include <gtest/gtest.h>

namespace shoal::peerd {
namespace {

TEST(MountOptions, are_taken_one_by_one) {
  Settings settings;
  ASSERT_TRUE(apply_mount_options("allow_other,sync,read_budget=3s,workers=9", settings));
  EXPECT_TRUE(settings.allow_other);
  EXPECT_TRUE(settings.sync);
  EXPECT_EQ(settings.read_budget, std::chrono::seconds(3));
  EXPECT_EQ(settings.workers, 9);
}

TEST(MountOptions, switch_delegation_off_and_on) {
  Settings settings;
  ASSERT_TRUE(settings.delegation);
  ASSERT_TRUE(apply_mount_options("delegation=off", settings));
  EXPECT_FALSE(settings.delegation);
  ASSERT_TRUE(apply_mount_options("delegation=on", settings));
  EXPECT_TRUE(settings.delegation);
}

TEST(MountOptions, choose_what_is_passed_through) {
  Settings settings;
  EXPECT_EQ(settings.passthrough, "off");
  for (const char* word : {"auto", "on", "off"}) {
    ASSERT_TRUE(apply_mount_options(std::string("passthrough=") + word, settings));
    EXPECT_EQ(settings.passthrough, word);
  }
}

TEST(MountOptions, pass_over_what_mount_hands_to_every_filesystem) {
  Settings settings;
  EXPECT_TRUE(
      apply_mount_options("rw,nosuid,nodev,noauto,_netdev,x-systemd.automount,,nofail", settings));
  EXPECT_FALSE(settings.allow_other);
}

TEST(MountOptions, name_the_word_that_is_wrong) {
  for (const char* word :
       {"colour", "read_budget=soon", "read_budget=0s", "workers=0", "workers=many", "workers=4x",
        "delegation", "delegation=no", "passthrough", "passthrough=yes"}) {
    Settings settings;
    const auto applied = apply_mount_options(std::string("sync,") + word, settings);
    ASSERT_FALSE(applied) << word;
    EXPECT_EQ(applied.error().code(), Errc::invalid);
    EXPECT_NE(applied.error().context().find(word), std::string::npos) << applied.error().context();
  }
}

}  // namespace
}  // namespace shoal::peerd
