// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/task.h"
#include "cache/blob_source.h"
#include "cache/blob_store.h"
#include "wire/locks.h"
#include "wire/messages.h"

namespace shoal::wire {
class TrackerClient;
}

namespace shoal::peerd {

/// What the daemon needs of a mounted filesystem; the programs' composition implements it over fs/.
/// Thread: the loop. See wire::TrackerEvents for the first five.
class Mount {
 public:
  virtual ~Mount() = default;
  virtual Task<Result<wire::InvalidateReply>> invalidate(wire::Invalidate event) = 0;
  virtual Task<Result<wire::RecallReply>> recall(wire::Recall event) = 0;
  virtual std::vector<wire::Reclaim> reclaims() = 0;
  virtual std::vector<wire::LockClaim> lock_claims() = 0;
  virtual void caches_void(bool session_lost) = 0;
  virtual void connected() = 0;

  /// Returns when the tracker has answered what programs here have done so far. Errors: timed_out,
  /// those of publishing.
  virtual Task<Result<void>> settle(Deadline deadline) = 0;

  virtual std::string mount_point() const = 0;
  /// How file data reaches the kernel: "mediated", ...; and that it works without delegations.
  virtual std::string mode() const = 0;
  /// Publishes what is unsent and unmounts. Errors: busy; then nothing has changed.
  virtual Task<Result<void>> unmount(bool lazy) = 0;
  virtual bool is_mounted() const = 0;
  /// Returns when the mount has gone, by whatever way.
  virtual Task<Result<void>> wait_unmounted() = 0;
};

struct MountSettings {
  std::string mount_point;
  std::string swarm_name;
  std::string peer_name;
  std::string journal;  ///< path
  bool allow_other = false;
  bool sync = false;
  bool delegation = true;
  Duration read_budget = std::chrono::seconds(10);
  unsigned workers = 4;
  std::string passthrough = "off";  ///< off, auto, on
};

/// What a mount works with; all outlive it.
struct MountEnvironment {
  base::Loop& loop;
  Timer& timer;
  Pool& pool;
  wire::TrackerClient& tracker;
  cache::BlobStore& store;
  cache::BlobSource& source;
  std::function<void(wire::Located)> on_located;  ///< see fs::Environment
};

/// Clears a mount that a dead daemon left behind, and mounts. Errors: each with a sentence that
/// says what to do.
Task<Result<std::unique_ptr<Mount>>> mount_swarm(MountEnvironment environment,
                                                 MountSettings settings);

}  // namespace shoal::peerd
