// SPDX-License-Identifier: MIT
// Sizes and spans of time as people write and read them.
#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "base/bytes.h"
#include "base/config.h"

namespace shoal::base {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::uint64_t kKibi = 1024;
constexpr std::uint64_t kKilo = 1000;
// K, M, G, T alone are binary, as in coreutils.
constexpr auto kByteUnits = std::to_array<Unit>({
    {"", 1},
    {"B", 1},
    {"K", kKibi},
    {"KiB", kKibi},
    {"kB", kKilo},
    {"KB", kKilo},
    {"M", kKibi* kKibi},
    {"MiB", kKibi* kKibi},
    {"MB", kKilo* kKilo},
    {"G", kKibi* kKibi* kKibi},
    {"GiB", kKibi* kKibi* kKibi},
    {"GB", kKilo* kKilo* kKilo},
    {"T", kKibi* kKibi* kKibi* kKibi},
    {"TiB", kKibi* kKibi* kKibi* kKibi},
    {"TB", kKilo* kKilo* kKilo* kKilo},
    {"PiB", kKibi* kKibi* kKibi* kKibi* kKibi},
    {"PB", kKilo* kKilo* kKilo* kKilo* kKilo},
});

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr auto kTimeUnits = std::to_array<Unit>({
    {"ns", 1},
    {"us", 1'000},
    {"ms", 1'000'000},
    {"s", kSecond},
    {"m", 60 * kSecond},
    {"min", 60 * kSecond},
    {"h", 3600 * kSecond},
    {"d", 86'400 * kSecond},
});

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string_view take_while(std::string_view& text, bool (*belongs)(char)) {
  const auto end = std::ranges::find_if_not(text, belongs);
  const auto count = static_cast<std::size_t>(end - text.begin());
  const std::string_view taken = text.substr(0, count);
  text.remove_prefix(count);
  return taken;
}

void skip_spaces(std::string_view& text) {
  take_while(text, [](char c) { return c == ' '; });
}

/// Takes "12.5 MiB" off the front of text. nullopt: not a quantity, or it does not fit 63 bits.
std::optional<std::uint64_t> take_quantity(std::string_view& text, std::span<const Unit> units) {
  constexpr std::size_t kDigitsMax = 18;  // fits 64 bits, and with a unit 128
  const std::string_view whole = take_while(text, is_digit);
  std::string_view fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = take_while(text, is_digit);
    if (fraction.empty()) return std::nullopt;
  }
  if (whole.empty() || whole.size() + fraction.size() > kDigitsMax) return std::nullopt;
  skip_spaces(text);
  const std::string_view name = take_while(text, is_letter);
  const auto unit = std::ranges::find(units, name, &Unit::name);
  if (unit == units.end()) return std::nullopt;

  unsigned __int128 value = 0;
  unsigned __int128 scale = 1;
  for (const char digit : whole) value = value * 10 + static_cast<unsigned>(digit - '0');
  for (const char digit : fraction) {
    value = value * 10 + static_cast<unsigned>(digit - '0');
    scale *= 10;
  }
  value = value * unit->factor / scale;
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(value);
}

}  // namespace

Result<std::uint64_t> parse_bytes(std::string_view text) {
  std::string_view rest = text;
  const auto value = take_quantity(rest, kByteUnits);
  if (!value || !rest.empty()) {
    return fail(Errc::invalid, "'{}' is not a size such as 512 MiB", printable(text));
  }
  return *value;
}

Result<Duration> parse_duration(std::string_view text) {
  std::string_view rest = text;
  std::uint64_t total = 0;
  bool is_good = !rest.empty();
  while (is_good && !rest.empty()) {
    const auto term = take_quantity(rest, kTimeUnits);
    is_good = term && !__builtin_add_overflow(total, *term, &total) &&
              total <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    skip_spaces(rest);
  }
  if (!is_good) {
    return fail(Errc::invalid, "'{}' is not a duration such as 20s or 10 min", printable(text));
  }
  return Duration(static_cast<std::int64_t>(total));
}

std::string format_bytes(std::uint64_t bytes) {
  if (bytes < kKibi) return fmt::format("{} B", bytes);
  constexpr std::array<std::string_view, 6> kNames = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < kNames.size()) {  // what would print as 1024.0
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kNames[unit]);
}

std::string format_duration(Duration duration) {
  const std::int64_t ns = duration.count();
  if (ns < 0) return fmt::format("-{}", format_duration(-duration));
  if (ns < 1'000) return fmt::format("{} ns", ns);
  if (ns < 1'000'000) return fmt::format("{} us", ns / 1'000);
  if (ns < 1'000'000'000) return fmt::format("{} ms", ns / 1'000'000);
  const std::int64_t seconds = ns / 1'000'000'000;
  if (seconds < 60) {
    const std::int64_t tenths = ns / 100'000'000;  // rounded down: never "60.0 s"
    return fmt::format("{}.{} s", tenths / 10, tenths % 10);
  }
  if (seconds < 3600) return fmt::format("{}m {:02}s", seconds / 60, seconds % 60);
  if (seconds < 86'400) return fmt::format("{}h {:02}m", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{}d {:02}h", seconds / 86'400, seconds / 3600 % 24);
}

}  // namespace shoal::base
