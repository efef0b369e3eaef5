// SPDX-License-Identifier: MIT
// Fills a real trackerd through its own protocol: tracker_fill --files 1000000. Prints files made a
// second, the growth of trackerd's memory per file, its disk, and how long a lookup and a create
// take when it is empty and when it is full. --max-bytes-per-file N fails when memory grew more.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/check.h"
#include "base/file.h"
#include "base/random.h"
#include "wire/tracker_client.h"

extern char** environ;

namespace shoal::tracker_fill {
namespace {

constexpr std::uint64_t kFilesPerDirectory = 1000;
constexpr std::uint64_t kFilesPerMessage = 256;  // each is a Create and a Publish
constexpr std::size_t kMessagesUnderWay = 4;
constexpr std::uint64_t kMaxProbes = 2000;

struct Options {
  std::uint64_t files = 1'000'000;
  std::string trackerd;
  std::string dir;
  std::uint64_t max_bytes_per_file = 0;
};

template <class T>
T must(Result<T> result) {
  CHECK(result.has_value(), "{}", result.error().message());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// trackerd as a child, ended with this object.
class Tracker {
 public:
  explicit Tracker(const Options& options) : dir_(options.dir) {
    run({options.trackerd, "init", "--dir", dir_, "--name", "fill", "--listen", "127.0.0.1:0"},
        true);
    pid_ = run({options.trackerd, "--dir", dir_, "--log-level", "warning"}, false);
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!base::read_whole(dir_ + "/endpoint", 1000)) {
      CHECK(std::chrono::steady_clock::now() < patience, "trackerd does not start");
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  ~Tracker() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }

  /// Resident bytes: what is not shared with a file, so without the pages of the database's log.
  std::uint64_t resident_bytes() const {
    const std::string status =
        must(base::read_whole(fmt::format("/proc/{}/status", pid_), 1 << 16));
    const std::string_view key = "RssAnon:";
    const std::size_t at = status.find(key);
    CHECK(at != std::string::npos);
    return std::strtoull(status.c_str() + at + key.size(), nullptr, 10) * 1024;
  }
  std::uint64_t disk_bytes() const {
    struct stat status{};
    std::uint64_t sum = 0;
    for (const char* name : {"/tracker.db", "/tracker.db-wal"}) {
      if (::stat((dir_ + name).c_str(), &status) == 0) {
        sum += static_cast<std::uint64_t>(status.st_size);
      }
    }
    return sum;
  }

 private:
  static pid_t run(std::vector<std::string> words, bool wait) {
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

  std::string dir_;
  pid_t pid_ = 0;
};

class Quiet final : public wire::TrackerEvents {
 public:
  Task<Result<wire::InvalidateReply>> invalidate(wire::Invalidate) override {
    co_return wire::InvalidateReply{};
  }
  Task<Result<wire::RecallReply>> recall(wire::Recall) override { co_return wire::RecallReply{}; }
  Task<Result<wire::Empty>> copy_orders(wire::CopyOrders) override { co_return wire::Empty{}; }
  Task<Result<wire::Empty>> release_orders(wire::ReleaseOrders) override {
    co_return wire::Empty{};
  }
  void members(wire::Members) override {}
  wire::Capacity capacity() override { return {}; }
  std::vector<wire::Reclaim> reclaims() override { return {}; }
  void caches_void(bool) override {}
  void connected() override {}
};

/// Microseconds.
struct Latency {
  double median = 0;
  double p99 = 0;
};

Latency summarize(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[times.size() * 99 / 100]};
}

class Filler {
 public:
  Filler(base::Loop& loop, Timer& timer, wire::TrackerClient& client, std::uint64_t probes)
      : timer_(timer),
        client_(client),
        probes_(probes),
        under_way_(loop.get_executor(), kMessagesUnderWay),
        group_(loop.get_executor()) {}

  Task<void> fill(std::uint64_t files) {
    for (std::uint64_t done = 0; done < files; done += kFilesPerDirectory) {
      const InodeId directory = co_await make_directory();
      directories_.push_back(directory);
      for (std::uint64_t first = 0; first < kFilesPerDirectory; first += kFilesPerMessage) {
        const std::uint64_t count = std::min(kFilesPerMessage, kFilesPerDirectory - first);
        std::vector<wire::Operation> operations;
        for (std::uint64_t i = 0; i < count; ++i) {
          const InodeId inode = co_await next_inode();
          add_file(operations, directory, inode, first + i);
        }
        auto turn = co_await under_way_.acquire();
        must(std::move(turn));
        spawn(group_, send(std::move(operations)));
      }
    }
    auto all = co_await under_way_.acquire(kMessagesUnderWay);
    must(std::move(all));
    under_way_.release(kMessagesUnderWay);
  }

  Task<Latency> time_lookups() {
    std::vector<double> times;
    base::Random random(1);
    for (std::uint64_t i = 0; i < probes_; ++i) {
      wire::Lookup request{directories_[random.below(directories_.size())],
                           name_of(random.below(kFilesPerDirectory))};
      const auto start = std::chrono::steady_clock::now();
      auto reply = co_await client_.call(std::move(request), deadline());
      times.push_back(microseconds_since(start));
      CHECK(reply && reply->record);
    }
    co_return summarize(std::move(times));
  }

  Task<Latency> time_creates() {
    std::vector<double> times;
    base::Random random(2);
    for (std::uint64_t i = 0; i < probes_; ++i) {
      const InodeId inode = co_await next_inode();
      wire::Create create;
      create.parent = directories_[random.below(directories_.size())];
      create.name = fmt::format("probe{}", inode);
      create.inode = inode;
      const auto start = std::chrono::steady_clock::now();
      auto reply = co_await client_.mutate_one({std::move(create), 1}, deadline());
      times.push_back(microseconds_since(start));
      must(std::move(reply));
    }
    co_return summarize(std::move(times));
  }

  Task<void> stop() { co_await group_.stop(); }

 private:
  static double microseconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
        .count();
  }
  Deadline deadline() const { return Deadline::after(timer_.clock(), std::chrono::minutes(5)); }
  static std::string name_of(std::uint64_t number) { return fmt::format("file-{:06}.dat", number); }

  Task<InodeId> next_inode() {
    if (left_ == 0) {
      auto range = co_await client_.call(wire::AllocateInodes{}, deadline());
      CHECK(range.has_value());
      next_ = range->first;
      left_ = range->count;
    }
    --left_;
    const InodeId inode = next_;
    next_ = InodeId(next_.value() + 1);
    co_return inode;
  }

  Task<InodeId> make_directory() {
    const InodeId inode = co_await next_inode();
    wire::Create create;
    create.parent = kRootInode;
    create.name = fmt::format("directory-{}", inode);
    create.inode = inode;
    create.kind = wire::FileKind::directory;
    create.mode = 0755;
    auto reply = co_await client_.mutate_one({std::move(create), 1}, deadline());
    must(std::move(reply));
    co_return inode;
  }

  void add_file(std::vector<wire::Operation>& operations, InodeId directory, InodeId inode,
                std::uint64_t number) {
    const std::int64_t now = timer_.clock().wall().time_since_epoch().count();
    wire::Create create;
    create.parent = directory;
    create.name = name_of(number);
    create.inode = inode;
    create.mode = 0644;
    create.uid = create.gid = 1000;
    create.delegate = true;
    operations.push_back({std::move(create), now});
    wire::Publish publish;
    publish.inode = inode;
    random_.fill(publish.content.id.root.bytes);
    publish.content.id.size = 1 + random_.below(1 << 20);
    publish.allocated_bytes = publish.content.id.size;
    publish.mtime = now;
    publish.release = true;
    operations.push_back({std::move(publish), now});
  }

  Task<void> send(std::vector<wire::Operation> operations) {
    auto replies = co_await client_.mutate(std::move(operations), deadline());
    CHECK(replies.has_value(), "{}", replies.error().message());
    for (const auto& reply : *replies) CHECK(!reply.error, "{}", reply.context);
    under_way_.release();
  }

  Timer& timer_;
  wire::TrackerClient& client_;
  const std::uint64_t probes_;
  base::Semaphore under_way_;
  TaskGroup group_;
  base::Random random_{3};
  std::vector<InodeId> directories_;
  InodeId next_;
  std::uint64_t left_ = 0;
};

Task<void> keep_running(wire::RpcChannel& channel) {
  const wire::CloseReason reason = co_await channel.run();
  static_cast<void>(reason);
}

Task<wire::Invitation> invite(base::Loop& loop, Timer& timer, std::string dir) {
  const Deadline deadline = Deadline::after(timer.clock(), std::chrono::seconds(20));
  auto connection = co_await wire::connect_control(loop, timer, dir + "/control.sock", deadline);
  const wire::RpcRouter nothing;
  wire::RpcChannel channel(loop.get_executor(), timer, must(std::move(connection)), nothing);
  TaskGroup group(loop.get_executor());
  spawn(group, keep_running(channel));
  auto reply = co_await channel.call(wire::Invite{}, deadline);
  channel.close();
  co_await group.stop();
  co_return must(std::move(reply)).invitation;
}

Task<void> join(base::Loop& loop, wire::Network& network, Timer& timer,
                wire::Invitation invitation) {
  const Deadline deadline = Deadline::after(timer.clock(), std::chrono::seconds(20));
  auto connection = co_await network.connect(invitation.tracker, invitation.tracker_id, deadline);
  const wire::RpcRouter nothing;
  wire::RpcChannel channel(loop.get_executor(), timer, must(std::move(connection)), nothing);
  TaskGroup group(loop.get_executor());
  spawn(group, keep_running(channel));
  auto reply = co_await channel.call(wire::Join{invitation.secret, "fill"}, deadline);
  channel.close();
  co_await group.stop();
  must(std::move(reply));
}

nlohmann::json to_json(const Latency& latency) {
  return {{"median_us", latency.median}, {"p99_us", latency.p99}};
}

Task<void> measure(const Options& options, const Tracker& tracker, base::Loop& loop,
                   wire::Network& network, Timer& timer, nlohmann::json& report) {
  const wire::Invitation invitation = co_await invite(loop, timer, options.dir);
  co_await join(loop, network, timer, invitation);
  Quiet events;
  wire::TrackerClient::Options client_options;
  client_options.tracker = invitation.tracker;
  client_options.tracker_id = invitation.tracker_id;
  client_options.name = "fill";
  wire::TrackerClient client(loop.get_executor(), network, timer, events,
                             std::move(client_options));
  auto started = co_await client.start(Deadline::after(timer.clock(), std::chrono::seconds(20)));
  must(std::move(started));

  Filler filler(loop, timer, client,
                std::clamp<std::uint64_t>(options.files / 100, 10, kMaxProbes));
  co_await filler.fill(10 * kFilesPerDirectory);  // buffers, statements, caches
  const Latency lookup_empty = co_await filler.time_lookups();
  const Latency create_empty = co_await filler.time_creates();
  const std::uint64_t before = tracker.resident_bytes();
  const std::uint64_t disk_before = tracker.disk_bytes();
  const auto start = std::chrono::steady_clock::now();
  co_await filler.fill(options.files);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::uint64_t after = tracker.resident_bytes();
  const auto files = static_cast<double>(options.files);
  report["files"] = options.files;
  report["files_per_second"] = files / seconds;
  report["memory_before_bytes"] = before;
  report["memory_after_bytes"] = after;
  report["memory_bytes_per_file"] = static_cast<double>(after - std::min(before, after)) / files;
  report["disk_bytes_per_file"] = static_cast<double>(tracker.disk_bytes() - disk_before) / files;
  report["lookup_at_10k"] = to_json(lookup_empty);
  report["create_at_10k"] = to_json(create_empty);
  const Latency lookup_full = co_await filler.time_lookups();
  const Latency create_full = co_await filler.time_creates();
  report["lookup_full"] = to_json(lookup_full);
  report["create_full"] = to_json(create_full);
  co_await filler.stop();
  co_await client.stop();
}

int run(Options options) {
  const bool own_dir = options.dir.empty();
  if (own_dir) {
    options.dir =
        (std::filesystem::temp_directory_path() / fmt::format("shoal-tracker-fill-{}", ::getpid()))
            .string();
  }
  nlohmann::json report;
  {
    const Tracker tracker(options);
    base::Loop loop;
    const auto timer = base::make_system_timer();
    const wire::Identity identity = must(wire::Identity::generate());
    const auto network = wire::make_tls_network(loop, *timer, identity);
    base::run_until_done(loop, measure(options, tracker, loop, *network, *timer, report));
  }
  std::error_code ignored;
  if (own_dir) std::filesystem::remove_all(options.dir, ignored);
  std::cout << report.dump(2) << '\n';
  const double growth = report["memory_bytes_per_file"];
  if (options.max_bytes_per_file == 0) return 0;
  return growth <= static_cast<double>(options.max_bytes_per_file) ? 0 : 1;
}

int parse_and_run(int argc, char** argv) {
  Options options;
  std::error_code ignored;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  options.trackerd = (self.parent_path() / "trackerd").string();
  CLI::App app("Fills a tracker with files and measures it.", "tracker_fill");
  app.add_option("--files", options.files, "How many")->check(CLI::Range(1000, 100'000'000));
  app.add_option("--trackerd", options.trackerd, "The program (default: beside this one)");
  app.add_option("--dir", options.dir, "An empty folder for the tracker, kept (default: in /tmp)");
  app.add_option("--max-bytes-per-file", options.max_bytes_per_file,
                 "Fail when memory grew more than this");
  CLI11_PARSE(app, argc, argv);
  return run(std::move(options));
}

}  // namespace
}  // namespace shoal::tracker_fill

int main(int argc, char** argv) { return shoal::tracker_fill::parse_and_run(argc, argv); }
