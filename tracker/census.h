// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "tracker/store.h"

namespace shoal::tracker {

/// Counts over all files, kept up to date with every change so that health never costs a scan:
/// contents with the same complete holders share a holder set, and only the sets are counted. A
/// peer that comes or goes changes no row. The memory is that of the sets in use.
/// What is counted goes to the database with flush(), in the transaction of the changes counted.
/// Owner: the core.
class Census {
 public:
  /// Reads what the last commit left; also after a rollback.
  void load(Store& store);
  /// Writes what has changed since the last flush or load.
  void flush(Store& store);

  const HolderSetRow& set(HolderSetId id) const { return sets_.at(id); }
  const std::map<HolderSetId, HolderSetRow>& sets() const { return sets_; }
  /// The set with one peer more, or less.
  HolderSetId with(HolderSetId id, PeerKey peer);
  HolderSetId without(HolderSetId id, PeerKey peer);
  bool contains(HolderSetId id, PeerKey peer) const;
  /// contents and files came to (or, negative, left) the set.
  void count(HolderSetId id, std::int64_t contents, std::int64_t files);

  std::uint64_t files() const { return files_; }
  std::uint64_t directories() const { return directories_; }
  std::uint64_t bytes() const { return bytes_; }
  void count_files(std::int64_t n) { add(files_, n); }
  void count_directories(std::int64_t n) { add(directories_, n); }
  void count_bytes(std::uint64_t gone, std::uint64_t come) { bytes_ += come - gone; }

  /// Files below `copies` complete online holders, without an online one, without any.
  wire::Health health(std::uint32_t copies, const std::function<bool(PeerKey)>& is_online) const;

 private:
  HolderSetId intern(std::vector<PeerKey> peers);
  static void add(std::uint64_t& total, std::int64_t n) { total += static_cast<std::uint64_t>(n); }

  std::map<HolderSetId, HolderSetRow> sets_;
  std::map<std::vector<PeerKey>, HolderSetId> by_peers_;
  std::set<HolderSetId> changed_;
  std::uint64_t next_set_ = 1;
  std::uint64_t files_ = 0;
  std::uint64_t directories_ = 0;
  std::uint64_t bytes_ = 0;
  std::map<Number, std::uint64_t> stored_;  // the totals as the database has them
};

}  // namespace shoal::tracker
