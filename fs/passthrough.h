// SPDX-License-Identifier: MIT
// FUSE passthrough: the kernel writes into a working blob's file itself, without the daemon. What
// keeps that coherent is told in docs/coherence.md, "Files that the kernel writes by itself".
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/task.h"
#include "fs/file_gates.h"
#include "fs/passage.h"

struct fuse_session;

namespace shoal::fs {

struct Core;
class FileHandle;
class OpenFile;
struct OpenOut;

/// Passthrough of one mount. Owner: the Core. Thread: any, unless noted.
class Passthrough {
 public:
  Passthrough(Core& core, fuse_session* session) : core_(core), session_(session) {}
  ~Passthrough();

  /// What the kernel said at INIT. Thread: a worker, before any open.
  void set_kernel_support(bool is_supported);
  /// "passthrough" or "mediated", with the reason when that is not what was asked for.
  std::string mode() const;

  /// How an open is answered, once a handle. Blocks on the disk for moments.
  void choose(FileHandle& handle, OpenOut& out);
  /// The handle's end, before it stops to count as open.
  void leave(FileHandle& handle);

  /// Runs for ever: closes gates in time before the lease ends, and when the store is full.
  Task<void> watch();
  void stop();

 private:
  friend class Passage;
  std::shared_ptr<Passage> begin(const FileHandle& handle);
  void end(Passage& passage);
  void give_up(const std::string& reason);
  void on_knock(FileGates::Key key, FileGates::Knock knock);
  /// Starts wait_for_inode_lock(); the signal is pulsed on the loop at its end.
  struct LockWait;
  std::shared_ptr<LockWait> wait_for_lock(InodeId inode);

  Core& core_;
  fuse_session* const session_;
  std::atomic<bool> is_able_{false};
  mutable base::Mutex mutex_;
  std::string reason_ GUARDED_BY(mutex_);
  std::unique_ptr<FileGates> gates_;  // set before is_able_
  std::map<FileGates::Key, std::weak_ptr<OpenFile>> files_ GUARDED_BY(mutex_);
  std::vector<std::pair<std::jthread, std::shared_ptr<LockWait>>> waits_ GUARDED_BY(mutex_);
};

}  // namespace shoal::fs
