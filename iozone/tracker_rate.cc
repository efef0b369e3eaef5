// SPDX-License-Identifier: MIT
// Durable changes a second: many sessions create files at a real trackerd, each on its own behalf.
// tracker_rate --sessions 16 --under-way 8. Each message has one operation, whose answer comes when
// it is on the disk; sessions do not wait for one another.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "iozone/tracker_rig.h"

namespace shoal::bench {
namespace {

struct Options {
  int sessions = 16;
  int under_way = 1;
  double seconds = 3;
  std::string trackerd;
  std::string dir;
};

/// One member with a directory of its own.
class Session {
 public:
  Session(base::Loop& loop, Timer& timer)
      : loop_(loop),
        timer_(timer),
        identity_(must(wire::Identity::generate())),
        network_(wire::make_tls_network(loop, timer, identity_)),
        group_(loop.get_executor()) {}

  Task<void> open(std::string tracker_dir, std::string name) {
    wire::TrackerClient::Options options =
        co_await join(loop_, *network_, timer_, std::move(tracker_dir), name);
    client_ = std::make_unique<wire::TrackerClient>(loop_.get_executor(), *network_, timer_,
                                                    events_, std::move(options));
    auto started = co_await client_->start(deadline());
    must(std::move(started));
    inodes_ = std::make_unique<InodeNumbers>(*client_);
    directory_ = co_await inodes_->next(deadline());
    wire::Create create = file(kRootInode, std::move(name), directory_);
    create.kind = wire::FileKind::directory;
    create.mode = 0755;
    auto reply = co_await client_->mutate_one({std::move(create), 1}, deadline());
    must(std::move(reply));
  }

  void begin(int under_way, std::chrono::steady_clock::time_point end) {
    for (int i = 0; i < under_way; ++i) spawn(group_, work(i, end));
    left_ = under_way;
  }
  bool is_done() const { return left_ == 0; }

  Task<void> close() {
    co_await group_.stop();
    co_await client_->stop();
  }

  std::vector<double> times;  ///< microseconds from an operation to its answer

 private:
  static wire::Create file(InodeId parent, std::string name, InodeId inode) {
    wire::Create create;
    create.parent = parent;
    create.name = std::move(name);
    create.inode = inode;
    create.mode = 0644;
    return create;
  }
  Deadline deadline() const { return Deadline::after(timer_.clock(), std::chrono::minutes(1)); }

  Task<void> work(int worker, std::chrono::steady_clock::time_point end) {
    for (std::uint64_t number = 0; std::chrono::steady_clock::now() < end; ++number) {
      // Names that nobody else makes; numbers of inodes must not be asked for side by side.
      const InodeId inode = co_await next_inode();
      wire::Create create = file(directory_, fmt::format("{}-{}", worker, number), inode);
      const auto start = std::chrono::steady_clock::now();
      auto reply = co_await client_->mutate_one({std::move(create), 1}, deadline());
      times.push_back(microseconds_since(start));
      must(std::move(reply));
    }
    --left_;
  }

  Task<InodeId> next_inode() {
    auto turn = co_await one_at_a_time_.acquire();
    must(std::move(turn));
    const InodeId inode = co_await inodes_->next(deadline());
    one_at_a_time_.release();
    co_return inode;
  }

  base::Loop& loop_;
  Timer& timer_;
  wire::Identity identity_;
  std::unique_ptr<wire::Network> network_;
  Quiet events_;
  std::unique_ptr<wire::TrackerClient> client_;
  std::unique_ptr<InodeNumbers> inodes_;
  InodeId directory_;
  base::Semaphore one_at_a_time_{loop_.get_executor(), 1};
  int left_ = 0;
  TaskGroup group_;
};

Task<void> measure(const Options& options, const Tracker& tracker, base::Loop& loop, Timer& timer,
                   nlohmann::json& report) {
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < options.sessions; ++i) {
    sessions.push_back(std::make_unique<Session>(loop, timer));
    co_await sessions.back()->open(tracker.dir(), fmt::format("session-{}", i));
  }
  const auto start = std::chrono::steady_clock::now();
  const auto length = std::chrono::duration<double>(options.seconds);
  const auto end = start + std::chrono::duration_cast<std::chrono::nanoseconds>(length);
  for (const auto& session : sessions) session->begin(options.under_way, end);
  for (const auto& session : sessions) {
    while (!session->is_done()) {
      auto waited = co_await timer.wait_for(std::chrono::milliseconds(1));
      must(std::move(waited));
    }
  }
  const double seconds = microseconds_since(start) / 1e6;
  std::vector<double> times;
  for (const auto& session : sessions) {
    times.insert(times.end(), session->times.begin(), session->times.end());
    co_await session->close();
  }
  report["sessions"] = options.sessions;
  report["under_way"] = options.under_way;
  report["seconds"] = seconds;
  report["operations"] = times.size();
  report["operations_per_second"] = static_cast<double>(times.size()) / seconds;
  report["latency"] = summarize(std::move(times));
}

int run(const Options& options) {
  nlohmann::json report;
  {
    const Tracker tracker(options.trackerd, options.dir);
    base::Loop loop;
    const auto timer = base::make_system_timer();
    base::run_until_done(loop, measure(options, tracker, loop, *timer, report));
  }
  std::cout << report.dump(2) << '\n';
  return 0;
}

int parse_and_run(int argc, char** argv) {
  Options options;
  options.trackerd = trackerd_beside_us();
  CLI::App app("Measures durable changes a second at a tracker.", "tracker_rate");
  app.add_option("--sessions", options.sessions, "How many peers")->check(CLI::Range(1, 1000));
  app.add_option("--under-way", options.under_way, "Operations that each has under way at once")
      ->check(CLI::Range(1, 100));
  app.add_option("--seconds", options.seconds, "How long")->check(CLI::Range(0.01, 3600.0));
  app.add_option("--trackerd", options.trackerd, "The program (default: beside this one)");
  app.add_option("--dir", options.dir, "An empty folder for the tracker, kept (default: in /tmp)");
  CLI11_PARSE(app, argc, argv);
  return run(options);
}

}  // namespace
}  // namespace shoal::bench

int main(int argc, char** argv) { return shoal::bench::parse_and_run(argc, argv); }
