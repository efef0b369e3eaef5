// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <unordered_map>

#include "base/metrics.h"
#include "peerd/members.h"

namespace shoal::peerd {

/// Bytes by peer, as metrics with the peer's name; peers beyond kMaxCountedPeers share one.
/// Thread: the loop.
class Traffic {
 public:
  /// metric: such as "shoal_chunk_sent_bytes_total". members outlives it.
  Traffic(std::string metric, const Members& members)
      : metric_(std::move(metric)), members_(members), total_(base::counter(metric_)) {}

  void add(const PeerId& peer, std::uint64_t bytes);

 private:
  std::string metric_;
  const Members& members_;
  base::Counter& total_;
  std::unordered_map<PeerId, base::Counter*> by_peer_;
};

}  // namespace shoal::peerd
