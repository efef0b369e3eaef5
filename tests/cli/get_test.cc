// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/file.h"
#include "base/random.h"
#include "cli/swarm_verbs.h"
#include "tests/cli/fake_peer.h"

namespace shoal::cli {
namespace {

using testing::HasSubstr;

constexpr std::size_t kMebi = 1024 * 1024;

std::string random_bytes(std::size_t size, std::uint64_t seed = 1) {
  std::string bytes(size, '\0');
  base::Random random(seed);
  random.fill(std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

class Get : public testing::Test {
 protected:
  Result<ExitCode> get(const FakePeer& peer, const std::string& path = FakePeer::kPath,
                       bool force = false) {
    return run_get({.dir = peer.dir(),
                    .path = path,
                    .destination = destination_,
                    .progress = "none",
                    .force = force},
                   Output({.quiet = true}));
  }
  std::string file(const std::string& path) const {
    const auto text = base::read_whole(path, 64 * kMebi);
    return text ? *text : "(" + text.error().message() + ")";
  }
  bool exists(const std::string& path) const { return std::filesystem::exists(path); }

  test::TempFolder folder_;
  std::string destination_ = folder_ / "film";
  std::string part_ = destination_ + ".part";
};

TEST_F(Get, writes_the_bytes_with_mode_and_time) {
  const std::string bytes = random_bytes(9 * kMebi + 321);
  const FakePeer peer(bytes);
  const auto done = get(peer);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(file(destination_), bytes);
  EXPECT_FALSE(exists(part_));
  struct stat facts{};
  ASSERT_EQ(::stat(destination_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mtim.tv_sec, 1'700'000'000);
  EXPECT_EQ(facts.st_mtim.tv_nsec, 123'456'789);
  EXPECT_EQ(facts.st_mode & 07777U, 0640U);
}

TEST_F(Get, writes_an_empty_file) {
  const FakePeer peer("");
  ASSERT_TRUE(get(peer));
  EXPECT_EQ(file(destination_), "");
}

TEST_F(Get, goes_on_where_an_earlier_run_ended) {
  const std::string bytes = random_bytes(13 * kMebi);
  FakePeer peer(bytes);
  peer.fail_from(8 * kMebi);
  const auto failed = get(peer);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Errc::unreachable);
  EXPECT_THAT(failed.error().message(), HasSubstr(FakePeer::kPath));
  EXPECT_FALSE(exists(destination_));
  ASSERT_EQ(file(part_).size(), 8 * kMebi);

  peer.fail_from(~std::uint64_t{0});
  const std::size_t before = peer.served().size();
  ASSERT_TRUE(get(peer));
  EXPECT_EQ(file(destination_), bytes);
  EXPECT_EQ(peer.served().at(before), 8 * kMebi);
}

TEST_F(Get, keeps_only_what_is_right_of_an_earlier_run) {
  const std::string bytes = random_bytes(6 * kMebi);
  const FakePeer peer(bytes);
  std::string damaged = bytes.substr(0, 4 * kMebi + 100);
  damaged[2 * kMebi + 5] ^= 1;
  ASSERT_TRUE(base::write_whole(part_, damaged));
  ASSERT_TRUE(get(peer));
  EXPECT_EQ(file(destination_), bytes);
  EXPECT_EQ(peer.served().front(), 2 * kMebi);
}

TEST_F(Get, needs_no_bytes_for_a_part_that_is_whole) {
  const std::string bytes = random_bytes(3 * kMebi + 7);
  const FakePeer peer(bytes);
  ASSERT_TRUE(base::write_whole(part_, bytes + "surplus"));
  ASSERT_TRUE(get(peer));
  EXPECT_EQ(file(destination_), bytes);
  EXPECT_TRUE(peer.served().empty());
}

TEST_F(Get, does_not_replace_a_file_unless_told_to) {
  const FakePeer peer("new");
  ASSERT_TRUE(base::write_whole(destination_, "old"));
  EXPECT_EQ(get(peer).error().code(), Errc::exists);
  EXPECT_EQ(file(destination_), "old");
  ASSERT_TRUE(get(peer, FakePeer::kPath, /*force=*/true));
  EXPECT_EQ(file(destination_), "new");
}

TEST_F(Get, puts_the_file_into_a_folder_under_its_own_name) {
  const FakePeer peer("bytes");
  std::filesystem::create_directory(destination_);
  ASSERT_TRUE(get(peer));
  EXPECT_EQ(file(destination_ + "/film.mkv"), "bytes");
}

TEST_F(Get, follows_a_link_at_the_end) {
  const FakePeer peer("bytes");
  const auto done = get(peer, "/docs/link");
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(file(destination_), "bytes");
}

TEST_F(Get, understands_a_path_in_the_mount) {
  const FakePeer peer("bytes");
  const auto done = get(peer, "/somewhere/mnt/docs/film.mkv");
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(file(destination_), "bytes");
}

TEST_F(Get, says_what_it_cannot_get) {
  const FakePeer peer("bytes");
  EXPECT_EQ(get(peer, "/nothing").error().code(), Errc::not_found);
  const auto directory = get(peer, "/docs");
  ASSERT_FALSE(directory);
  EXPECT_THAT(directory.error().message(), HasSubstr("cp -a"));
  EXPECT_FALSE(exists(part_));
}

TEST_F(Get, starts_again_when_the_file_changes_underneath) {
  const std::string old_bytes = random_bytes(6 * kMebi, 1);
  const std::string new_bytes = random_bytes(5 * kMebi, 2);
  FakePeer peer(old_bytes);
  auto client = Client::connect(peer.dir() + "/control.sock");
  ASSERT_TRUE(client);
  const auto resolved = client->resolve(FakePeer::kPath);
  ASSERT_TRUE(resolved);
  peer.change(new_bytes);
  // What a reader of the old content is told.
  const auto read =
      client->read_content(resolved->found.record.inode, resolved->found.record.content, 0,
                           [](std::uint64_t, ByteView) -> Result<void> { return {}; });
  EXPECT_EQ(read.error().code(), Errc::stale);
  // What get makes of it: the part of the old content is not mixed in.
  ASSERT_TRUE(base::write_whole(part_, old_bytes));
  ASSERT_TRUE(get(peer));
  EXPECT_EQ(file(destination_), new_bytes);
}

TEST_F(Get, ends_when_the_disk_refuses) {
  const FakePeer peer(random_bytes(9 * kMebi));
  auto client = Client::connect(peer.dir() + "/control.sock");
  ASSERT_TRUE(client);
  const auto resolved = client->resolve(FakePeer::kPath);
  ASSERT_TRUE(resolved);
  int calls = 0;
  const auto read =
      client->read_content(resolved->found.record.inode, resolved->found.record.content, 0,
                           [&](std::uint64_t offset, ByteView) -> Result<void> {
                             ++calls;
                             if (offset == 0) return {};
                             return fail(Errc::no_space, "disk full");
                           });
  EXPECT_EQ(read.error().code(), Errc::no_space);
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(client->status());  // the connection is still good
}

TEST(ClientConnect, says_that_nobody_answers) {
  const test::TempFolder folder;
  EXPECT_EQ(Client::connect(folder / "control.sock").error().code(), Errc::unreachable);
}

TEST(Targets, are_found_by_folder) {
  const FakePeer peer("x");
  const auto targets = find_targets({.dir = peer.dir(), .path = {}, .wanted = Wanted::peer});
  ASSERT_TRUE(targets);
  ASSERT_EQ(targets->size(), 1U);
  EXPECT_FALSE(targets->front().is_tracker);
  EXPECT_EQ(find_targets({.dir = peer.dir(), .path = {}, .wanted = Wanted::tracker}).error().code(),
            Errc::not_found);
  EXPECT_TRUE(connect_target({.dir = peer.dir(), .path = {}, .wanted = Wanted::anyone}));
}

TEST(Targets, say_how_to_start_a_daemon_that_does_not_answer) {
  const test::TempFolder folder;
  ASSERT_TRUE(base::write_whole(folder / "peerd.toml", ""));
  const auto connected =
      connect_target({.dir = folder.path(), .path = {}, .wanted = Wanted::anyone});
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().code(), Errc::unreachable);
  EXPECT_THAT(connected.error().message(), HasSubstr("peerd --dir"));
}

}  // namespace
}  // namespace shoal::cli
