// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/task.h"
#include "tests/support/temp_folder.h"
#include "wire/messages.h"
#include "wire/rpc.h"
#include "wire/transport.h"

namespace shoal::cli {

/// A peer daemon's folder with a control socket, behind which one file lies that can fail in the
/// ways files do. Runs on a thread of its own.
class FakePeer {
 public:
  static constexpr const char* kPath = "/docs/film.mkv";

  /// The file at kPath; /docs/link leads to it, /docs is a directory.
  explicit FakePeer(std::string bytes);
  ~FakePeer();

  const std::string& dir() const { return folder_.path(); }
  /// From now on kPath has other bytes, and reads of the former ones are stale.
  void change(std::string bytes);
  /// Reads from this offset on are unreachable.
  void fail_from(std::uint64_t offset);
  /// Offsets of the reads that were answered with bytes, in order.
  std::vector<std::uint64_t> served() const;

 private:
  struct Served;
  struct StatusHandler;
  struct PeerStatusHandler;
  struct ResolveHandler;
  struct ReadHandler;

  Task<void> accept();
  Task<void> serve(std::unique_ptr<wire::Connection> connection);
  Result<wire::ResolveReply> resolve(const std::string& path) const;
  Result<wire::WithPayload<wire::Empty>> read(const wire::ReadContent& request);

  test::TempFolder folder_;
  mutable base::Mutex mutex_;
  std::string bytes_ GUARDED_BY(mutex_);
  wire::Located located_ GUARDED_BY(mutex_);
  std::uint64_t fail_from_ GUARDED_BY(mutex_) = ~std::uint64_t{0};
  std::vector<std::uint64_t> served_ GUARDED_BY(mutex_);

  base::Loop loop_;
  std::unique_ptr<Timer> timer_;
  wire::RpcRouter router_;
  std::unique_ptr<wire::Listener> listener_;
  std::optional<TaskGroup> tasks_;
  std::thread thread_;
};

}  // namespace shoal::cli
