// SPDX-License-Identifier: MIT
// Real mounts of one swarm in this process.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "tests/fs/mount_lab.h"
#include "tests/support/temp_folder.h"

namespace shoal::fs {
namespace {

class MountTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    if (!test::MountLab::can_mount(&why)) GTEST_SKIP() << why;
    lab_ = std::make_unique<test::MountLab>(2, folder_.path());
  }

  std::string one(const std::string& name) { return lab_->path(0) + "/" + name; }
  std::string two(const std::string& name) { return lab_->path(1) + "/" + name; }

  static void write_file(const std::string& path, const std::string& text) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ASSERT_GE(fd, 0) << path << ": " << strerror(errno);
    ASSERT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ASSERT_EQ(::close(fd), 0);
  }
  static std::string read_fd(int fd) {
    std::string text;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(fd, buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<std::size_t>(got));
    return text;
  }
  static std::string read_file(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY);
    if (fd < 0) return std::string("error: ") + strerror(errno);
    std::string text = read_fd(fd);
    ::close(fd);
    return text;
  }

  test::TempFolder folder_;
  std::unique_ptr<test::MountLab> lab_;
};

TEST_F(MountTest, what_is_written_on_one_mount_is_read_on_the_other) {
  write_file(one("a"), "hello");
  EXPECT_EQ(read_file(two("a")), "hello");
  write_file(two("a"), "longer than before");
  EXPECT_EQ(read_file(one("a")), "longer than before");
}

TEST_F(MountTest, bytes_are_seen_elsewhere_while_the_file_is_still_open) {
  write_file(one("a"), "");
  const int writer = ::open(one("a").c_str(), O_WRONLY);
  ASSERT_EQ(::write(writer, "one", 3), 3);
  EXPECT_EQ(read_file(two("a")), "one");
  ASSERT_EQ(::write(writer, "two", 3), 3);
  EXPECT_EQ(read_file(two("a")), "onetwo");
  ::close(writer);
}

TEST_F(MountTest, the_kernel_reads_ahead_as_far_as_the_longest_request) {
  struct stat found{};
  ASSERT_EQ(::stat(lab_->path(0).c_str(), &found), 0);
  const std::string setting = "/sys/class/bdi/" + std::to_string(major(found.st_dev)) + ":" +
                              std::to_string(minor(found.st_dev)) + "/read_ahead_kb";
  if (::access(setting.c_str(), W_OK) != 0) GTEST_SKIP() << setting << " may not be written";
  EXPECT_EQ(read_file(setting), "1024\n");
}

TEST_F(MountTest, an_unlinked_file_lives_on_where_it_is_open) {
  write_file(one("a"), "still here");
  const int reader = ::open(two("a").c_str(), O_RDONLY);
  ASSERT_GE(reader, 0);
  ASSERT_EQ(::unlink(one("a").c_str()), 0);
  EXPECT_EQ(read_file(two("a")), "error: No such file or directory");
  EXPECT_EQ(read_fd(reader), "still here");
  struct stat found{};
  ASSERT_EQ(::fstat(reader, &found), 0);
  EXPECT_EQ(found.st_nlink, 0);
  ::close(reader);
}

TEST_F(MountTest, a_removed_directory_can_be_looked_at_by_whoever_is_in_it) {
  for (const char* name : {"removed", "removed elsewhere", "replaced"}) {
    ASSERT_EQ(::mkdir(one(name).c_str(), 0750), 0);
    const int directory = ::open(one(name).c_str(), O_RDONLY | O_DIRECTORY);
    ASSERT_GE(directory, 0);
    if (name == std::string("replaced")) {
      ASSERT_EQ(::mkdir(one("other").c_str(), 0700), 0);
      ASSERT_EQ(::rename(one("other").c_str(), one(name).c_str()), 0);
    } else {
      const bool here = name == std::string("removed");
      ASSERT_EQ(::rmdir((here ? one(name) : two(name)).c_str()), 0);
    }
    struct stat found{};
    ASSERT_EQ(::fstat(directory, &found), 0) << name << ": " << strerror(errno);
    EXPECT_EQ(found.st_nlink, 0) << name;
    EXPECT_EQ(found.st_mode, static_cast<mode_t>(S_IFDIR | 0750)) << name;
    ::close(directory);
  }
}

TEST_F(MountTest, fsync_waits_for_what_was_published_before_the_file_was_opened) {
  // In a directory of its own nobody waits for the tracker but fsync.
  ASSERT_EQ(::mkdir(one("d").c_str(), 0755), 0);
  for (int round = 0; round < 20; ++round) {
    const std::string name = "d/" + std::to_string(round);
    const std::string moved = "moved" + std::to_string(round);
    write_file(one(name), "hello");
    ASSERT_EQ(::rename(one(name).c_str(), one("d/" + moved).c_str()), 0);
    const int fd = ::open(one("d/" + moved).c_str(), O_RDONLY);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(round % 2 == 0 ? ::fsync(fd) : ::fdatasync(fd), 0);
    std::optional<tracker::InodeRow> found;
    lab_->on_loop([&] { found = lab_->tracker().find({"d", moved}); });
    ASSERT_TRUE(found.has_value()) << "the name";
    EXPECT_EQ(found->content_ref.id.size, 5) << "the bytes";
    ::close(fd);
  }
}

TEST_F(MountTest, an_empty_file_is_there_after_fsync) {
  ASSERT_EQ(::mkdir(one("d").c_str(), 0755), 0);
  const int fd = ::open(one("d/empty").c_str(), O_WRONLY | O_CREAT, 0640);
  ASSERT_EQ(::fsync(fd), 0);
  std::optional<tracker::InodeRow> found;
  lab_->on_loop([&] { found = lab_->tracker().find({"d", "empty"}); });
  EXPECT_TRUE(found.has_value());
  ::close(fd);
}

TEST_F(MountTest, a_read_that_nobody_can_serve_fails_within_its_budget) {
  write_file(one("a"), std::string(100'000, 'x'));
  lab_->source(1).is_cut = true;
  const auto begin = std::chrono::steady_clock::now();
  const int fd = ::open(two("a").c_str(), O_RDONLY);
  ASSERT_GE(fd, 0);
  char byte = 0;
  EXPECT_EQ(::read(fd, &byte, 1), -1);
  EXPECT_EQ(errno, EIO);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  lab_->source(1).is_cut = false;
  EXPECT_EQ(::read(fd, &byte, 1), 1);
  ::close(fd);
}

TEST_F(MountTest, a_copy_of_a_whole_file_moves_no_bytes) {
  const std::string text(300'000, 'c');
  write_file(one("from"), text);
  const int from = ::open(one("from").c_str(), O_RDONLY);
  const int to = ::open(one("to").c_str(), O_WRONLY | O_CREAT, 0644);
  EXPECT_EQ(::copy_file_range(from, nullptr, to, nullptr, 1 << 30, 0), 300'000);
  ::close(from);
  ::close(to);
  EXPECT_EQ(read_file(two("to")), text);
  char root_from[65]{};
  char root_to[65]{};
  EXPECT_EQ(::getxattr(one("from").c_str(), "user.shoal.root", root_from, 64), 64);
  EXPECT_EQ(::getxattr(one("to").c_str(), "user.shoal.root", root_to, 64), 64);
  EXPECT_STREQ(root_from, root_to);
}

TEST_F(MountTest, acls_are_refused_and_own_attributes_cannot_be_set) {
  // Version 2, then tag, permissions and id of the owner, the group and all others (acl(5)); the
  // kernel itself refuses what it cannot read.
  constexpr std::array<std::uint32_t, 7> kAcl = {2,   0x0006'0001, ~0U, 0x0004'0004,
                                                 ~0U, 0x0004'0020, ~0U};
  write_file(one("a"), "x");
  EXPECT_EQ(::setxattr(one("a").c_str(), "system.posix_acl_access", kAcl.data(), sizeof(kAcl), 0),
            -1);
  EXPECT_EQ(errno, EOPNOTSUPP);
  EXPECT_EQ(::setxattr(one("a").c_str(), "user.shoal.root", "x", 1, 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(::listxattr(one("a").c_str(), nullptr, 0), 0);
}

TEST_F(MountTest, without_a_lease_nothing_cached_is_shown) {
  write_file(one("a"), "x");
  EXPECT_EQ(read_file(two("a")), "x");
  lab_->on_loop([this] {
    lab_->session(1).set_cut(true);
    lab_->session(1).end_lease();
    lab_->mount(1).caches_void(false);
  });
  write_file(one("b"), "y");
  lab_->on_loop([this] { lab_->session(1).set_cut(false); });
  EXPECT_EQ(read_file(two("b")), "y");
}

TEST_F(MountTest, handles_that_held_locks_of_a_lost_session_are_closed_off) {
  write_file(one("a"), "x");
  const int locked = ::open(one("a").c_str(), O_RDWR);
  const int other = ::open(one("a").c_str(), O_RDWR);
  const int given_up = ::open(one("a").c_str(), O_RDWR);
  ASSERT_EQ(::flock(given_up, LOCK_EX), 0);
  ASSERT_EQ(::flock(given_up, LOCK_UN), 0);
  ASSERT_EQ(::flock(locked, LOCK_EX), 0);
  lab_->on_loop([this] { lab_->mount(0).caches_void(true); });
  EXPECT_EQ(::pwrite(locked, "y", 1, 0), -1);
  EXPECT_EQ(errno, EIO);
  EXPECT_EQ(::ftruncate(locked, 0), -1);
  EXPECT_EQ(errno, EIO);
  EXPECT_EQ(::flock(locked, LOCK_EX), -1);
  EXPECT_EQ(errno, EIO);
  char byte = 0;
  EXPECT_EQ(::pread(locked, &byte, 1, 0), -1);
  EXPECT_EQ(errno, EIO);
  EXPECT_EQ(::pwrite(other, "z", 1, 0), 1);
  EXPECT_EQ(::pwrite(given_up, "z", 1, 0), 1);
  for (const int fd : {locked, other, given_up}) EXPECT_EQ(::close(fd), 0);
  EXPECT_EQ(read_file(one("a")), "z");
}

TEST_F(MountTest, a_busy_mount_point_is_not_taken_for_a_stale_one) {
  const auto cleared = clear_stale_mount(lab_->path(0));
  ASSERT_FALSE(cleared.has_value());
  EXPECT_EQ(cleared.error().code(), Errc::busy);
  EXPECT_TRUE(clear_stale_mount(folder_.path()).has_value());
}

}  // namespace
}  // namespace shoal::fs
