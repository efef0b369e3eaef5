// SPDX-License-Identifier: MIT
// Bytes between real peers on virtual time: a crowd that copies one file, and a reader whose
// holders crawl, vanish and come back, by seed. All times are virtual, so they are the same on any
// machine.
//
// SHOAL_SEED=N runs one seed.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <vector>

#include "base/metrics.h"
#include "base/random.h"
#include "tests/sim/sim_peer.h"
#include "tests/sim/sim_tracker.h"
#include "tests/support/virtual_time.h"

namespace shoal::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr double kUplink = 10e6;

std::vector<std::uint64_t> seeds() {
  if (const char* one = std::getenv("SHOAL_SEED")) return {std::strtoull(one, nullptr, 10)};
  return {1, 2, 3};
}

double seconds_of(Duration span) { return std::chrono::duration<double>(span).count(); }

class TransferSim {
 public:
  TransferSim(std::uint64_t seed, std::size_t peers, std::uint32_t copies)
      : random_(seed),
        network_(loop_, time_, random_.next(), options()),
        tracker_(loop_, time_, network_, "10.0.1.1", core_options(random_.next(), copies)) {
    tracker_.start();
    for (std::size_t i = 0; i < peers; ++i) {
      peers_.push_back(
          std::make_unique<SimPeer>(loop_, time_, network_,
                                    SimPeer::Options{address(i), tracker_.endpoint(),
                                                     std::uint64_t{1} << 30, random_.next()}));
      network_.set_uplink(address(i), kUplink);
      run_virtual_until_done(loop_, time_, begin(*peers_.back()));
    }
  }
  ~TransferSim() {
    for (auto& peer : peers_) {
      if (peer->is_running()) run_virtual_until_done(loop_, time_, peer->stop(false));
    }
    run_virtual_until_done(loop_, time_, tracker_.kill());
    run_ready(loop_);
  }

  static std::string address(std::size_t peer) { return "10.0.0." + std::to_string(peer + 1); }
  SimNetwork& network() { return network_; }
  base::Random& random() { return random_; }
  VirtualTime& time() { return time_; }

  /// A file of random bytes that peer 0 has.
  void create(std::uint64_t size) {
    Bytes bytes(size);
    random_.fill(bytes);
    run_virtual_until_done(loop_, time_, create_on_first(std::move(bytes)));
  }
  /// Reads it on a peer; how long that took.
  Duration read(std::size_t peer) {
    const SteadyTime start = time_.steady();
    run_virtual_until_done(loop_, time_, read_on(*peers_[peer]));
    return time_.steady() - start;
  }
  /// The same, with something else going on meanwhile.
  Duration read(std::size_t peer, std::function<void()> disturb, Duration interval) {
    const SteadyTime start = time_.steady();
    SteadyTime end{};
    TaskGroup group(loop_.get_executor());
    spawn(group, note_end(read_on(*peers_[peer]), end));
    SteadyTime next = start + interval;
    while (end == SteadyTime{}) {
      const bool is_over =
          run_virtual(loop_, time_, [&] { return end != SteadyTime{} || time_.steady() >= next; });
      EXPECT_TRUE(is_over);
      if (!is_over) break;
      if (end == SteadyTime{}) disturb();
      next += interval;
    }
    run_virtual_until_done(loop_, time_, group.stop());
    return end - start;
  }
  /// Until every peer has what it was told to copy.
  bool wait_until_copied() {
    const SteadyTime limit = time_.steady() + minutes(5);
    while (time_.steady() < limit) {
      bool is_healthy = false;
      run_virtual_until_done(loop_, time_, look(is_healthy));
      if (is_healthy) return true;
    }
    return false;
  }
  /// What all peers of the process have received from that one.
  static std::uint64_t sent_by(std::size_t peer) {
    return base::counter("shoal_chunk_received_bytes_total{peer=\"" + address(peer) + "\"}")
        .value();
  }

 private:
  static SimNetwork::Options options() {
    SimNetwork::Options options;
    options.delay_max = milliseconds(5);
    options.bytes_per_second = 1e9;
    return options;
  }
  static tracker::CoreOptions core_options(std::uint64_t seed, std::uint32_t copies) {
    tracker::CoreOptions options;
    options.copies = copies;
    options.seed = seed;
    return options;
  }
  Task<void> begin(SimPeer& peer) {
    auto invitation = co_await tracker_.invite();
    EXPECT_TRUE(invitation);
    auto joined = co_await peer.join(std::move(*invitation));
    EXPECT_TRUE(joined);
    peer.start();
    auto connected = co_await peer.daemon().connect(Deadline::after(time_, minutes(1)));
    EXPECT_TRUE(connected);
  }
  Task<void> create_on_first(Bytes bytes) {
    auto created = co_await peers_[0]->create("file", std::move(bytes), known_);
    EXPECT_TRUE(created);
    if (created) inode_ = *created;
  }
  Task<void> read_on(SimPeer& peer) {
    auto read = co_await peer.read(inode_, known_);
    EXPECT_TRUE(read) << read.error().message();
  }
  Task<void> note_end(Task<void> task, SteadyTime& end) {
    co_await std::move(task);
    end = time_.steady();
  }
  Task<void> look(bool& is_healthy) {
    auto waited = co_await time_.wait_for(milliseconds(100));
    static_cast<void>(waited.has_value());
    auto status = co_await tracker_.status();
    is_healthy = status && status->health.files == 1 && status->health.under == 0;
  }

  base::Random random_;
  base::Loop loop_;
  VirtualTime time_;
  SimNetwork network_;
  SimTracker tracker_;
  std::vector<std::unique_ptr<SimPeer>> peers_;
  KnownContents known_;
  InodeId inode_;
};

TEST(TransferSim, a_crowd_takes_each_chunk_from_the_source_about_once) {
  constexpr std::size_t kPeers = 7;
  constexpr std::uint64_t kSize = 96 << 20;
  for (const std::uint64_t seed : seeds()) {
    SCOPED_TRACE("SHOAL_SEED=" + std::to_string(seed));
    TransferSim sim(seed, kPeers, kPeers);
    const std::uint64_t before = TransferSim::sent_by(0);
    const SteadyTime start = sim.time().steady();
    sim.create(kSize);
    ASSERT_TRUE(sim.wait_until_copied());
    const double took = seconds_of(sim.time().steady() - start);
    const double bound = kSize / kUplink;
    const double sent = static_cast<double>(TransferSim::sent_by(0) - before) / kSize;
    std::cout << "seed " << seed << ": " << took / bound << " x the bound, the source sent " << sent
              << " x the file" << std::endl;
    EXPECT_LE(sent, 1.15);
    EXPECT_LE(took, 1.7 * bound);
  }
}

TEST(TransferSim, a_crowd_gets_the_file_though_members_vanish) {
  constexpr std::size_t kPeers = 6;
  for (const std::uint64_t seed : seeds()) {
    SCOPED_TRACE("SHOAL_SEED=" + std::to_string(seed));
    TransferSim sim(seed, kPeers, kPeers);
    sim.create(32 << 20);
    const std::string gone = TransferSim::address(1 + sim.random().below(kPeers - 1));
    sim.network().isolate(gone);
    const Duration took = sim.read(
        1 + sim.random().below(kPeers - 1),
        [&] {
          sim.network().heal_all();
          sim.network().rejoin(gone);
        },
        seconds(2));
    EXPECT_LE(took, seconds(40));
    sim.network().heal_all();
    EXPECT_TRUE(sim.wait_until_copied());
  }
}

TEST(TransferSim, a_reader_loses_little_to_a_holder_that_is_ten_times_slower) {
  constexpr std::uint64_t kSize = 64 << 20;
  for (const std::uint64_t seed : seeds()) {
    SCOPED_TRACE("SHOAL_SEED=" + std::to_string(seed));
    Duration took[2];
    for (const bool is_slow : {false, true}) {
      TransferSim sim(seed, 5, 1);
      sim.create(kSize);
      for (const std::size_t holder : {1u, 2u, 3u}) sim.read(holder);
      if (is_slow) sim.network().set_uplink(TransferSim::address(2), kUplink / 10);
      took[is_slow ? 1 : 0] = sim.read(4);
    }
    std::cout << "seed " << seed << ": " << seconds_of(took[0]) << " s healthy, "
              << seconds_of(took[1]) << " s with a slow one" << std::endl;
    // Three and a tenth of four uplinks are left.
    EXPECT_LE(seconds_of(took[1]), seconds_of(took[0]) * 4 / 3.1 * 1.25);
  }
}

TEST(TransferSim, a_reader_survives_holders_that_come_and_go) {
  for (const std::uint64_t seed : seeds()) {
    SCOPED_TRACE("SHOAL_SEED=" + std::to_string(seed));
    TransferSim sim(seed, 5, 1);
    sim.create(48 << 20);
    for (const std::size_t holder : {1u, 2u, 3u}) sim.read(holder);
    const auto disturb = [&] {
      const std::string one = TransferSim::address(sim.random().below(4));
      sim.network().heal_all();
      for (std::size_t i = 0; i < 5; ++i) sim.network().rejoin(TransferSim::address(i));
      switch (sim.random().below(4)) {
        case 0:
          sim.network().isolate(one);
          break;
        case 1:
          sim.network().cut_one_way(one, TransferSim::address(4));
          break;
        case 2:
          sim.network().break_connections(one);
          break;
        default:
          sim.network().set_uplink(one, sim.random().chance(0.5) ? kUplink / 20 : kUplink);
      }
    };
    EXPECT_LE(sim.read(4, disturb, milliseconds(300)), seconds(40));
  }
}

}  // namespace
}  // namespace shoal::test
