// SPDX-License-Identifier: MIT
// Fills a real trackerd through its own protocol: tracker_fill --files 1000000. Prints files made a
// second, the growth of trackerd's memory per file, its disk, and how long a lookup and a create
// take when it is empty and when it is full. --max-bytes-per-file N fails when memory grew more.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "iozone/tracker_rig.h"

namespace shoal::bench {
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

class Filler {
 public:
  Filler(base::Loop& loop, Timer& timer, wire::TrackerClient& client, std::uint64_t probes)
      : timer_(timer),
        client_(client),
        inodes_(client),
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
          const InodeId inode = co_await inodes_.next(deadline());
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

  Task<nlohmann::json> time_lookups() {
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

  Task<nlohmann::json> time_creates() {
    std::vector<double> times;
    base::Random random(2);
    for (std::uint64_t i = 0; i < probes_; ++i) {
      const InodeId inode = co_await inodes_.next(deadline());
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
  Deadline deadline() const { return Deadline::after(timer_.clock(), std::chrono::minutes(5)); }
  static std::string name_of(std::uint64_t number) { return fmt::format("file-{:06}.dat", number); }

  Task<InodeId> make_directory() {
    const InodeId inode = co_await inodes_.next(deadline());
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
  InodeNumbers inodes_;
  const std::uint64_t probes_;
  base::Semaphore under_way_;
  TaskGroup group_;
  base::Random random_{3};
  std::vector<InodeId> directories_;
};

Task<void> measure(const Options& options, const Tracker& tracker, base::Loop& loop,
                   wire::Network& network, Timer& timer, nlohmann::json& report) {
  Quiet events;
  wire::TrackerClient::Options joined = co_await join(loop, network, timer, tracker.dir(), "fill");
  wire::TrackerClient client(loop.get_executor(), network, timer, events, std::move(joined));
  auto started = co_await client.start(Deadline::after(timer.clock(), std::chrono::seconds(20)));
  must(std::move(started));

  Filler filler(loop, timer, client,
                std::clamp<std::uint64_t>(options.files / 100, 10, kMaxProbes));
  co_await filler.fill(10 * kFilesPerDirectory);  // buffers, statements, caches
  const nlohmann::json lookup_empty = co_await filler.time_lookups();
  const nlohmann::json create_empty = co_await filler.time_creates();
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
  report["lookup_at_10k"] = lookup_empty;
  report["create_at_10k"] = create_empty;
  const nlohmann::json lookup_full = co_await filler.time_lookups();
  const nlohmann::json create_full = co_await filler.time_creates();
  report["lookup_full"] = lookup_full;
  report["create_full"] = create_full;
  co_await filler.stop();
  co_await client.stop();
}

int run(const Options& options) {
  nlohmann::json report;
  {
    const Tracker tracker(options.trackerd, options.dir);
    base::Loop loop;
    const auto timer = base::make_system_timer();
    const wire::Identity identity = must(wire::Identity::generate());
    const auto network = wire::make_tls_network(loop, *timer, identity);
    base::run_until_done(loop, measure(options, tracker, loop, *network, *timer, report));
  }
  std::cout << report.dump(2) << '\n';
  const double growth = report["memory_bytes_per_file"];
  if (options.max_bytes_per_file == 0) return 0;
  return growth <= static_cast<double>(options.max_bytes_per_file) ? 0 : 1;
}

int parse_and_run(int argc, char** argv) {
  Options options;
  options.trackerd = trackerd_beside_us();
  CLI::App app("Fills a tracker with files and measures it.", "tracker_fill");
  app.add_option("--files", options.files, "How many")->check(CLI::Range(1000, 100'000'000));
  app.add_option("--trackerd", options.trackerd, "The program (default: beside this one)");
  app.add_option("--dir", options.dir, "An empty folder for the tracker, kept (default: in /tmp)");
  app.add_option("--max-bytes-per-file", options.max_bytes_per_file,
                 "Fail when memory grew more than this");
  CLI11_PARSE(app, argc, argv);
  return run(options);
}

}  // namespace
}  // namespace shoal::bench

int main(int argc, char** argv) { return shoal::bench::parse_and_run(argc, argv); }
