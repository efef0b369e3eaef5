// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/task.h"
#include "cache/blob_source.h"
#include "cache/blob_store.h"
#include "wire/messages.h"
#include "wire/tracker_client.h"

namespace shoal::fs {

/// Whether the kernel may write into blobs' files itself (FUSE passthrough).
enum class PassthroughOption : std::uint8_t {
  off,
  automatic,  ///< new and truncated files, by who cannot map them
  on,         ///< also by who can: stores through a mapping are then seen when the file is closed
};

struct MountOptions {
  std::string mount_point;
  std::string source_name;  ///< what df shows: "shoal:SWARM"
  std::string peer_name;    ///< in the names of conflict copies
  std::string journal;      ///< path of the journal; empty: kept in memory only
  /// Others than the mounting user see the mount under their own permissions. On by itself for
  /// root; for an ordinary user it needs user_allow_other in /etc/fuse.conf.
  bool allow_other = false;
  bool sync = false;                                ///< every close is an fsync
  bool delegation = true;                           ///< off: every change waits for the tracker
  Duration read_budget = std::chrono::seconds(10);  ///< then a read that nobody can serve is EIO
  /// A program that calls guard() with its last argument; empty: none. See fs/guardian.h.
  std::vector<std::string> guardian;
  PassthroughOption passthrough = PassthroughOption::off;
  unsigned workers = 4;               ///< FUSE threads; none ever waits for the network
  std::uint64_t max_dirty_bytes = 0;  ///< 0: no bound but the store's
};

/// What the mount works with; all outlive it.
struct Environment {
  Loop& loop;
  Timer& timer;
  Pool& pool;
  wire::TrackerClient& tracker;
  cache::BlobStore& store;
  cache::BlobSource& source;
  /// Told of the holders that came with an answer about something else, on the loop; may be empty.
  std::function<void(wire::Located)> on_located;
};

/// The mounted swarm. Owner: peerd's main. Thread: the loop, unless said otherwise.
class FileSystem {
 public:
  /// Mounts and begins to serve. Errors: access_denied, unsupported (no /dev/fuse, no fusermount3),
  /// busy or not_found (the mount point), each with a sentence that says what to do.
  static Task<Result<std::unique_ptr<FileSystem>>> mount(Environment environment,
                                                         MountOptions options);
  virtual ~FileSystem() = default;

  // What the tracker tells us: see wire::TrackerEvents and docs/coherence.md.
  virtual Task<Result<wire::InvalidateReply>> invalidate(wire::Invalidate event) = 0;
  virtual Task<Result<wire::RecallReply>> recall(wire::Recall event) = 0;
  virtual std::vector<wire::Reclaim> reclaims() = 0;
  virtual std::vector<wire::LockClaim> lock_claims() = 0;
  virtual void caches_void(bool session_lost) = 0;
  virtual void connected() = 0;

  /// Returns when the tracker has answered what programs here have done so far; files that are open
  /// for writing may have more. Errors: timed_out, those of publishing.
  virtual Task<Result<void>> settle(Deadline deadline) = 0;

  /// Publishes what is unsent, unmounts, ends the workers and the notifier. With lazy the mount
  /// point is detached even while files are open. Errors: busy; then nothing has changed.
  virtual Task<Result<void>> unmount(bool lazy) = 0;
  /// Set when the mount has gone away from outside (umount, fusermount3 -u).
  virtual bool is_mounted() const = 0;
  /// How the bytes of files get to the kernel, for people: "mediated" or "passthrough", and why not
  /// the other.
  virtual std::string mode() const = 0;
  /// Returns when the mount has gone, by whatever way.
  virtual Task<Result<void>> wait_unmounted() = 0;
};

/// A mount point whose daemon has died answers ENOTCONN: detaches it so that it can be mounted
/// again. No-op for a healthy folder. Errors: busy (a living mount is there), access_denied.
Result<void> clear_stale_mount(const std::string& mount_point);

}  // namespace shoal::fs
