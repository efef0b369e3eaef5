// SPDX-License-Identifier: MIT
#include "peerd/mount_options.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/config.h"

namespace shoal::peerd {
namespace {

constexpr std::array<std::string_view, 17> kForOthers = {
    "defaults", "auto",     "noauto", "user", "users",  "nouser", "owner",   "group", "nofail",
    "_netdev",  "relatime", "rw",     "dev",  "nosuid", "nodev",  "noatime", "exec"};

bool is_for_others(std::string_view word) {
  if (word.starts_with("x-") || word.starts_with("comment=")) return true;
  return std::find(kForOthers.begin(), kForOthers.end(), word) != kForOthers.end();
}

Result<void> apply_one(std::string_view word, Settings& settings) {
  const std::size_t equals = word.find('=');
  const std::string_view key = word.substr(0, equals);
  const std::string_view value =
      equals == std::string_view::npos ? std::string_view() : word.substr(equals + 1);
  if (word == "allow_other") {
    settings.allow_other = true;
  } else if (word == "sync" || word == "async") {
    settings.sync = word == "sync";
  } else if (key == "delegation") {
    if (value != "on" && value != "off") {
      return fail(Errc::invalid, "-o delegation={}: neither on nor off", value);
    }
    settings.delegation = value == "on";
  } else if (key == "read_budget") {
    auto budget = base::parse_duration(value);
    if (!budget || *budget <= Duration::zero()) {
      return fail(Errc::invalid, "-o read_budget={}: not a time such as 10s", value);
    }
    settings.read_budget = *budget;
  } else if (key == "workers") {
    std::int64_t workers = 0;
    const auto parsed = std::from_chars(value.data(), value.data() + value.size(), workers);
    const bool is_number = parsed.ec == std::errc() && parsed.ptr == value.data() + value.size();
    if (!is_number || workers < 1 || workers > 64) {
      return fail(Errc::invalid, "-o workers={}: not a number from 1 to 64", value);
    }
    settings.workers = workers;
  } else if (key == "passthrough") {
    if (value != "auto" && value != "on" && value != "off") {
      return fail(Errc::invalid, "-o passthrough={}: not auto, on or off", value);
    }
    settings.passthrough = value;
  } else if (!is_for_others(word)) {
    return fail(Errc::invalid, "-o {}: no such mount option", word);
  }
  return {};
}

}  // namespace

Result<void> apply_mount_options(std::string_view options, Settings& settings) {
  while (!options.empty()) {
    const std::size_t end = std::min(options.find(','), options.size());
    const std::string_view word = options.substr(0, end);
    options.remove_prefix(std::min(end + 1, options.size()));
    if (word.empty()) continue;
    auto applied = apply_one(word, settings);
    if (!applied) return applied;
  }
  return {};
}

}  // namespace shoal::peerd
