// SPDX-License-Identifier: MIT
#include "tracker/settings.h"

#include <gtest/gtest.h>

namespace shoal::tracker {
namespace {

TEST(settings, come_back_as_they_were_written) {
  Settings settings;
  settings.listen = {"0.0.0.0", 99};
  settings.copies = 3;
  auto read = parse_settings(format_settings(settings), "trackerd.toml");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->listen, settings.listen);
  EXPECT_EQ(read->copies, 3);
  EXPECT_EQ(read->holder_grace, settings.holder_grace);
}

TEST(settings, listen_on_this_machine_only_unless_told_otherwise) {
  auto read = parse_settings("", "trackerd.toml");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->listen.host, "127.0.0.1");
}

TEST(settings, errors_name_file_and_place) {
  const struct {
    const char* text;
    const char* part;
  } cases[] = {
      {"copies = 2\ncolour = \"red\"\n", "trackerd.toml:2"},
      {"copies = 0\n", "copies"},
      {"copies = \"two\"\n", "trackerd.toml:1"},
      {"listen = \"nowhere\"\n", "listen"},
      {"[log]\nlevel = \"loud\"\n", "log.level"},
      {"[log]\nformat = \"xml\"\n", "log.format"},
      {"listen = \n", "trackerd.toml:1"},
  };
  for (const auto& each : cases) {
    auto read = parse_settings(each.text, "trackerd.toml");
    ASSERT_FALSE(read) << each.text;
    EXPECT_EQ(read.error().code(), Errc::invalid) << each.text;
    EXPECT_NE(read.error().context().find(each.part), std::string::npos) << read.error().context();
  }
}

}  // namespace
}  // namespace shoal::tracker
