// SPDX-License-Identifier: MIT
#include "cli/lab.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/lab_verbs.h"
#include "cli/paths.h"
#include "tests/support/temp_folder.h"

namespace shoal::cli {
namespace {

using testing::HasSubstr;

TEST(Lab, keeps_everything_where_scripts_look_for_it) {
  const Lab lab{.dir = "/l", .peer_count = 3, .copies = 2};
  EXPECT_EQ(lab.tracker().dir, "/l/tracker");
  EXPECT_EQ(lab.tracker().pid_file(), "/l/tracker/trackerd.pid");
  EXPECT_TRUE(lab.tracker().is_tracker());
  EXPECT_EQ(lab.peer(2).mount, "/l/peer2/mnt");
  EXPECT_EQ(lab.peer(2).pid_file(), "/l/peer2/peerd.pid");
  EXPECT_EQ(lab.peer(2).log(), "/l/peer2/log");
  EXPECT_EQ(lab.peers().size(), 3U);
}

TEST(Lab, knows_its_daemons_by_name_or_number) {
  const Lab lab{.dir = "/l", .peer_count = 3, .copies = 2};
  EXPECT_EQ(lab.daemon("1")->name, "peer1");
  EXPECT_EQ(lab.daemon("peer3")->name, "peer3");
  EXPECT_EQ(lab.daemon("tracker")->name, "tracker");
  for (const char* name : {"0", "4", "peer", "peer4", "", "one", "1x", "-1", "trackerd"}) {
    EXPECT_EQ(lab.daemon(name).error().code(), Errc::invalid) << name;
  }
}

TEST(Lab, is_read_as_it_was_saved) {
  const test::TempFolder folder;
  EXPECT_FALSE(is_lab(folder.path()));
  EXPECT_EQ(load_lab(folder.path()).error().code(), Errc::not_found);
  ASSERT_TRUE(save_lab({.dir = folder.path(), .peer_count = 5, .copies = 3}));
  const auto lab = load_lab(folder.path());
  ASSERT_TRUE(lab);
  EXPECT_EQ(lab->peer_count, 5);
  EXPECT_EQ(lab->copies, 3);
}

TEST(Lab, says_that_its_file_is_damaged) {
  const test::TempFolder folder;
  for (const char* text :
       {"", "{", "[]", "7", "null", "{\"schema\":2,\"peers\":1,\"copies\":1}",
        "{\"schema\":1,\"peers\":0,\"copies\":1}", "{\"schema\":1,\"peers\":\"3\",\"copies\":1}",
        "{\"schema\":1,\"peers\":100000,\"copies\":1}", "{\"schema\":1,\"peers\":3}"}) {
    ASSERT_TRUE(base::write_whole(folder / "lab.json", text));
    EXPECT_EQ(load_lab(folder.path()).error().code(), Errc::corrupt) << text;
  }
}

TEST(Lab, is_the_named_one_else_that_of_the_environment_else_the_last) {
  const test::TempFolder folder;
  const std::string root = *real_path(folder.path());
  ::setenv("XDG_STATE_HOME", (root + "/state").c_str(), 1);
  ::unsetenv("SHOAL_LAB");
  EXPECT_EQ(lab_dir_of("").error().code(), Errc::not_found);
  std::filesystem::create_directory(root + "/last");
  ASSERT_TRUE(save_lab({.dir = root + "/last", .peer_count = 1, .copies = 1}));
  remember_lab(root + "/last");
  EXPECT_EQ(*lab_dir_of(""), root + "/last");
  ::setenv("SHOAL_LAB", (root + "/env").c_str(), 1);
  EXPECT_EQ(*lab_dir_of(""), root + "/env");
  EXPECT_EQ(*lab_dir_of(root + "/given/"), root + "/given");
  ::unsetenv("SHOAL_LAB");
  std::filesystem::remove_all(root + "/last");
  EXPECT_EQ(lab_dir_of("").error().code(), Errc::not_found);
  ::unsetenv("XDG_STATE_HOME");
}

TEST(Lab, lets_one_tool_at_a_time_change_it) {
  const test::TempFolder folder;
  auto first = lock_lab(folder.path());
  ASSERT_TRUE(first);
  EXPECT_EQ(lock_lab(folder.path()).error().code(), Errc::busy);
  *first = base::Fd();
  EXPECT_TRUE(lock_lab(folder.path()));
}

TEST(Lab, refuses_a_folder_too_long_for_sockets) {
  const auto started =
      run_lab_start({.dir = "/tmp/" + std::string(90, 'x'), .peers = 1, .copies = 1}, Output({}));
  ASSERT_FALSE(started);
  if (started.error().code() != Errc::invalid) GTEST_SKIP() << started.error().message();
  EXPECT_THAT(started.error().message(), HasSubstr("shorter --dir"));
}

TEST(LogTail, shows_the_last_lines_since_a_position) {
  const test::TempFolder folder;
  std::string text = "old line\n";
  const std::uint64_t from = text.size();
  for (int i = 1; i <= 20; ++i) text += fmt::format("line {}\n", i);
  ASSERT_TRUE(base::write_whole(folder / "log", text + "bad \x1b byte"));
  const std::string tail = log_tail(folder / "log", from);
  EXPECT_THAT(tail, HasSubstr("\n    line 20\n"));
  EXPECT_THAT(tail, HasSubstr("\n    bad \\x"));
  EXPECT_THAT(tail, testing::Not(HasSubstr("line 6\n")));
  EXPECT_EQ(log_tail(folder / "log", text.size() + 100), "");
  EXPECT_EQ(log_tail(folder / "nothing", 0), "");
  ASSERT_TRUE(base::write_whole(folder / "log", "old line\nnew line\n"));
  EXPECT_EQ(log_tail(folder / "log", from), "\n    new line");
}

ProcessFacts some_process() {
  return {.pid = 7, .program = "peerd", .arguments = {}, .folder = "/", .start_ticks = 1};
}

LabState healthy_lab() {
  LabState state;
  state.lab = {.dir = "/l", .peer_count = 1, .copies = 1};
  state.tracker = some_process();
  state.tracker_endpoint = "127.0.0.1:20001";
  wire::Member member;
  member.name = "peer1";
  member.online = true;
  member.stored_bytes = 12;
  state.swarm.emplace();
  state.swarm->members = {member};
  state.swarm->health.files = 4;
  LabPeerState peer;
  peer.daemon = state.lab.peer(1);
  peer.process = some_process();
  peer.is_mounted = true;
  peer.is_online = true;
  state.peers = {peer};
  return state;
}

TEST(LabHealth, is_degraded_when_anything_is_wrong) {
  EXPECT_EQ(health_of(healthy_lab()), LabHealth::healthy);
  LabState state = healthy_lab();
  state.swarm->health.under = 1;
  EXPECT_EQ(health_of(state), LabHealth::copying);
  state.swarm->health.unavailable = 1;
  EXPECT_EQ(health_of(state), LabHealth::degraded);
  state = healthy_lab();
  state.peers[0].process.reset();
  EXPECT_EQ(health_of(state), LabHealth::degraded);
  state = healthy_lab();
  state.peers[0].is_mounted = false;
  EXPECT_EQ(health_of(state), LabHealth::degraded);
  state = healthy_lab();
  state.peers[0].is_online = false;
  EXPECT_EQ(health_of(state), LabHealth::degraded);
  state = healthy_lab();
  state.tracker.reset();
  state.swarm.reset();
  EXPECT_EQ(health_of(state), LabHealth::degraded);
  state.peers[0].process.reset();
  EXPECT_EQ(health_of(state), LabHealth::stopped);
}

TEST(LabStatus, has_the_fields_that_scripts_read) {
  const Json json = Json::parse(json_text(json_of(healthy_lab())));
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["state"], "healthy");
  EXPECT_EQ(json["dir"], "/l");
  EXPECT_EQ(json["tracker"]["pid"], 7);
  EXPECT_EQ(json["tracker"]["running"], true);
  EXPECT_EQ(json["tracker"]["endpoint"], "127.0.0.1:20001");
  const Json& peer = json["peers"][0];
  EXPECT_EQ(peer["name"], "peer1");
  EXPECT_EQ(peer["running"], true);
  EXPECT_EQ(peer["mounted"], true);
  EXPECT_EQ(peer["online"], true);
  EXPECT_EQ(peer["mount"], "/l/peer1/mnt");
  EXPECT_EQ(peer["stored_bytes"], 12);
  EXPECT_EQ(json["health"]["files"], 4);
  EXPECT_EQ(json["health"]["under"], 0);
  EXPECT_EQ(json["health"]["unavailable"], 0);
  EXPECT_EQ(json["health"]["lost"], 0);
}

TEST(LabStatus, has_no_health_when_the_tracker_is_down) {
  LabState state = healthy_lab();
  state.tracker.reset();
  state.swarm.reset();
  const Json json = Json::parse(json_text(json_of(state)));
  EXPECT_TRUE(json["health"].is_null());
  EXPECT_TRUE(json["tracker"]["pid"].is_null());
  EXPECT_EQ(json["state"], "degraded");
  EXPECT_THAT(text_of(state, Output({})), HasSubstr("the tracker does not answer"));
}

}  // namespace
}  // namespace shoal::cli
