// SPDX-License-Identifier: MIT
#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/support/temp_folder.h"

namespace shoal::base {
namespace {

class FileTest : public testing::Test {
 protected:
  test::TempFolder folder_;
};

TEST_F(FileTest, reads_back_what_was_written) {
  auto fd = open_file(folder_ / "f", O_RDWR | O_CREAT);
  ASSERT_TRUE(fd);
  ASSERT_TRUE(write_at(*fd, 10, as_bytes("hello")));
  ASSERT_TRUE(sync_data(*fd));
  Bytes out(20);
  EXPECT_EQ(read_at(*fd, 8, out).value(), 7u);  // to the end of the file
  EXPECT_EQ(as_text(out).substr(0, 7), std::string_view("\0\0hello", 7));
  EXPECT_EQ(read_at(*fd, 15, out).value(), 0u);
  ASSERT_TRUE(truncate_file(*fd, 12));
  EXPECT_EQ(read_at(*fd, 0, out).value(), 12u);
}

TEST_F(FileTest, descriptors_close_on_exec) {
  auto fd = open_file(folder_ / "f", O_RDWR | O_CREAT);
  ASSERT_TRUE(fd);
  EXPECT_TRUE(fcntl(fd->get(), F_GETFD) & FD_CLOEXEC);
}

TEST_F(FileTest, a_moved_descriptor_is_closed_once) {
  auto fd = open_file(folder_ / "f", O_RDWR | O_CREAT);
  ASSERT_TRUE(fd);
  const int number = fd->get();
  {
    const Fd taken = std::move(*fd);
    EXPECT_EQ(taken.get(), number);
    EXPECT_FALSE(*fd);
  }
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

TEST_F(FileTest, offsets_beyond_the_signed_range_are_refused) {
  auto fd = open_file(folder_ / "f", O_RDWR | O_CREAT);
  ASSERT_TRUE(fd);
  Bytes out(1);
  EXPECT_EQ(read_at(*fd, ~std::uint64_t{0}, out).error().code(), Errc::out_of_range);
  EXPECT_EQ(write_at(*fd, ~std::uint64_t{0}, out).error().code(), Errc::too_large);
  EXPECT_EQ(truncate_file(*fd, std::uint64_t{1} << 63).error().code(), Errc::too_large);
}

TEST_F(FileTest, errors_name_the_file_and_the_reason) {
  const auto fd = open_file(folder_ / "a\nb", O_RDONLY);
  ASSERT_FALSE(fd);
  EXPECT_EQ(fd.error().code(), Errc::not_found);
  EXPECT_NE(fd.error().message().find("a\\x0ab: No such file"), std::string::npos)
      << fd.error().message();
}

TEST_F(FileTest, replaces_a_file_at_once) {
  const std::string path = folder_ / "f";
  ASSERT_TRUE(write_whole(path, "old"));
  ASSERT_TRUE(write_whole(path, "new", 0640));
  EXPECT_EQ(read_whole(path, 3).value(), "new");
  struct stat status{};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
}

TEST_F(FileTest, a_failed_replacement_leaves_nothing_behind) {
  const std::string path = folder_ / "taken";
  ASSERT_TRUE(make_folders(path + "/child"));
  EXPECT_FALSE(write_whole(path, "new"));  // a folder cannot be replaced by a file
  EXPECT_EQ(rmdir((path + "/child").c_str()), 0);
  EXPECT_EQ(rmdir(path.c_str()), 0);
  EXPECT_EQ(rmdir(folder_.path().c_str()), 0) << "a temporary file is left";
}

TEST_F(FileTest, reads_no_more_than_the_limit) {
  const std::string big(200'000, 'x');
  ASSERT_TRUE(write_whole(folder_ / "f", big));
  EXPECT_EQ(read_whole(folder_ / "f", big.size()).value(), big);
  EXPECT_EQ(read_whole(folder_ / "f", big.size() - 1).error().code(), Errc::too_large);
  EXPECT_EQ(read_whole(folder_ / "none", 1).error().code(), Errc::not_found);
  EXPECT_EQ(read_whole(folder_.path(), 1).error().code(), Errc::is_directory);
}

TEST_F(FileTest, makes_folders_that_are_missing) {
  const std::string path = folder_ / "a/b/c";
  ASSERT_TRUE(make_folders(path));
  ASSERT_TRUE(make_folders(path)) << "they may exist already";
  ASSERT_TRUE(make_folders(path + "/"));
  struct stat status{};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  ASSERT_TRUE(write_whole(folder_ / "file", ""));
  EXPECT_EQ(make_folders(folder_ / "file/x").error().code(), Errc::exists);
  EXPECT_EQ(make_folders("").error().code(), Errc::invalid);
}

TEST_F(FileTest, removes_and_syncs) {
  ASSERT_TRUE(write_whole(folder_ / "f", ""));
  EXPECT_TRUE(remove_file(folder_ / "f"));
  EXPECT_EQ(remove_file(folder_ / "f").error().code(), Errc::not_found);
  EXPECT_TRUE(sync_folder(folder_.path()));
  EXPECT_FALSE(sync_folder(folder_ / "none"));
}

TEST_F(FileTest, tells_the_disk_space) {
  const auto space = disk_space(folder_.path());
  ASSERT_TRUE(space);
  EXPECT_GT(space->total_bytes, 0u);
  EXPECT_LE(space->free_bytes, space->total_bytes);
}

TEST(ErrnoTest, maps_what_applications_must_tell_apart) {
  const std::pair<int, Errc> cases[] = {
      {ENOSPC, Errc::no_space},
      {EDQUOT, Errc::no_space},
      {ENOENT, Errc::not_found},
      {EEXIST, Errc::exists},
      {ENOTEMPTY, Errc::not_empty},
      {ENOTDIR, Errc::not_directory},
      {EISDIR, Errc::is_directory},
      {EPERM, Errc::not_permitted},
      {EACCES, Errc::access_denied},
      {EROFS, Errc::read_only},
      {EIO, Errc::io},
      {EMFILE, Errc::busy},
      {EADDRINUSE, Errc::busy},
      {ECONNREFUSED, Errc::unreachable},
      {ETIMEDOUT, Errc::timed_out},
      {ECANCELED, Errc::canceled},
      {ENAMETOOLONG, Errc::name_too_long},
      {12345, Errc::io},
  };
  for (const auto& [number, code] : cases) EXPECT_EQ(errc_from_errno(number), code) << number;
}

}  // namespace
}  // namespace shoal::base
