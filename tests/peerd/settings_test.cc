// SPDX-License-Identifier: MIT
#include "peerd/settings.h"

#include <gtest/gtest.h>

namespace shoal::peerd {
namespace {

Settings example() {
  Settings settings;
  settings.name = "desk \"of\" Ada\\\n";
  settings.listen = {"192.168.1.5", 7000};
  settings.swarm = Bytes(16, std::byte{0xab});
  settings.swarm_name = "home";
  settings.tracker = {"tracker.example", 7411};
  settings.tracker_id = PeerId{base::sha256(as_bytes("tracker"))};
  return settings;
}

TEST(Settings, are_read_back_as_join_wrote_them) {
  const Settings written = example();
  const auto read = parse_settings(format_settings(written), "peerd.toml");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->name, written.name);
  EXPECT_EQ(read->listen, written.listen);
  EXPECT_EQ(read->swarm, written.swarm);
  EXPECT_EQ(read->swarm_name, written.swarm_name);
  EXPECT_EQ(read->tracker, written.tracker);
  EXPECT_EQ(read->tracker_id, written.tracker_id);
  EXPECT_TRUE(read->advertise.empty());
  EXPECT_TRUE(read->mount_point.empty());
}

TEST(Settings, know_every_key_that_the_file_shows_as_a_comment) {
  std::string text = format_settings(example());
  std::string shown;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    std::string line = text.substr(at, end - at);
    const bool is_key = line.starts_with("# ") && line.find(" = ") != std::string::npos;
    const bool is_table = line.starts_with("# [");
    shown += (is_key || is_table ? line.substr(2) : line) + "\n";
    at = end + 1;
  }
  const auto read = parse_settings(shown, "peerd.toml");
  ASSERT_TRUE(read) << read.error().message() << "\n" << shown;
  EXPECT_EQ(read->mount_point, "/mnt/swarm");
  EXPECT_EQ(read->ceiling_bytes, std::uint64_t{100} << 30);
  EXPECT_EQ(read->upload_rate, std::uint64_t{5} << 20);
  EXPECT_EQ(read->download_rate, std::uint64_t{20} << 20);
}

struct Case {
  const char* name;
  std::string from;
  std::string to;
  std::string in_message;
};

TEST(Settings, say_where_they_are_wrong) {
  const std::string good = format_settings(example());
  const std::vector<Case> cases = {
      {"unknown key", "[swarm]", "colour = 3\n[swarm]", "peerd.toml:"},
      {"bad swarm", "id = \"abab", "id = \"xyab", "swarm.id"},
      {"short tracker id", "tracker_id = \"", "tracker_id = \"00", "swarm.tracker_id"},
      {"bad listen", "192.168.1.5:7000", "192.168.1.5:99999", "listen"},
      {"no tracker port", "tracker.example:7411", "tracker.example", "swarm.tracker"},
      {"log level", "[swarm]", "log.level = \"loud\"\n[swarm]", "log.level"},
      {"log format", "[swarm]", "log.format = \"xml\"\n[swarm]", "log.format"},
      {"empty store", "[swarm]", "store = \"\"\n[swarm]", "store"},
      {"advertise", "[swarm]", "advertise = \"a:1, nowhere\"\n[swarm]", "advertise"},
  };
  for (const Case& one : cases) {
    std::string text = good;
    const std::size_t at = text.find(one.from);
    ASSERT_NE(at, std::string::npos) << one.name;
    text.replace(at, one.from.size(), one.to);
    const auto read = parse_settings(text, "peerd.toml");
    ASSERT_FALSE(read) << one.name;
    EXPECT_EQ(read.error().code(), Errc::invalid) << one.name;
    EXPECT_NE(read.error().context().find(one.in_message), std::string::npos)
        << one.name << ": " << read.error().context();
  }
}

TEST(Settings, take_several_addresses_to_advertise) {
  const auto read =
      parse_settings("advertise = \"a.example:1, [::1]:2\"\n" + format_settings(example()), "x");
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_EQ(read->advertise.size(), 2u);
  EXPECT_EQ(read->advertise[0].host, "a.example");
  EXPECT_EQ(read->advertise[1].port, 2);
}

}  // namespace
}  // namespace shoal::peerd
