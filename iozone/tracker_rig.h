// SPDX-License-Identifier: MIT
// What the benchmarks of a real trackerd share.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/check.h"
#include "wire/tracker_client.h"

namespace shoal::bench {

/// The value, or the end of the program: a benchmark has nothing to do without it.
template <class T>
T must(Result<T> result) {
  CHECK(result.has_value(), "{}", result.error().message());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// trackerd as a child, with a swarm of its own; both are gone when this object is.
class Tracker {
 public:
  /// dir: an empty folder or one to be made, kept; empty: one in the folder for temporary files.
  Tracker(std::string trackerd, std::string dir);
  ~Tracker();
  Tracker(const Tracker&) = delete;

  const std::string& dir() const { return dir_; }
  /// Resident bytes: what is not shared with a file, so without the pages of the database's log.
  std::uint64_t resident_bytes() const;
  /// Of the database and its log.
  std::uint64_t disk_bytes() const;

 private:
  std::string dir_;
  bool is_own_dir_;
  pid_t pid_ = 0;
};

/// The trackerd beside the running program.
std::string trackerd_beside_us();

/// Answers what a tracker asks, and has nothing to say itself.
class Quiet final : public wire::TrackerEvents {
 public:
  Task<Result<wire::InvalidateReply>> invalidate(wire::Invalidate) override;
  Task<Result<wire::RecallReply>> recall(wire::Recall) override;
  Task<Result<wire::Empty>> copy_orders(wire::CopyOrders) override;
  Task<Result<wire::Empty>> release_orders(wire::ReleaseOrders) override;
  void members(wire::Members) override {}
  wire::Capacity capacity() override { return {}; }
  std::vector<wire::Reclaim> reclaims() override { return {}; }
  void caches_void(bool) override {}
  void connected() override {}
};

/// Makes the network's identity a member of the tracker's swarm: how to reach the tracker.
Task<wire::TrackerClient::Options> join(base::Loop& loop, wire::Network& network, Timer& timer,
                                        std::string tracker_dir, std::string name);

/// Hands out the inode numbers that a session gets in ranges.
class InodeNumbers {
 public:
  explicit InodeNumbers(wire::TrackerClient& client) : client_(client) {}
  Task<InodeId> next(Deadline deadline);

 private:
  wire::TrackerClient& client_;
  InodeId next_;
  std::uint64_t left_ = 0;
};

double microseconds_since(std::chrono::steady_clock::time_point start);

/// {"median_us": ..., "p99_us": ...} of times in microseconds, of which there is one at least.
nlohmann::json summarize(std::vector<double> times);

}  // namespace shoal::bench
