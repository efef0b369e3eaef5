// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "fs/file_system.h"
#include "fs/guardian.h"

struct fuse_session;

namespace shoal::fs {

struct Core;

/// A FUSE session on a mount point, and the workers that take its requests. Owner: the FileSystem.
/// Thread: the pool, unless said otherwise; nothing here touches the mounted tree itself.
class Mount {
 public:
  /// Errors: see FileSystem::mount.
  static Result<std::unique_ptr<Mount>> open(Core& core);
  /// A session over a socket instead of the kernel, for tests: requests come as packets.
  static Result<std::unique_ptr<Mount>> open_on_socket(Core& core, int socket);
  ~Mount();
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;

  /// Workers begin. on_end is called by the last of them when the session is over.
  void start(unsigned workers, std::function<void()> on_end);
  fuse_session* session() const { return session_; }
  /// Unset where nobody can end the connection from outside.
  const Guardian* guardian() const { return guardian_.get(); }

  /// Detaches the mount point. Errors: busy (and not lazy), access_denied, io.
  Result<void> detach(bool lazy);
  /// Makes the workers end although the kernel may still have requests: they get ENOTCONN.
  void abandon();
  /// Waits for the workers.
  void join();

 private:
  Mount(fuse_session* session, std::string mount_point)
      : session_(session), mount_point_(std::move(mount_point)) {}
  void work();
  void set_guardian(std::vector<std::string> program);

  fuse_session* const session_;
  const std::string mount_point_;  ///< empty: a socket
  std::unique_ptr<Guardian> guardian_;
  std::vector<std::jthread> workers_;
  std::atomic<unsigned> running_{0};
  std::atomic<bool> is_abandoned_{false};
  std::function<void()> on_end_;
};

}  // namespace shoal::fs
