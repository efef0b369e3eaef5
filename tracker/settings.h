// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "wire/identity.h"

namespace shoal::tracker {

/// Where a tracker listens unless it is told otherwise: this machine only.
inline constexpr const char* kDefaultListen = "127.0.0.1:4050";

/// What stands in DIR/trackerd.toml, checked.
struct Settings {
  wire::Endpoint listen{"127.0.0.1", 4050};
  /// Where invitations send people; an empty host: where we listen.
  wire::Endpoint advertise;
  std::int64_t copies = 2;
  Duration holder_grace = std::chrono::minutes(10);
  base::LogOptions log;
};

/// Errors: not_found (no such file), invalid with "FILE:LINE: ..." or the key.
Result<Settings> read_settings(const std::string& path);
/// The same from text; source_name stands in errors.
Result<Settings> parse_settings(std::string_view toml, const std::string& source_name);
/// The file that `trackerd init` writes.
std::string format_settings(const Settings& settings);

}  // namespace shoal::tracker
