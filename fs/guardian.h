// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace shoal::fs {

/// A process beside the daemon that ends the FUSE connection as soon as the daemon is gone.
///
/// The kernel does so by itself when the last descriptor of the connection is closed. But a thread
/// that clears the kernel's caches may wait for a lock or a page that a request of some program
/// keeps. When the daemon is killed then, that thread cannot end, so the descriptor stays open, so
/// the request is never answered: the daemon and that program would hang until the machine is
/// started anew. Only somebody else can break this.
///
/// Owner: the Mount. Thread: any. Leaves no process behind: the guardian ends when the daemon has,
/// whatever the daemon died of, and is ended with this object.
class Guardian {
 public:
  /// Starts program, which has to hand its argument to guard(). The process has a session of its
  /// own, so that no terminal reaches it. abort: of base::open_abort().
  /// Errors: what starting a program can fail of.
  static Result<std::unique_ptr<Guardian>> start(std::vector<std::string> program, base::Fd abort);
  ~Guardian();
  Guardian(const Guardian&) = delete;
  Guardian& operator=(const Guardian&) = delete;

  /// Whether the process is alive: then a call that waits in the kernel cannot wait for ever.
  bool is_there() const;
  /// Ends the connection now.
  void abort() const;

 private:
  Guardian(pid_t pid, base::Fd life, base::Fd abort)
      : pid_(pid), life_(std::move(life)), abort_(std::move(abort)) {}

  const pid_t pid_;
  const base::Fd life_;  ///< our end of a socket; the guardian sees it close
  const base::Fd abort_;
};

/// The guardian's whole life: returns the exit status of its process when the daemon's first thread
/// has ended. It hears no signal that asks to end, for it has to be the last.
int guard(pid_t daemon);

}  // namespace shoal::fs
