// SPDX-License-Identifier: MIT
// TOML files with a fixed set of keys: an unknown key or a wrong type is an error that names file,
// line and key.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace shoal::base {

/// Declares where each key's value goes, then reads a file into those places.
/// Keys may be dotted ("cache.ceiling_bytes"). A place keeps its value when the key is absent.
class ConfigSchema {
 public:
  ConfigSchema& text(std::string_view key, std::string& place);
  ConfigSchema& flag(std::string_view key, bool& place);
  ConfigSchema& integer(std::string_view key, std::int64_t& place, std::int64_t min,
                        std::int64_t max);
  /// Integer bytes, or text such as "20 GiB".
  ConfigSchema& bytes(std::string_view key, std::uint64_t& place);
  /// Text such as "20s", "10 min", "250ms".
  ConfigSchema& duration(std::string_view key, Duration& place);

  /// All places are set or, after an error, none.
  /// Errors: invalid with "FILE:LINE: ...", not_found when there is no such file.
  Result<void> read(const std::string& path) const;
  Result<void> parse(std::string_view toml, const std::string& source_name) const;

 private:
  struct Key;
  std::vector<Key> keys_;

 public:
  ConfigSchema();
  ~ConfigSchema();
};

/// "4096", "20 GiB", "1.5M"; K M G T alone are binary, kB MB GB TB decimal. Errors: invalid.
Result<std::uint64_t> parse_bytes(std::string_view text);
/// "250ms", "10 min", "1m 30s"; units ns us ms s m min h d. Errors: invalid.
Result<Duration> parse_duration(std::string_view text);
/// "1.4 GiB", "312 B"; "1m 05s", "2.3 s".
std::string format_bytes(std::uint64_t bytes);
std::string format_duration(Duration duration);

}  // namespace shoal::base
