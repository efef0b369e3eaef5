// SPDX-License-Identifier: MIT
// Log lines are a sentence plus key=value fields. error: somebody must act; warning: something
// went wrong that shoal mends itself; info: milestones; debug: each request.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace shoal::base {

enum class LogLevel { debug, info, warning, error };

struct LogOptions {
  LogLevel level = LogLevel::info;
  /// One JSON object a line instead of text.
  bool json = false;
  /// "<6>" priority prefixes as journald reads them; on by itself when JOURNAL_STREAM is set.
  bool journald_prefix = false;
};

/// Errors: invalid for a word that is none of debug, info, warning, error.
Result<LogLevel> parse_log_level(std::string_view word);
/// Shape: the settings `log.level` and `log.format`. Errors: invalid, naming the setting.
Result<LogOptions> parse_log_options(std::string_view level, std::string_view format);
/// Call once from main before threads start; without it lines go to stderr at info.
void start_log(const LogOptions& options);
/// How many error lines were written: a simulation fails when it is not zero.
std::uint64_t error_line_count();

bool is_logged(LogLevel level);
void log_line(LogLevel level, std::string_view line);

template <class... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (is_logged(level)) log_line(level, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::debug, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::info, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::warning, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::error, format, std::forward<Args>(args)...);
}

}  // namespace shoal::base
