// SPDX-License-Identifier: MIT
#include "cli/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/temp_folder.h"

namespace shoal::cli {
namespace {

using namespace std::chrono_literals;

/// A proc filesystem of our own making.
class FakeProc {
 public:
  void add(pid_t pid, const std::string& executable, const std::vector<std::string>& arguments,
           char state = 'S', std::uint64_t start_ticks = 4711) {
    const std::string folder = path() + "/" + std::to_string(pid);
    std::filesystem::create_directories(folder);
    std::string cmdline;
    for (const std::string& argument : arguments) cmdline += argument + '\0';
    write(folder + "/cmdline", cmdline);
    // The name holds what could confuse a parser.
    write(folder + "/stat",
          fmt::format("{} (a) Z 1 (b) {} 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 {} 20 21\n",
                      pid, state, start_ticks));
    std::filesystem::create_symlink(executable, folder + "/exe");
    std::filesystem::create_symlink("/work/dir", folder + "/cwd");
  }
  const std::string& path() const { return folder_.path(); }
  std::string pid_file(const std::string& text) const {
    write(folder_ / "some.pid", text);
    return folder_ / "some.pid";
  }

 private:
  static void write(const std::string& path, const std::string& text) {
    ASSERT_TRUE(base::write_whole(path, text));
  }
  test::TempFolder folder_;
};

TEST(ProcessFacts, come_from_proc) {
  FakeProc proc;
  proc.add(10, "/opt/bin/peerd (deleted)", {"peerd", "--dir", "p1", "--mount=/mnt/x"});
  const auto facts = read_process(10, proc.path());
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->program, "peerd");
  EXPECT_EQ(facts->start_ticks, 4711U);
  EXPECT_EQ(facts->arguments.size(), 4U);
  EXPECT_EQ(daemon_dir(*facts), "/work/dir/p1");
  EXPECT_EQ(daemon_mount(*facts), "/mnt/x");
}

TEST(ProcessFacts, are_not_those_of_zombies_or_of_nobody) {
  FakeProc proc;
  proc.add(10, "/opt/bin/peerd", {"peerd", "--dir", "/p1"}, 'Z');
  EXPECT_FALSE(read_process(10, proc.path()));
  EXPECT_FALSE(read_process(11, proc.path()));
}

TEST(FindDaemon, takes_the_process_of_the_pid_file_when_it_is_ours) {
  FakeProc proc;
  proc.add(10, "/opt/bin/peerd", {"peerd", "--dir", "/swarm/p1/"});
  const auto found = find_daemon("peerd", "/swarm/p1", proc.pid_file("10\n"), proc.path());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->pid, 10);
}

TEST(FindDaemon, does_not_trust_the_number_in_a_pid_file) {
  FakeProc proc;
  proc.add(10, "/usr/bin/vim", {"vim", "--dir", "/swarm/p1"});                   // another program
  proc.add(11, "/opt/bin/peerd", {"peerd", "--dir", "/swarm/p2"});               // another folder
  proc.add(12, "/opt/bin/peerd", {"peerd", "join", "-", "--dir", "/swarm/p1"});  // no daemon
  proc.add(13, "/opt/bin/trackerd", {"trackerd", "--dir", "/swarm/p1"});         // another daemon
  for (const char* text : {"10", "11", "12", "13", "14", "", "x", "-10", "99999999999999"}) {
    EXPECT_FALSE(find_daemon("peerd", "/swarm/p1", proc.pid_file(text), proc.path())) << text;
  }
}

TEST(FindDaemon, finds_a_daemon_that_has_no_pid_file) {
  FakeProc proc;
  proc.add(10, "/opt/bin/peerd", {"peerd", "--dir", "/swarm/p2"});
  proc.add(11, "/opt/bin/peerd", {"peerd", "--mount", "/m", "--dir=/swarm/p1"});
  const auto found = find_daemon("peerd", "/swarm/p1", "/no/such/file", proc.path());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->pid, 11);
  EXPECT_EQ(all_daemons("peerd", proc.path()).size(), 2U);
}

class RealProcess : public testing::Test {
 protected:
  void SetUp() override {
    const auto pid = start_daemon({"/bin/cat", "/dev/zero"}, "/dev/null");
    ASSERT_TRUE(pid) << pid.error().message();
    pid_ = *pid;
    // posix_spawn returns once the program is in place.
    facts_ = read_process(pid_);
    ASSERT_TRUE(facts_);
  }
  void TearDown() override {
    ::kill(pid_, SIGKILL);
    const base::SystemClock clock;
    EXPECT_TRUE(wait_until(Deadline::after(clock, 10s), [&] { return ended_ || reap(); }));
  }
  bool reap() {
    const auto ending = child_ending(pid_);
    if (ending) ending_ = *ending;
    ended_ = ended_ || ending.has_value();
    return ended_;
  }

  base::SystemClock clock_;
  pid_t pid_ = 0;
  std::optional<ProcessFacts> facts_;
  bool ended_ = false;
  std::string ending_;
};

TEST_F(RealProcess, lives_in_a_session_of_its_own) { EXPECT_EQ(::getsid(pid_), pid_); }

TEST_F(RealProcess, is_signalled_and_waited_for) {
  const auto process = ProcessHandle::open(*facts_);
  ASSERT_TRUE(process) << process.error().message();
  EXPECT_FALSE(process->wait_ended(Deadline::after(clock_, 1ms)));
  ASSERT_TRUE(process->signal(SIGTERM));
  EXPECT_TRUE(process->wait_ended(Deadline::after(clock_, 10s)));
  ASSERT_TRUE(wait_until(Deadline::after(clock_, 10s), [&] { return reap(); }));
  EXPECT_EQ(ending_, "signal 15");
  EXPECT_EQ(process->signal(SIGTERM).error().code(), Errc::not_found);
}

TEST_F(RealProcess, is_not_taken_for_one_that_began_at_another_time) {
  facts_->start_ticks += 1;
  EXPECT_EQ(ProcessHandle::open(*facts_).error().code(), Errc::not_found);
}

TEST_F(RealProcess, is_not_running_any_more_as_a_zombie) {
  const auto process = ProcessHandle::open(*facts_);
  ASSERT_TRUE(process);
  ASSERT_TRUE(process->signal(SIGKILL));
  ASSERT_TRUE(process->wait_ended(Deadline::after(clock_, 10s)));
  EXPECT_FALSE(read_process(pid_));  // not reaped yet
}

TEST(RunProgram, gives_input_and_takes_output_and_status) {
  const auto result = run_program(
      {"/bin/sh", "-c", "read line; echo \"got $line\"; echo no >&2; exit 3"}, "word\n");
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result->status, 3);
  EXPECT_THAT(result->output, testing::HasSubstr("got word\n"));
  EXPECT_THAT(result->output, testing::HasSubstr("no\n"));
}

TEST(RunProgram, says_which_program_is_missing) {
  const auto result = run_program({"/no/such/program"}, "");
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message(), testing::HasSubstr("/no/such/program"));
}

TEST(FindInPath, finds_programs) {
  EXPECT_NE(find_in_path("sh"), "");
  EXPECT_EQ(find_in_path("no-such-program-anywhere"), "");
}

}  // namespace
}  // namespace shoal::cli
