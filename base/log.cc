// SPDX-License-Identifier: MIT
#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <cstdlib>

#include "base/bytes.h"

namespace shoal::base {
namespace {

std::atomic<LogLevel> g_level{LogLevel::info};
std::atomic<bool> g_json{false};
std::atomic<bool> g_journald{false};
std::atomic<std::uint64_t> g_error_lines{0};

/// Lives for ever: objects with static lifetime may still log while the process ends.
spdlog::logger& logger() {
  static spdlog::logger* const instance = [] {
    auto* made = new spdlog::logger("shoal", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_level(spdlog::level::trace);
    made->set_pattern("%Y-%m-%d %H:%M:%S.%e %l %v");
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

/// Syslog priorities as in RFC 5424, which journald reads from a leading "<N>".
int syslog_priority(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return 7;
    case LogLevel::info:
      return 6;
    case LogLevel::warning:
      return 4;
    case LogLevel::error:
      return 3;
  }
  return 3;
}

bool needs_escape(std::string_view line) {
  for (const char c : line) {
    const auto value = static_cast<unsigned char>(c);
    if (value < 0x20 || value >= 0x7F) return true;
  }
  return false;
}

/// For a JSON string. Shape: the line has no control characters left.
std::string json_escaped(std::string_view line) {
  std::string out;
  out.reserve(line.size() + 8);
  for (const char c : line) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

void write_line(LogLevel level, std::string_view line) {
  const auto spd_level = to_spdlog(level);
  if (g_json) {
    logger().log(spd_level, "{}", json_escaped(line));
  } else if (g_journald) {
    logger().log(spd_level, "<{}>{}", syslog_priority(level), line);
  } else {
    logger().log(spd_level, "{}", line);
  }
}

}  // namespace

Result<LogLevel> parse_log_level(std::string_view word) {
  if (word == "debug") return LogLevel::debug;
  if (word == "info") return LogLevel::info;
  if (word == "warning") return LogLevel::warning;
  if (word == "error") return LogLevel::error;
  return fail(Errc::invalid, "log level '{}' is none of debug, info, warning, error",
              printable(word));
}

Result<LogOptions> parse_log_options(std::string_view level, std::string_view format) {
  LogOptions options;
  auto parsed = parse_log_level(level);
  if (!parsed) return std::unexpected(parsed.error().with("log.level"));
  options.level = *parsed;
  if (format != "text" && format != "json") {
    return fail(Errc::invalid, "log.format: '{}' is neither text nor json", printable(format));
  }
  options.json = format == "json";
  return options;
}

void start_log(const LogOptions& options) {
  g_level = options.level;
  g_json = options.json;
  g_journald = !options.json && (options.journald_prefix || getenv("JOURNAL_STREAM") != nullptr);
  if (options.json) {
    logger().set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":"%v"})");
  } else if (g_journald) {
    logger().set_pattern("%v");
  } else {
    logger().set_pattern("%Y-%m-%d %H:%M:%S.%e %l %v");
  }
}

std::uint64_t error_line_count() { return g_error_lines; }

bool is_logged(LogLevel level) { return level >= g_level.load(std::memory_order_relaxed); }

void log_line(LogLevel level, std::string_view line) {
  if (level == LogLevel::error) ++g_error_lines;
  if (!is_logged(level)) return;
  if (needs_escape(line)) {
    write_line(level, printable(line));
  } else {
    write_line(level, line);
  }
}

}  // namespace shoal::base
