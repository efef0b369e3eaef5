// SPDX-License-Identifier: MIT
#include "wire/conflict_name.h"

#include <fmt/format.h>

#include <chrono>

#include "wire/limits.h"

namespace shoal::wire {
namespace {

constexpr std::size_t kMaxPeerBytes = 64;

std::string_view cut(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  const auto is_inside = [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; };
  while (most > 0 && is_inside(text[most])) --most;
  return text.substr(0, most);
}

std::string stamp(std::int64_t time) {
  namespace chrono = std::chrono;
  const auto point = chrono::floor<chrono::milliseconds>(
      chrono::sys_time<chrono::nanoseconds>(chrono::nanoseconds(time)));
  const auto day = chrono::floor<chrono::days>(point);
  const chrono::year_month_day date(day);
  const chrono::hh_mm_ss clock(point - day);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

}  // namespace

std::string conflict_name(std::string_view name, std::string_view peer, std::int64_t time) {
  const std::string suffix = fmt::format(".conflict-{}-{}", cut(peer, kMaxPeerBytes), stamp(time));
  return std::string(cut(name, kMaxNameBytes - suffix.size())) + suffix;
}

}  // namespace shoal::wire
