// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "tracker/settings.h"

namespace shoal::tracker {

// What lies in a tracker's folder.
inline constexpr const char* kDatabaseFile = "tracker.db";
inline constexpr const char* kIdentityFile = "identity.pem";
inline constexpr const char* kSettingsFile = "trackerd.toml";

struct InitOptions {
  std::string dir;
  std::string name;  ///< the swarm's, for people
  Settings settings;
};

/// Founds a swarm: identity, database and settings in a folder that has none of them. The swarm's
/// root directory belongs to the calling user.
/// The result is the tracker's identity. Errors: exists (a tracker lives there already), no_space,
/// access_denied, io.
Result<PeerId> init_tracker(const InitOptions& options);

}  // namespace shoal::tracker
