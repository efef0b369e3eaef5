// SPDX-License-Identifier: MIT
#include "tracker/settings.h"

#include <fmt/format.h>

#include "base/config.h"
#include "base/file.h"

namespace shoal::tracker {
namespace {

constexpr std::uint64_t kMaxSettingsBytes = 1 << 20;
// More copies than this are a slip of the finger.
constexpr std::int64_t kMaxCopies = 64;

}  // namespace

Result<Settings> parse_settings(std::string_view toml, const std::string& source_name) {
  Settings settings;
  std::string listen = kDefaultListen;
  std::string advertise;
  std::string log_level = "info";
  std::string log_format = "text";
  base::ConfigSchema schema;
  schema.text("listen", listen)
      .text("advertise", advertise)
      .integer("copies", settings.copies, 1, kMaxCopies)
      .duration("holder_grace", settings.holder_grace)
      .text("log.level", log_level)
      .text("log.format", log_format);
  auto parsed = schema.parse(toml, source_name);
  if (!parsed) return pass(parsed);
  auto endpoint = wire::Endpoint::parse(listen);
  if (!endpoint) return std::unexpected(endpoint.error().with(source_name + ": listen"));
  settings.listen = std::move(*endpoint);
  if (!advertise.empty()) {
    endpoint = wire::Endpoint::parse(advertise);
    if (!endpoint) return std::unexpected(endpoint.error().with(source_name + ": advertise"));
    settings.advertise = std::move(*endpoint);
  }
  auto log = base::parse_log_options(log_level, log_format);
  if (!log) return std::unexpected(log.error().with(source_name));
  settings.log = *log;
  return settings;
}

Result<Settings> read_settings(const std::string& path) {
  auto text = base::read_whole(path, kMaxSettingsBytes);
  if (!text) return pass(text);
  return parse_settings(*text, path);
}

std::string format_settings(const Settings& settings) {
  return fmt::format(
      "# The tracker of the swarm. Written by `trackerd init`; edit it, then restart.\n"
      "\n"
      "# Where peers connect to. 0.0.0.0 listens on all of the machine's addresses; port 0 takes "
      "a\n"
      "# free one at each start, which peers that have joined would not find again.\n"
      "listen = \"{}\"\n"
      "# What invitations say instead, such as a name that others can resolve: \"host:port\"\n"
      "# advertise = \"\"\n"
      "# On how many peers every file shall be whole.\n"
      "copies = {}\n"
      "# A holder that is away longer no longer counts as one when copies are placed.\n"
      "# holder_grace = \"10 min\"\n"
      "\n"
      "# [log]\n"
      "# level = \"info\"         # debug, info, warning, error\n"
      "# format = \"text\"        # or json\n",
      settings.listen.text(), settings.copies);
}

}  // namespace shoal::tracker
