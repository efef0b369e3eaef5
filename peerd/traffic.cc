// SPDX-License-Identifier: MIT
#include "peerd/traffic.h"

#include "peerd/limits.h"

namespace shoal::peerd {
namespace {

/// A label value as in the Prometheus text format.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

void Traffic::add(const PeerId& peer, std::uint64_t bytes) {
  total_.add(bytes);
  base::Counter*& place = by_peer_[peer];
  if (place == nullptr) {
    const bool is_named = by_peer_.size() <= kMaxCountedPeers;
    const std::string label = is_named ? escaped(members_.name_of(peer)) : "others";
    place = &base::counter(metric_ + "{peer=\"" + label + "\"}");
  }
  place->add(bytes);
}

}  // namespace shoal::peerd
