// SPDX-License-Identifier: MIT
#pragma once

#include <deque>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/task.h"
#include "cache/blob_store.h"
#include "peerd/announcer.h"
#include "peerd/fetcher.h"

namespace shoal::peerd {

/// Carries out the tracker's orders: becomes a holder of what it is told to copy, lets go of what
/// nothing refers to. Owner: the daemon. Thread: the loop. Nothing survives a crash: the tracker
/// orders again what is not announced.
class Replicator {
 public:
  /// All outlive it.
  Replicator(Executor executor, Timer& timer, Pool& pool, cache::BlobStore& store, Fetcher& fetcher,
             Announcer& announcer, Tracker& tracker);
  ~Replicator();  // after stop()

  void copy(std::vector<wire::CopyOrder> orders);
  void release(std::vector<wire::ReleaseOrder> orders);
  /// Contents that the tracker does not know. One that was written here and may not have been
  /// published yet is kept as long as its inode exists.
  void drop_unwanted(std::vector<wire::ContentRef> contents);

  std::size_t waiting() const { return small_.size() + large_.size(); }
  std::size_t under_way() const { return running_.size(); }
  Task<void> stop() { return group_.stop(); }

 private:
  void enqueue(wire::CopyOrder order);
  void pump();
  Task<void> carry_out(wire::CopyOrder order);
  Task<Result<void>> become_holder(const wire::CopyOrder& order);
  Task<Result<std::optional<cache::Shape>>> agree_to_follow(InodeId inode, cache::Shape shape);
  Task<void> carry_out_release(std::vector<wire::ReleaseOrder> orders);
  Task<void> carry_out_drop(std::vector<wire::ContentRef> contents);
  void ask_again(std::vector<wire::ContentRef> contents);
  Task<void> carry_out_ask(std::vector<wire::ContentRef> contents);
  Task<bool> drop_one(wire::ContentRef content);

  Timer& timer_;
  Pool& pool_;
  cache::BlobStore& store_;
  Fetcher& fetcher_;
  Announcer& announcer_;
  Tracker& tracker_;
  std::deque<wire::CopyOrder> small_;
  std::deque<wire::CopyOrder> large_;
  std::size_t large_running_ = 0;
  /// Inodes being copied: one order at a time for each, the newest of those that wait.
  std::unordered_set<InodeId> running_;
  std::unordered_map<InodeId, wire::CopyOrder> next_;
  TaskGroup group_;
};

}  // namespace shoal::peerd
