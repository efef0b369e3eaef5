// SPDX-License-Identifier: MIT
#include "peerd/spread.h"

#include <algorithm>
#include <compare>

#include "peerd/content.h"

namespace shoal::peerd {
namespace {

// splitmix64's finaliser.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

bool is_ours(std::uint64_t chunk, std::span<const CrowdMember> crowd, std::uint64_t self) {
  const std::uint64_t salt = mix(chunk + 1);
  const std::uint64_t mine = mix(self ^ salt);
  return std::ranges::none_of(crowd, [&](const CrowdMember& member) {
    return member.is_growing && mix(member.head ^ salt) > mine;
  });
}

std::size_t count_holders(std::uint64_t chunk, std::span<const CrowdMember> crowd) {
  return static_cast<std::size_t>(std::ranges::count_if(
      crowd, [chunk](const CrowdMember& member) { return has_chunk(*member.chunks, chunk); }));
}

}  // namespace

SpreadPlan plan_spread(std::span<const std::uint64_t> wanted, std::span<const CrowdMember> crowd,
                       std::uint64_t self, std::uint64_t chunk_count, std::size_t limit) {
  SpreadPlan plan;
  struct Rare {
    std::size_t holders;
    std::size_t place;  ///< counted from our own start: others begin elsewhere
    std::uint64_t chunk;
    auto operator<=>(const Rare&) const = default;
  };
  std::vector<Rare> held;
  const std::uint64_t start = chunk_count == 0 ? 0 : self % chunk_count;
  const auto first = std::ranges::lower_bound(wanted, start);
  const auto before = static_cast<std::size_t>(first - wanted.begin());
  const std::size_t looks = std::min(wanted.size(), kMaxSpreadLook);
  for (std::size_t i = 0; i < looks; ++i) {
    const std::uint64_t chunk = wanted[(before + i) % wanted.size()];
    if (const std::size_t holders = count_holders(chunk, crowd); holders > 0) {
      held.push_back({holders, i, chunk});
      continue;
    }
    std::vector<std::uint64_t>& list = is_ours(chunk, crowd, self) ? plan.own : plan.others;
    if (list.size() < limit) list.push_back(chunk);
  }
  std::ranges::sort(held);
  for (const Rare& rare : held) {
    if (plan.from_crowd.size() == limit) break;
    plan.from_crowd.push_back(rare.chunk);
  }
  return plan;
}

}  // namespace shoal::peerd
