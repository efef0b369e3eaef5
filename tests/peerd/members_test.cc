// SPDX-License-Identifier: MIT
#include "peerd/members.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace shoal::peerd {
namespace {

PeerId peer(const std::string& name) { return PeerId{base::sha256(as_bytes(name))}; }

wire::Member member(const std::string& name, std::uint16_t port) {
  wire::Member made;
  made.peer = peer(name);
  made.name = name;
  made.endpoints = {{"10.0.0.1", port}};
  return made;
}

TEST(Members, knows_who_is_on_the_latest_list) {
  Members members;
  EXPECT_TRUE(members.replace({member("a", 1), member("b", 2)}));
  EXPECT_TRUE(members.contains(peer("a")));
  EXPECT_TRUE(members.replace({member("b", 2)}));
  EXPECT_FALSE(members.contains(peer("a")));
  EXPECT_EQ(members.find(peer("b"))->endpoints.front().port, 2);
}

TEST(Members, says_when_something_that_is_kept_has_changed) {
  Members members;
  wire::Member a = member("a", 1);
  EXPECT_TRUE(members.replace({a}));
  a.online = true;
  a.free_bytes = 7;
  EXPECT_FALSE(members.replace({a}));
  EXPECT_TRUE(members.find(peer("a"))->online);
  a.endpoints.front().port = 9;
  EXPECT_TRUE(members.replace({a}));
}

TEST(Members, names_a_stranger_by_the_head_of_its_id) {
  Members members;
  members.replace({member("with\nnewline", 1)});
  EXPECT_EQ(members.name_of(peer("x")), peer("x").short_hex());
  EXPECT_EQ(members.name_of(peer("with\nnewline")).find('\n'), std::string::npos);
}

TEST(Members, survive_a_restart_in_their_file) {
  const test::TempFolder folder;
  const std::string path = folder / "members";
  Members before;
  before.replace({member("a", 1), member("b", 2)});
  ASSERT_TRUE(save_members(path, before.format()));
  Members after;
  ASSERT_TRUE(load_members(path, after));
  EXPECT_EQ(after.size(), 2u);
  EXPECT_EQ(after.find(peer("b"))->endpoints, before.find(peer("b"))->endpoints);
}

TEST(Members, begin_empty_without_a_file) {
  const test::TempFolder folder;
  Members members;
  EXPECT_TRUE(load_members(folder / "members", members));
  EXPECT_EQ(members.size(), 0u);
}

TEST(Members, refuse_a_damaged_file_and_keep_what_they_know) {
  const test::TempFolder folder;
  const std::string path = folder / "members";
  Members members;
  members.replace({member("a", 1)});
  const Bytes whole = members.format();
  for (const std::size_t length : {std::size_t{0}, std::size_t{5}, whole.size() - 1}) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    ASSERT_TRUE(save_members(path, cut));
    const auto loaded = load_members(path, members);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code(), Errc::corrupt);
    EXPECT_NE(loaded.error().context().find(path), std::string::npos);
    EXPECT_EQ(members.size(), 1u);
  }
}

}  // namespace
}  // namespace shoal::peerd
