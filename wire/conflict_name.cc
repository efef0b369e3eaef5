// SPDX-License-Identifier: MIT
#include "wire/conflict_name.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>

#include "wire/limits.h"

namespace shoal::wire {
namespace {

constexpr std::size_t kMaxPeerBytes = 64;
constexpr std::string_view kMark = ".conflict-";
constexpr std::string_view kStampForm = "ddddddddTdddddd.dddZ";

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

bool is_stamp(std::string_view text) {
  if (text.size() != kStampForm.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    if (kStampForm[i] == 'd' ? !is_digit : text[i] != kStampForm[i]) return false;
  }
  return true;
}

/// Shape: digits only.
int number_in(std::string_view text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

/// The inverse of stamp(), except for what is below a millisecond.
std::optional<std::int64_t> parse_stamp(std::string_view text) {
  namespace chrono = std::chrono;
  if (!is_stamp(text)) return std::nullopt;
  const auto part = [&](std::size_t at, std::size_t length) {
    return number_in(text.substr(at, length));
  };
  const chrono::year_month_day date(chrono::year(part(0, 4)),
                                    chrono::month(static_cast<unsigned>(part(4, 2))),
                                    chrono::day(static_cast<unsigned>(part(6, 2))));
  // Nanoseconds since 1970 end in 2262.
  if (!date.ok() || date.year() < chrono::year(1970) || date.year() > chrono::year(2261)) {
    return std::nullopt;
  }
  const chrono::nanoseconds time = chrono::sys_days(date).time_since_epoch() +
                                   chrono::hours(part(9, 2)) + chrono::minutes(part(11, 2)) +
                                   chrono::seconds(part(13, 2)) + chrono::milliseconds(part(16, 3));
  return time.count();
}

}  // namespace

std::string conflict_name(std::string_view name, std::string_view peer, std::int64_t time) {
  const std::string suffix = fmt::format("{}{}-{}", kMark, cut(peer, kMaxPeerBytes), stamp(time));
  return std::string(cut(name, kMaxNameBytes - suffix.size())) + suffix;
}

std::optional<ConflictName> parse_conflict_name(std::string_view name) {
  const std::size_t mark = name.rfind(kMark);
  if (mark == std::string_view::npos) return std::nullopt;
  const std::string_view suffix = name.substr(mark + kMark.size());
  const std::size_t dash = suffix.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::optional<std::int64_t> time = parse_stamp(suffix.substr(dash + 1));
  if (!time) return std::nullopt;
  return ConflictName{name.substr(0, mark), suffix.substr(0, dash), *time};
}

}  // namespace shoal::wire
