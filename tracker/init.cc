// SPDX-License-Identifier: MIT
#include "tracker/init.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "tracker/sqlite_store.h"
#include "wire/limits.h"

namespace shoal::tracker {
namespace {

constexpr std::size_t kSwarmBytes = 16;

}  // namespace

Result<PeerId> init_tracker(const InitOptions& options) {
  if (options.name.empty() || options.name.size() > wire::kMaxNameBytes) {
    return fail(Errc::invalid, "a swarm's name has 1 to {} bytes", wire::kMaxNameBytes);
  }
  auto made = base::make_folders(options.dir);
  if (!made) return pass(made);
  const std::string database = options.dir + "/" + kDatabaseFile;
  if (::access(database.c_str(), F_OK) == 0) {
    return fail(Errc::exists, "{} holds a tracker already: start it with `trackerd --dir {}`",
                options.dir, options.dir);
  }
  auto identity = wire::Identity::load_or_create(options.dir + "/" + kIdentityFile);
  if (!identity) return pass(identity);
  auto written =
      base::write_whole(options.dir + "/" + kSettingsFile, format_settings(options.settings), 0644);
  if (!written) return pass(written);
  // The database comes last: with it the folder counts as initialised.
  const std::int64_t now = base::SystemClock().wall().time_since_epoch().count();
  auto created = SqliteStore::create(database, base::secret_bytes(kSwarmBytes), options.name, now,
                                     {::getuid(), ::getgid()});
  if (!created) return pass(created);
  return identity->id();
}

}  // namespace shoal::tracker
