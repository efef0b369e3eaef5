// SPDX-License-Identifier: MIT
#include "cli/paths.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace shoal::cli {
namespace {

TEST(Paths, normalises_paths_of_the_swarm) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "/"},           {"/", "/"},          {"a", "/a"},          {"/a/b/", "/a/b"},
      {"//a///b", "/a/b"}, {"./a/./b", "/a/b"}, {"/a/../b", "/b"},    {"../../a", "/a"},
      {"/a/..", "/"},      {"/...", "/..."},    {"/a b\n", "/a b\n"}, {"/\xff", "/\xff"},
  };
  for (const auto& [given, expected] : cases) EXPECT_EQ(swarm_path(given), expected) << given;
}

TEST(Paths, finds_the_path_in_the_swarm_that_is_meant) {
  struct Case {
    const char* path;
    const char* folder;
    const char* mount;
    const char* expected;
  };
  const Case cases[] = {
      {"/docs/a", "/home/me", "", "/docs/a"},                      // nothing mounted
      {"/docs/a", "/home/me", "/mnt/swarm", "/docs/a"},            // from the swarm's root
      {"docs/a", "/home/me", "/mnt/swarm", "/docs/a"},             // the same
      {"/mnt/swarm/docs/a", "/home/me", "/mnt/swarm", "/docs/a"},  // in the mount
      {"/mnt/swarm", "/home/me", "/mnt/swarm", "/"},               // the mount itself
      {"/mnt/swarmer/a", "/home/me", "/mnt/swarm", "/mnt/swarmer/a"},
      {"a", "/mnt/swarm/docs", "/mnt/swarm", "/docs/a"},  // relative, inside the mount
      {"../a", "/mnt/swarm/docs", "/mnt/swarm", "/a"},
      {".", "/mnt/swarm", "/mnt/swarm", "/"},
      {"../mnt/swarm/x", "/home", "/mnt/swarm", "/x"},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(swarm_path_of(one.path, one.folder, one.mount), one.expected)
        << one.path << " in " << one.folder;
  }
}

TEST(Paths, takes_the_last_component) {
  EXPECT_EQ(base_name("/a/b"), "b");
  EXPECT_EQ(base_name("b"), "b");
  EXPECT_EQ(base_name("/"), "/");
}

TEST(Paths, resolves_links_and_keeps_what_does_not_exist) {
  const test::TempFolder folder;
  std::filesystem::create_directory(folder / "real");
  std::filesystem::create_directory_symlink(folder / "real", folder / "link");
  const auto real = real_path(folder / "real");
  ASSERT_TRUE(real);
  EXPECT_EQ(*real_path(folder / "link/"), *real);
  EXPECT_EQ(*real_path(folder / "link/new/thing"), *real + "/new/thing");
}

}  // namespace
}  // namespace shoal::cli
