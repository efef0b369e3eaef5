// SPDX-License-Identifier: MIT
// What --json prints: one object, "schema":1, integers for bytes, RFC 3339 times in UTC.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "wire/records.h"

namespace shoal::cli {

using Json = nlohmann::ordered_json;

/// {"schema":1}, to be filled.
Json json_document();

bool is_utf8(std::string_view text);

/// Sets json[key] to a name or path, which is any bytes. What is not UTF-8 is shown with U+FFFD,
/// and json[key + "_b64"] then holds the exact bytes in base64.
void set_path(Json& json, const std::string& key, std::string_view path);

/// "2026-11-20T09:15:03Z", with a fraction when there is one. Units: nanoseconds since 1970.
std::string rfc3339(std::int64_t nanoseconds);

/// One text, indented by two; never throws on odd bytes.
std::string json_text(const Json& json);

Json json_of(const wire::SwarmTotals& totals);
Json json_of(const wire::Health& health);
Json json_of(const wire::Capacity& capacity);
Json json_of(const wire::Member& member);

}  // namespace shoal::cli
