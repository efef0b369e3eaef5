// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cache/blob_store.h"
#include "fs/file_system.h"
#include "tests/fs/in_process_tracker.h"
#include "tests/fs/store_source.h"

namespace shoal::test {

/// Several real mounts of one swarm in this process: a tracker core, a store and a FUSE session for
/// each peer, no network. The loop runs on a thread of its own, so the test's thread may use the
/// mounts. Thread: the test's.
class MountLab {
 public:
  /// True when this machine can mount; else why tells.
  static bool can_mount(std::string* why);

  MountLab(unsigned peers, std::string folder);
  ~MountLab();

  std::string path(unsigned peer) const { return peers_[peer]->folder + "/mnt"; }
  StoreSource& source(unsigned peer) { return *peers_[peer]->source; }
  InProcessSession& session(unsigned peer) { return *peers_[peer]->session; }
  fs::FileSystem& mount(unsigned peer) { return *peers_[peer]->mount; }
  InProcessTracker& tracker() { return *tracker_; }
  /// Runs work on the loop and waits for it.
  void on_loop(std::function<void()> work);

 private:
  struct Peer {
    std::string folder;
    std::unique_ptr<cache::BlobStore> store;
    std::unique_ptr<StoreSource> source;
    InProcessSession* session = nullptr;  // owned by the mount
    std::unique_ptr<fs::FileSystem> mount;
  };
  Task<void> start_peer(Peer* peer, std::string name);
  Task<void> stop_all();
  void run_task(Task<void> task);

  Loop loop_;
  std::unique_ptr<Timer> timer_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<InProcessTracker> tracker_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::jthread thread_;
};

}  // namespace shoal::test
