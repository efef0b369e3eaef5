// SPDX-License-Identifier: MIT
#include "cli/mounts.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

constexpr std::string_view kTable =
    "24 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "30 24 0:25 / /proc rw,nosuid shared:5 - proc proc rw\n"
    "99 24 0:50 / /tmp/lab/peer1/mnt rw,nosuid shared:9 master:2 - fuse.shoal shoal:lab "
    "rw,user_id=0\n"
    "98 24 0:51 / /tmp/with\\040blank\\134and\\011tab rw - fuse.shoal shoal:x rw\n"
    "garbage\n"
    "97 24 0:52 / /half rw -\n"
    "96 24 0:53 / /tmp/lab/peer1/mnt rw - fuse.shoal shoal:again rw";

TEST(Mounts, reads_the_kernels_table_and_leaves_out_what_does_not_parse) {
  const std::vector<Mount> mounts = parse_mountinfo(kTable);
  ASSERT_EQ(mounts.size(), 5U);
  EXPECT_EQ(mounts[0], (Mount{.point = "/", .type = "ext4", .source = "/dev/vda", .device = 0}));
  EXPECT_EQ(mounts[2].type, "fuse.shoal");
  EXPECT_TRUE(mounts[2].is_shoal());
  EXPECT_FALSE(mounts[1].is_shoal());
  EXPECT_EQ(mounts[2].device, 50U);
  EXPECT_EQ(mounts[3].point, "/tmp/with blank\\and\ttab");
}

TEST(Mounts, finds_the_topmost_mount_of_a_point) {
  const std::vector<Mount> mounts = parse_mountinfo(kTable);
  EXPECT_EQ(mount_at(mounts, "/tmp/lab/peer1/mnt")->source, "shoal:again");
  EXPECT_FALSE(mount_at(mounts, "/tmp/lab/peer1"));
}

TEST(Mounts, finds_the_mount_that_holds_a_path) {
  const std::vector<Mount> mounts = parse_mountinfo(kTable);
  EXPECT_EQ(mount_holding(mounts, "/tmp/lab/peer1/mnt/a/b")->source, "shoal:again");
  EXPECT_EQ(mount_holding(mounts, "/tmp/lab/peer1/mntx")->point, "/");
  EXPECT_EQ(mount_holding(mounts, "/proc")->point, "/proc");
  EXPECT_FALSE(mount_holding({}, "/proc"));
}

TEST(Mounts, tells_what_lies_within_a_folder) {
  EXPECT_TRUE(is_within("/a", "/"));
  EXPECT_TRUE(is_within("/a", "/a"));
  EXPECT_TRUE(is_within("/a/b", "/a"));
  EXPECT_FALSE(is_within("/ab", "/a"));
  EXPECT_FALSE(is_within("/", "/a"));
}

TEST(Mounts, knows_that_a_live_mount_is_not_dead) {
  EXPECT_FALSE(is_dead_mount("/proc"));
  EXPECT_FALSE(is_dead_mount("/no/such/mount"));
}

TEST(Mounts, has_nothing_to_detach_where_nothing_is_mounted) {
  EXPECT_TRUE(detach_mount("/no/such/mount"));
}

}  // namespace
}  // namespace shoal::cli
