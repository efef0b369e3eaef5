// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "wire/identity.h"

namespace shoal::peerd {

/// What stands in DIR/peerd.toml, checked. Times and sizes have their defaults here.
struct Settings {
  std::string name;
  wire::Endpoint listen{"127.0.0.1", 0};
  /// Where others reach us, when that is not where we listen; comma separated in the file.
  std::vector<wire::Endpoint> advertise;
  std::string store = "store";  ///< relative to DIR

  Bytes swarm;
  std::string swarm_name;
  wire::Endpoint tracker;
  PeerId tracker_id;

  std::string mount_point;  ///< empty: none unless --mount says so
  bool allow_other = false;
  bool sync = false;
  bool delegation = true;  ///< false: every change waits for the tracker
  Duration read_budget = std::chrono::seconds(10);
  std::int64_t workers = 4;
  std::string passthrough = "off";  ///< off, auto, on

  std::uint64_t ceiling_bytes = 0;
  std::uint64_t free_floor_bytes = 0;
  std::int64_t pool_threads = 4;

  /// Bytes a second to and from other peers; 0 sets no limit.
  std::uint64_t upload_rate = 0;
  std::uint64_t download_rate = 0;

  base::LogOptions log;
};

/// Errors: not_found (no such file), invalid with "FILE:LINE: ..." or the key.
Result<Settings> read_settings(const std::string& path);
/// The same from text; source_name stands in errors.
Result<Settings> parse_settings(std::string_view toml, const std::string& source_name);
/// The file that `peerd join` writes: what it knows, the rest as comments.
std::string format_settings(const Settings& settings);

}  // namespace shoal::peerd
