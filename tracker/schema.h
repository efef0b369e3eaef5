// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "base/sqlite.h"

namespace shoal::tracker {

/// The number of the schema that this program reads and writes (PRAGMA user_version).
inline constexpr std::int64_t kSchemaVersion = 2;

/// Whose the root directory is: who founds the swarm can write into it.
struct RootOwner {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

/// Makes the tables in an empty database, names the swarm and makes the root directory.
/// Shape: swarm has 16 bytes. Errors: exists (there are tables already), no_space, io.
Result<void> create_schema(base::Database& database, ByteView swarm, std::string_view swarm_name,
                           std::int64_t now, RootOwner owner);

/// Brings an older database to kSchemaVersion. Errors: not_found (no tables: not initialised),
/// version_mismatch (made by a newer program), no_space, corrupt, io.
Result<void> migrate_schema(base::Database& database);

}  // namespace shoal::tracker
