// SPDX-License-Identifier: MIT
#include "base/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace shoal::base {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

struct Settings {
  std::string name = "default";
  bool mount = true;
  std::int64_t port = 7700;
  std::uint64_t ceiling = 1;
  Duration budget = 10s;

  auto operator<=>(const Settings&) const = default;
};

Result<void> parse(std::string_view toml, Settings& settings) {
  ConfigSchema schema;
  schema.text("name", settings.name)
      .flag("mount", settings.mount)
      .integer("listen.port", settings.port, 0, 65535)
      .bytes("cache.ceiling_bytes", settings.ceiling)
      .duration("cache.budget", settings.budget);
  return schema.parse(toml, "peer.toml");
}

/// The message that toml is refused with; nothing may have been set.
std::string refusal(std::string_view toml) {
  Settings settings;
  const auto done = parse(toml, settings);
  EXPECT_FALSE(done) << toml;
  EXPECT_EQ(settings, Settings{}) << toml;
  if (done) return "";
  EXPECT_EQ(done.error().code(), Errc::invalid);
  return done.error().context();
}

TEST(ConfigTest, puts_values_into_their_places) {
  Settings settings;
  const auto done = parse(R"(
    name = "otter"
    mount = false
    [listen]
    port = 0
    [cache]
    ceiling_bytes = "20 GiB"
    budget = "1m 30s"
  )",
                          settings);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(settings, (Settings{"otter", false, 0, std::uint64_t{20} << 30, 90s}));
}

TEST(ConfigTest, absent_keys_keep_their_defaults) {
  Settings settings;
  ASSERT_TRUE(parse("cache.ceiling_bytes = 4096", settings));
  EXPECT_EQ(settings, (Settings{.ceiling = 4096}));
  ASSERT_TRUE(parse("", settings));
}

TEST(ConfigTest, an_unknown_key_names_file_and_line) {
  EXPECT_EQ(refusal("name = \"x\"\n\nnmae = \"y\"\n"), "peer.toml:3: unknown key 'nmae'");
  EXPECT_EQ(refusal("[cache]\nceiling = 1\n"), "peer.toml:2: unknown key 'cache.ceiling'");
  EXPECT_EQ(refusal("\n[cash]\n"), "peer.toml:2: unknown section 'cash'");
  EXPECT_EQ(refusal("cache = 1"), "peer.toml:1: unknown key 'cache'");
  EXPECT_EQ(refusal("[name]\n"), "peer.toml:1: unknown section 'name'");
}

TEST(ConfigTest, a_wrong_type_names_file_line_and_key) {
  EXPECT_EQ(refusal("\nname = 1"), "peer.toml:2: name: text in quotes is needed");
  EXPECT_EQ(refusal("mount = \"yes\""), "peer.toml:1: mount: true or false is needed");
  EXPECT_EQ(refusal("listen.port = 1.5"),
            "peer.toml:1: listen.port: a whole number from 0 to 65535 is needed");
  EXPECT_THAT(refusal("listen.port = 65536"), HasSubstr("from 0 to 65535"));
  EXPECT_THAT(refusal("cache.ceiling_bytes = -1"), HasSubstr("size such as"));
  EXPECT_THAT(refusal("cache.ceiling_bytes = \"20 GiBs\""), HasSubstr("'20 GiBs' is not a size"));
  EXPECT_THAT(refusal("cache.budget = 5"), HasSubstr("duration such as"));
  EXPECT_THAT(refusal("name = [\"a\"]"), HasSubstr("peer.toml:1: name"));
}

TEST(ConfigTest, broken_toml_names_file_and_line) {
  EXPECT_THAT(refusal("name = \"a\"\nname = \"b\"\n"), HasSubstr("peer.toml:2: "));
  EXPECT_THAT(refusal("\n\nname = "), HasSubstr("peer.toml:3: "));
  EXPECT_THAT(refusal("name = \"\xff\""), HasSubstr("peer.toml:1: "));
}

TEST(ConfigTest, a_mistake_leaves_every_place_as_it_was) {
  refusal("name = \"otter\"\nzzz = 1\n");  // checks it
}

TEST(ConfigTest, reads_files_and_says_when_there_is_none) {
  test::TempFolder folder;
  std::string name;
  ConfigSchema schema;
  schema.text("name", name);
  EXPECT_EQ(schema.read(folder / "none.toml").error().code(), Errc::not_found);
  ASSERT_TRUE(write_whole(folder / "a.toml", "name = 'x'"));
  ASSERT_TRUE(schema.read(folder / "a.toml"));
  EXPECT_EQ(name, "x");
}

}  // namespace
}  // namespace shoal::base
