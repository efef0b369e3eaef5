// SPDX-License-Identifier: MIT
#include "cli/json.h"

#include <fmt/format.h>

#include <array>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/bytes.h"

namespace shoal::cli {
namespace {

struct Utf8Lead {
  std::size_t length;
  unsigned second_min;
  unsigned second_max;
};

/// The Unicode standard's table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF.
Utf8Lead utf8_lead(unsigned char lead) {
  if (lead < 0x80) return {1, 0, 0};
  if (lead >= 0xC2 && lead <= 0xDF) return {2, 0x80, 0xBF};
  if (lead == 0xE0) return {3, 0xA0, 0xBF};
  if (lead == 0xED) return {3, 0x80, 0x9F};
  if (lead >= 0xE1 && lead <= 0xEF) return {3, 0x80, 0xBF};
  if (lead == 0xF0) return {4, 0x90, 0xBF};
  if (lead >= 0xF1 && lead <= 0xF3) return {4, 0x80, 0xBF};
  if (lead == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

Json endpoints_json(const std::vector<wire::Endpoint>& endpoints) {
  Json list = Json::array();
  for (const wire::Endpoint& endpoint : endpoints) list.push_back(endpoint.text());
  return list;
}

}  // namespace

Json json_document() {
  Json json;
  json["schema"] = 1;
  return json;
}

bool is_utf8(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Lead lead = utf8_lead(byte(at));
    if (lead.length == 0 || lead.length > text.size() - at) return false;
    if (lead.length > 1 && (byte(at + 1) < lead.second_min || byte(at + 1) > lead.second_max)) {
      return false;
    }
    for (std::size_t i = 2; i < lead.length; ++i) {
      if ((byte(at + i) & 0xC0) != 0x80) return false;
    }
    at += lead.length;
  }
  return true;
}

void set_path(Json& json, const std::string& key, std::string_view path) {
  json[key] = std::string(path);
  if (!is_utf8(path)) json[key + "_b64"] = base::to_base64(as_bytes(path));
}

std::string rfc3339(std::int64_t nanoseconds) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::int64_t seconds = nanoseconds / kSecond;
  std::int64_t fraction = nanoseconds % kSecond;
  if (fraction < 0) {  // before 1970: the fraction still counts forward
    fraction += kSecond;
    --seconds;
  }
  const std::time_t time = seconds;
  std::tm parts{};
  if (gmtime_r(&time, &parts) == nullptr) return {};
  std::array<char, 64> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::string out(text.data(), length);
  if (fraction != 0) out += fmt::format(".{:09}", fraction);
  return out + "Z";
}

std::string json_text(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

Json json_of(const wire::SwarmTotals& totals) {
  Json json;
  json["files"] = totals.files;
  json["directories"] = totals.directories;
  json["bytes"] = totals.bytes;
  json["capacity_bytes"] = totals.capacity_bytes;
  json["free_bytes"] = totals.free_bytes;
  json["members"] = totals.members;
  json["members_online"] = totals.members_online;
  json["copies"] = totals.copies;
  return json;
}

Json json_of(const wire::Health& health) {
  Json json;
  json["files"] = health.files;
  json["under"] = health.under;
  json["unavailable"] = health.unavailable;
  json["lost"] = health.lost;
  return json;
}

Json json_of(const wire::Capacity& capacity) {
  Json json;
  json["capacity_bytes"] = capacity.capacity_bytes;
  json["free_bytes"] = capacity.free_bytes;
  json["stored_bytes"] = capacity.stored_bytes;
  json["stored_blobs"] = capacity.stored_blobs;
  return json;
}

Json json_of(const wire::Member& member) {
  Json json;
  json["name"] = member.name;
  json["peer"] = member.peer.hex();
  json["online"] = member.online;
  json["last_seen"] = rfc3339(member.last_seen);
  json["endpoints"] = endpoints_json(member.endpoints);
  json["capacity_bytes"] = member.capacity_bytes;
  json["free_bytes"] = member.free_bytes;
  json["stored_bytes"] = member.stored_bytes;
  json["stored_blobs"] = member.stored_blobs;
  return json;
}

}  // namespace shoal::cli
