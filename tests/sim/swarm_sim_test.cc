// SPDX-License-Identifier: MIT
// A whole swarm on virtual time and a network that loses and delays, its tracker and its peers
// dying and coming back, by one seed. Then everything is healed, and what was published has to be
// there: on as many peers as it should be, readable on each, and still so when any one of them has
// gone.
//
// SHOAL_SEED=N runs one seed, SHOAL_SEEDS=N so many of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "tests/sim/sim_peer.h"
#include "tests/sim/sim_tracker.h"
#include "tests/support/virtual_time.h"

namespace shoal::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t kPeers = 4;
constexpr std::uint32_t kCopies = 2;
constexpr std::size_t kFilesMax = 60;
constexpr std::uint64_t kLargestFile = 3 << 20;

std::vector<std::uint64_t> seeds() {
  if (const char* one = std::getenv("SHOAL_SEED")) return {std::strtoull(one, nullptr, 10)};
  const char* count = std::getenv("SHOAL_SEEDS");
  std::vector<std::uint64_t> list(count != nullptr ? std::strtoull(count, nullptr, 10) : 6);
  for (std::size_t i = 0; i < list.size(); ++i) list[i] = i + 1;
  return list;
}

/// A file as the test knows it. Its content is whatever the tracker says and somebody made.
struct File {
  InodeId inode;
  std::string name;
  bool is_removed = false;
};

class SwarmSim {
 public:
  explicit SwarmSim(std::uint64_t seed)
      : random_(seed),
        network_(loop_, time_, random_.next(), network_options()),
        tracker_(loop_, time_, network_, "10.0.1.1", tracker_options(random_.next())) {
    for (std::size_t i = 0; i < kPeers; ++i) {
      peers_.push_back(std::make_unique<SimPeer>(
          loop_, time_, network_,
          SimPeer::Options{"10.0.0." + std::to_string(i + 1), tracker_.endpoint(),
                           std::uint64_t{1} << 30, random_.next()}));
    }
  }

  void run() {
    begin();
    run_virtual_until_done(loop_, time_, storm(random_.below(40) + 20));
    run_virtual_until_done(loop_, time_, calm_down());
    const bool is_healthy = wait_until_healthy();
    EXPECT_TRUE(is_healthy) << "not all files reached their copies";
    run_virtual_until_done(loop_, time_, check_all_reads("when all is healed"));
    if (is_healthy) lose_each_in_turn();
    end();
  }

  std::size_t reads() const { return reads_; }
  std::size_t changes() const { return changes_; }

 private:
  static SimNetwork::Options network_options() {
    SimNetwork::Options options;
    options.delay_max = milliseconds(20);
    options.bytes_per_second = 50e6;
    return options;
  }
  static tracker::CoreOptions tracker_options(std::uint64_t seed) {
    tracker::CoreOptions options;
    options.copies = kCopies;
    options.seed = seed;
    return options;
  }

  void begin() {
    tracker_.start();
    for (auto& peer : peers_) {
      run_virtual_until_done(loop_, time_, join(*peer));
      peer->start();
      run_virtual_until_done(loop_, time_, connect(*peer));
    }
  }

  Task<void> join(SimPeer& peer) {
    auto invitation = co_await tracker_.invite();
    EXPECT_TRUE(invitation);
    if (!invitation) co_return;
    auto joined = co_await peer.join(std::move(*invitation));
    EXPECT_TRUE(joined) << joined.error().message();
  }

  /// Returns once the peer has a session, for the first time or again.
  Task<void> connect(SimPeer& peer) {
    const Deadline deadline = Deadline::after(time_, minutes(2));
    while (!peer.daemon().tracker().is_connected() && !deadline.has_passed(time_)) {
      auto connected = co_await peer.daemon().connect(deadline);
      static_cast<void>(connected.has_value());
      auto waited = co_await time_.wait_for(milliseconds(100));
      static_cast<void>(waited.has_value());
    }
    EXPECT_TRUE(peer.daemon().tracker().is_connected()) << peer.address();
  }

  Bytes random_bytes() {
    const std::uint64_t limit = random_.chance(0.2) ? kLargestFile : 40'000;
    Bytes bytes(random_.below(limit) + 1);
    random_.fill(bytes);
    if (random_.chance(0.1)) std::fill(bytes.begin(), bytes.end(), std::byte{0});
    return bytes;
  }

  File* any_file() {
    std::vector<File*> live;
    for (File& file : files_) {
      if (!file.is_removed) live.push_back(&file);
    }
    return live.empty() ? nullptr : live[random_.below(live.size())];
  }

  /// One thing that an application does on one peer. What fails during the storm may fail.
  Task<void> act(SimPeer& peer) {
    const std::uint64_t choice = random_.below(10);
    File* file = any_file();
    if (file == nullptr || (choice < 3 && files_.size() < kFilesMax)) {
      const std::string name = "file" + std::to_string(next_name_++);
      Bytes bytes = random_bytes();
      auto created = co_await peer.create(name, std::move(bytes), known_);
      if (created) files_.push_back({*created, name});
      if (created) ++changes_;
    } else if (choice < 5) {
      const InodeId inode = file->inode;
      Bytes bytes = random_bytes();
      auto replaced = co_await peer.replace(inode, std::move(bytes), known_);
      if (replaced) ++changes_;
    } else if (choice < 6) {
      file->is_removed = true;
      auto removed = co_await peer.remove(file->name);
      static_cast<void>(removed.has_value());
    } else {
      auto read = co_await peer.read(file->inode, known_);
      if (read) ++reads_;
      if (!read) EXPECT_NE(read.error().code(), Errc::internal) << read.error().message();
    }
  }

  /// Rounds of everybody doing something at the same time, with faults before each.
  Task<void> storm(std::uint64_t rounds) {
    for (std::uint64_t round = 0; round < rounds; ++round) {
      co_await disturb();
      std::vector<Task<Result<void>>> actions;
      for (auto& peer : peers_) {
        if (peer->is_running()) actions.push_back(some_acts(*peer));
      }
      auto done = co_await base::all_within(kPeers, std::move(actions));
      EXPECT_TRUE(done);
    }
  }

  Task<Result<void>> some_acts(SimPeer& peer) {
    const std::uint64_t count = random_.below(4) + 1;
    for (std::uint64_t i = 0; i < count; ++i) co_await act(peer);
    co_return base::ok();
  }

  Task<void> disturb() {
    const std::uint64_t choice = random_.below(12);
    const std::string one = peers_[random_.below(kPeers)]->address();
    const std::string other = peers_[random_.below(kPeers)]->address();
    SimPeer& victim = *peers_[random_.below(kPeers)];
    if (choice == 0 && victim.is_running()) {
      co_await victim.stop(random_.chance(0.7));
    } else if (choice == 1 && !victim.is_running()) {
      victim.start();
      auto connected = co_await victim.daemon().connect(Deadline::after(time_, seconds(1)));
      static_cast<void>(connected.has_value());
    } else if (choice == 2 && tracker_.is_running()) {
      co_await tracker_.kill();
      auto waited = co_await time_.wait_for(milliseconds(random_.below(5000)));
      static_cast<void>(waited.has_value());
      tracker_.start();
    } else if (choice == 3) {
      network_.cut(one, other);
    } else if (choice == 4) {
      network_.cut_one_way(one, random_.chance(0.3) ? "10.0.1.1" : other);
    } else if (choice == 5) {
      network_.heal_all();
    } else if (choice == 6) {
      network_.break_connections(one);
    } else if (choice == 7) {
      network_.set_break_chance(random_.chance(0.5) ? 0.01 : 0);
    }
  }

  Task<void> calm_down() {
    network_.heal_all();
    network_.set_break_chance(0);
    for (auto& peer : peers_) {
      if (!peer->is_running()) peer->start();
      co_await connect(*peer);
    }
    for (auto& peer : peers_) {
      co_await peer->publish_rest(known_);
      EXPECT_FALSE(peer->has_unpublished()) << peer->address();
    }
  }

  bool wait_until_healthy() {
    const SteadyTime limit = time_.steady() + minutes(30);
    while (time_.steady() < limit) {
      std::optional<wire::Health> health;
      run_virtual_until_done(loop_, time_, ask_health(health));
      if (health && health->under == 0 && health->unavailable == 0 && health->lost == 0) {
        return true;
      }
      last_health_ = health;
    }
    if (last_health_) {
      std::cout << "files " << last_health_->files << " under " << last_health_->under
                << " unavailable " << last_health_->unavailable << " lost " << last_health_->lost
                << "\n";
    }
    return false;
  }
  Task<void> ask_health(std::optional<wire::Health>& health) {
    auto waited = co_await time_.wait_for(seconds(5));
    static_cast<void>(waited.has_value());
    auto status = co_await tracker_.status();
    if (status) health = status->health;
  }

  Task<void> check_all_reads(std::string when) {
    for (auto& peer : peers_) {
      if (!peer->is_running()) continue;
      for (const File& file : files_) {
        auto read = co_await peer->read(file.inode, known_);
        const bool is_gone = !read && read.error().code() == Errc::not_found;
        if (read || (file.is_removed && is_gone)) continue;
        ADD_FAILURE() << when << ", on " << peer->address() << ", " << file.name << " inode "
                      << file.inode.value() << ": " << read.error().message();
      }
    }
  }

  void lose_each_in_turn() {
    for (auto& peer : peers_) {
      run_virtual_until_done(loop_, time_, peer->stop(true));
      run_virtual_until_done(loop_, time_, check_all_reads("without " + peer->address()));
      peer->start();
      run_virtual_until_done(loop_, time_, connect(*peer));
      EXPECT_TRUE(wait_until_healthy());
    }
  }

  void end() {
    for (auto& peer : peers_) {
      if (peer->is_running()) run_virtual_until_done(loop_, time_, peer->stop(false));
    }
    if (tracker_.is_running()) run_virtual_until_done(loop_, time_, tracker_.kill());
    run_ready(loop_);
  }

  base::Random random_;
  base::Loop loop_;
  VirtualTime time_;
  SimNetwork network_;
  SimTracker tracker_;
  std::vector<std::unique_ptr<SimPeer>> peers_;
  std::deque<File> files_;  // references stay valid while others are added
  KnownContents known_;
  std::uint64_t next_name_ = 1;
  std::size_t reads_ = 0;
  std::size_t changes_ = 0;
  std::optional<wire::Health> last_health_;
};

TEST(SwarmSim, keeps_every_published_file_through_loss_delay_and_restarts) {
  for (const std::uint64_t seed : seeds()) {
    SCOPED_TRACE("SHOAL_SEED=" + std::to_string(seed));
    const std::uint64_t errors = base::error_line_count();
    SwarmSim sim(seed);
    sim.run();
    EXPECT_EQ(base::error_line_count(), errors) << "an error line means that somebody must act";
    EXPECT_GT(sim.changes(), 0u);
    std::cout << "seed " << seed << ": " << sim.changes() << " changes, " << sim.reads() << " reads"
              << (testing::Test::HasFailure() ? ", FAILED" : "") << std::endl;
    if (testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace shoal::test
