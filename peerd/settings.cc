// SPDX-License-Identifier: MIT
#include "peerd/settings.h"

#include <fmt/format.h>

#include <cctype>

#include "base/config.h"
#include "base/file.h"
#include "wire/limits.h"

namespace shoal::peerd {
namespace {

constexpr std::uint64_t kMaxSettingsBytes = 1 << 20;
constexpr std::size_t kSwarmBytes = 16;

/// The file's texts before they are understood.
struct Texts {
  std::string listen = "127.0.0.1:0";
  std::string advertise;
  std::string swarm;
  std::string tracker;
  std::string tracker_id;
  std::string log_level = "info";
  std::string log_format = "text";
};

void declare(base::ConfigSchema& schema, Settings& settings, Texts& texts) {
  schema.text("name", settings.name)
      .text("listen", texts.listen)
      .text("advertise", texts.advertise)
      .text("store", settings.store)
      .text("swarm.id", texts.swarm)
      .text("swarm.name", settings.swarm_name)
      .text("swarm.tracker", texts.tracker)
      .text("swarm.tracker_id", texts.tracker_id)
      .text("mount.point", settings.mount_point)
      .flag("mount.allow_other", settings.allow_other)
      .flag("mount.sync", settings.sync)
      .flag("mount.delegation", settings.delegation)
      .duration("mount.read_budget", settings.read_budget)
      .integer("mount.workers", settings.workers, 1, 64)
      .text("mount.passthrough", settings.passthrough)
      .bytes("cache.ceiling", settings.ceiling_bytes)
      .bytes("cache.free_floor", settings.free_floor_bytes)
      .bytes("limits.upload", settings.upload_rate)
      .bytes("limits.download", settings.download_rate)
      .integer("pool_threads", settings.pool_threads, 1, 64)
      .text("log.level", texts.log_level)
      .text("log.format", texts.log_format);
}

Result<std::vector<wire::Endpoint>> parse_endpoints(const std::string& text) {
  std::vector<wire::Endpoint> list;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string item = text.substr(begin, end - begin);
    std::erase_if(item, [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; });
    begin = end + 1;
    if (item.empty()) continue;
    auto endpoint = wire::Endpoint::parse(item);
    if (!endpoint) return pass(endpoint);
    list.push_back(std::move(*endpoint));
  }
  if (list.size() > wire::kMaxEndpoints) {
    return fail(Errc::invalid, "at most {} addresses can be announced", wire::kMaxEndpoints);
  }
  return list;
}

Error in_key(const std::string& source, std::string_view key, const Error& error) {
  return error.with(fmt::format("{}: {}", source, key));
}

Result<void> understand(const Texts& texts, const std::string& source, Settings& settings) {
  auto listen = wire::Endpoint::parse(texts.listen);
  if (!listen) return std::unexpected(in_key(source, "listen", listen.error()));
  settings.listen = std::move(*listen);
  auto advertise = parse_endpoints(texts.advertise);
  if (!advertise) return std::unexpected(in_key(source, "advertise", advertise.error()));
  settings.advertise = std::move(*advertise);
  auto tracker = wire::Endpoint::parse(texts.tracker);
  if (!tracker) return std::unexpected(in_key(source, "swarm.tracker", tracker.error()));
  settings.tracker = std::move(*tracker);
  const auto swarm = base::from_hex(texts.swarm);
  if (!swarm || swarm->size() != kSwarmBytes) {
    return fail(Errc::invalid, "{}: swarm.id is not {} hexadecimal digits", source,
                2 * kSwarmBytes);
  }
  settings.swarm = *swarm;
  const auto id = base::from_hex(texts.tracker_id);
  auto digest = id ? Digest::from(*id) : Result<Digest>(fail(Errc::invalid, "not hexadecimal"));
  if (!digest) {
    return fail(Errc::invalid, "{}: swarm.tracker_id is not {} hexadecimal digits", source,
                2 * Digest::kBytes);
  }
  settings.tracker_id = PeerId{*digest};
  auto log = base::parse_log_options(texts.log_level, texts.log_format);
  if (!log) return std::unexpected(log.error().with(source));
  settings.log = *log;
  if (settings.name.empty() || settings.name.size() > wire::kMaxNameBytes) {
    return fail(Errc::invalid, "{}: name must have 1 to {} bytes", source, wire::kMaxNameBytes);
  }
  if (settings.passthrough != "auto" && settings.passthrough != "on" &&
      settings.passthrough != "off") {
    return fail(Errc::invalid, "{}: mount.passthrough is not auto, on or off", source);
  }
  if (settings.store.empty()) return fail(Errc::invalid, "{}: store is empty", source);
  return {};
}

/// A TOML basic string.
std::string toml_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

Result<Settings> parse_settings(std::string_view toml, const std::string& source_name) {
  Settings settings;
  Texts texts;
  base::ConfigSchema schema;
  declare(schema, settings, texts);
  auto parsed = schema.parse(toml, source_name);
  if (!parsed) return pass(parsed);
  auto understood = understand(texts, source_name, settings);
  if (!understood) return pass(understood);
  return settings;
}

Result<Settings> read_settings(const std::string& path) {
  auto text = base::read_whole(path, kMaxSettingsBytes);
  if (!text) return pass(text);
  return parse_settings(*text, path);
}

std::string format_settings(const Settings& settings) {
  return fmt::format(
      "# This peer of the swarm. Written by `peerd join`; edit it, then send SIGHUP or restart.\n"
      "\n"
      "name = {}\n"
      "# Where other peers connect to; port 0 takes a free one at each start.\n"
      "listen = {}\n"
      "# What the others are told instead, such as behind a port forwarding: \"host:port, ...\"\n"
      "# advertise = \"\"\n"
      "# The folder of the blobs, below this file's.\n"
      "# store = \"store\"\n"
      "\n"
      "[swarm]\n"
      "id = \"{}\"\n"
      "name = {}\n"
      "tracker = {}\n"
      "tracker_id = \"{}\"\n"
      "\n"
      "# [mount]\n"
      "# point = \"/mnt/swarm\"\n"
      "# allow_other = true     # other users see the mount; on by itself for root\n"
      "# sync = false           # every close waits as fsync does\n"
      "# delegation = true      # false: every change of a name waits for the tracker\n"
      "# read_budget = \"10s\"    # a read that nobody can serve fails after this\n"
      "# passthrough = \"off\"    # auto: new files are written by the kernel itself\n"
      "\n"
      "# [cache]\n"
      "# ceiling = \"100 GiB\"    # the blobs never take more; default: half of the disk\n"
      "# free_floor = \"1 GiB\"   # left free on the disk for others\n"
      "\n"
      "# [limits]\n"
      "# upload = \"5 MiB\"       # bytes a second to other peers; short answers go first\n"
      "# download = \"20 MiB\"    # and from them; programs that wait go first\n"
      "\n"
      "# [log]\n"
      "# level = \"info\"         # debug, info, warning, error\n"
      "# format = \"text\"        # or json\n",
      toml_quoted(settings.name), toml_quoted(settings.listen.text()), base::to_hex(settings.swarm),
      toml_quoted(settings.swarm_name), toml_quoted(settings.tracker.text()),
      settings.tracker_id.hex());
}

}  // namespace shoal::peerd
