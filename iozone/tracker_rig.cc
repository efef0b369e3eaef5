// SPDX-License-Identifier: MIT
#include "iozone/tracker_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.h"
#include "base/log.h"

extern char** environ;

namespace shoal::bench {
namespace {

pid_t run(std::vector<std::string> words, bool wait) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  const int failed = ::posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  CHECK(failed == 0, "{} does not start", words[0]);
  if (!wait) return pid;
  int status = 0;
  ::waitpid(pid, &status, 0);
  CHECK(status == 0, "{} {} failed", words[0], words[1]);
  return pid;
}

Task<void> keep_running(wire::RpcChannel& channel) {
  const wire::CloseReason reason = co_await channel.run();
  static_cast<void>(reason);
}

/// One request over a connection of its own.
template <class Request>
Task<typename Request::Reply> ask_once(base::Loop& loop, Timer& timer,
                                       std::unique_ptr<wire::Connection> connection,
                                       Request request, Deadline deadline) {
  const wire::RpcRouter nothing;
  wire::RpcChannel channel(loop.get_executor(), timer, std::move(connection), nothing);
  TaskGroup group(loop.get_executor());
  spawn(group, keep_running(channel));
  auto reply = co_await channel.call(std::move(request), deadline);
  channel.close();
  co_await group.stop();
  co_return must(std::move(reply));
}

}  // namespace

Tracker::Tracker(std::string trackerd, std::string dir)
    : dir_(std::move(dir)), is_own_dir_(dir_.empty()) {
  base::LogOptions log;
  log.level = base::LogLevel::warning;
  base::start_log(log);
  if (is_own_dir_) {
    std::string name = (std::filesystem::temp_directory_path() / "shoal-tracker-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr, "{} cannot be made", name);
    dir_ = std::move(name);
  }
  run({trackerd, "init", "--dir", dir_, "--name", "bench", "--listen", "127.0.0.1:0"}, true);
  pid_ = run({std::move(trackerd), "--dir", dir_, "--log-level", "warning"}, false);
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!base::read_whole(dir_ + "/endpoint", 1000)) {
    CHECK(std::chrono::steady_clock::now() < patience, "trackerd does not start");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

Tracker::~Tracker() {
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
  std::error_code ignored;
  if (is_own_dir_) std::filesystem::remove_all(dir_, ignored);
}

std::uint64_t Tracker::resident_bytes() const {
  const std::string status = must(base::read_whole(fmt::format("/proc/{}/status", pid_), 1 << 16));
  const std::string_view key = "RssAnon:";
  const std::size_t at = status.find(key);
  CHECK(at != std::string::npos);
  return std::strtoull(status.c_str() + at + key.size(), nullptr, 10) * 1024;
}

std::uint64_t Tracker::disk_bytes() const {
  struct stat status{};
  std::uint64_t sum = 0;
  for (const char* name : {"/tracker.db", "/tracker.db-wal"}) {
    if (::stat((dir_ + name).c_str(), &status) == 0) {
      sum += static_cast<std::uint64_t>(status.st_size);
    }
  }
  return sum;
}

std::string trackerd_beside_us() {
  std::error_code ignored;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  return (self.parent_path() / "trackerd").string();
}

Task<Result<wire::InvalidateReply>> Quiet::invalidate(wire::Invalidate) {
  co_return wire::InvalidateReply{};
}
Task<Result<wire::RecallReply>> Quiet::recall(wire::Recall) { co_return wire::RecallReply{}; }
Task<Result<wire::Empty>> Quiet::copy_orders(wire::CopyOrders) { co_return wire::Empty{}; }
Task<Result<wire::Empty>> Quiet::release_orders(wire::ReleaseOrders) { co_return wire::Empty{}; }

Task<wire::TrackerClient::Options> join(base::Loop& loop, wire::Network& network, Timer& timer,
                                        std::string tracker_dir, std::string name) {
  const Deadline deadline = Deadline::after(timer.clock(), std::chrono::seconds(20));
  auto control =
      co_await wire::connect_control(loop, timer, tracker_dir + "/control.sock", deadline);
  const wire::InviteReply invited =
      co_await ask_once(loop, timer, must(std::move(control)), wire::Invite{}, deadline);
  const wire::Invitation& invitation = invited.invitation;
  auto connection = co_await network.connect(invitation.tracker, invitation.tracker_id, deadline);
  wire::Join request{invitation.secret, name};
  const wire::JoinReply joined =
      co_await ask_once(loop, timer, must(std::move(connection)), std::move(request), deadline);
  static_cast<void>(joined);
  wire::TrackerClient::Options options;
  options.tracker = invitation.tracker;
  options.tracker_id = invitation.tracker_id;
  options.name = std::move(name);
  co_return options;
}

Task<InodeId> InodeNumbers::next(Deadline deadline) {
  if (left_ == 0) {
    auto range = co_await client_.call(wire::AllocateInodes{}, deadline);
    CHECK(range.has_value());
    next_ = range->first;
    left_ = range->count;
  }
  --left_;
  const InodeId inode = next_;
  next_ = InodeId(next_.value() + 1);
  co_return inode;
}

double microseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
      .count();
}

nlohmann::json summarize(std::vector<double> times) {
  CHECK(!times.empty());
  std::sort(times.begin(), times.end());
  return {{"median_us", times[times.size() / 2]}, {"p99_us", times[times.size() * 99 / 100]}};
}

}  // namespace shoal::bench
