// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shoal::wire {

/// A pattern for Find that every conflict copy's name matches.
inline constexpr std::string_view kConflictPattern = "*.conflict-*";

/// The name under which a change is kept that another peer's change kept from taking effect:
/// NAME.conflict-PEER-20261121T081502.123Z, which says whose it was and when it was made. The name
/// is cut, at the end of a UTF-8 character where it has such, so that all fits into kMaxNameBytes.
/// Shape: peer is a peer's name; time in nanoseconds since 1970. Pure.
std::string conflict_name(std::string_view name, std::string_view peer, std::int64_t time);

/// What a conflict copy's name tells.
struct ConflictName {
  std::string_view name;  ///< as it was, or its beginning
  std::string_view peer;
  std::int64_t time = 0;  ///< nanoseconds since 1970, whole milliseconds
};
/// The parts of such a name, views into it; nullopt for any other name. Pure.
std::optional<ConflictName> parse_conflict_name(std::string_view name);

}  // namespace shoal::wire
