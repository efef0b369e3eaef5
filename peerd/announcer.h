// SPDX-License-Identifier: MIT
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/task.h"
#include "cache/blob_store.h"
#include "peerd/tracker.h"

namespace shoal::peerd {

/// Tells the tracker what this peer holds: in batches, the latest word on each content. What could
/// not be told is told later; after a new session everything is. Owner: the daemon. Thread: the
/// loop. Nothing survives a crash: the next session begins with a full announcement.
class Announcer {
 public:
  /// All outlive it.
  Announcer(Executor executor, Timer& timer, Pool& pool, cache::BlobStore& store, Tracker& tracker);
  ~Announcer();  // after stop()

  /// Called with contents that the tracker says nothing refers to.
  std::function<void(std::vector<wire::ContentRef>)> on_unwanted;

  /// The blob got bytes and is in that state now.
  void stored(const std::shared_ptr<cache::Blob>& blob, cache::BlobState state);
  void complete(const wire::ContentRef& content);
  void dropped(const wire::ContentRef& content);
  /// A blob that was complete is partial now.
  void shortened(const wire::ContentRef& content);
  void order_failed(const wire::ContentRef& content);
  /// A session is open: everything in the store is told, page by page.
  void announce_all();

  /// What waits to be told.
  std::size_t waiting() const { return waiting_.size(); }
  /// Returns when nothing waits, or at the deadline. Errors: timed_out, canceled.
  Task<Result<void>> settle(Deadline deadline);
  Task<void> stop() { return group_.stop(); }

 private:
  void enqueue(wire::Announcement announcement);
  Task<void> run();
  Task<void> tell_partial();
  Task<void> tell_map(ContentId content, std::weak_ptr<cache::Blob> weak);
  Task<void> tell_shortened(wire::ContentRef content);
  Task<void> tell_everything();
  Task<Result<void>> tell_that_store_is_new();
  Task<Result<void>> send(std::vector<wire::Announcement> batch);
  std::vector<wire::Announcement> take_batch();
  void put_back(std::vector<wire::Announcement> batch);
  Task<void> tell_what_returned(std::vector<wire::Announcement> batch);

  Timer& timer_;
  Pool& pool_;
  cache::BlobStore& store_;
  Tracker& tracker_;
  std::unordered_map<ContentId, wire::Announcement> waiting_;
  std::deque<ContentId> order_;
  std::unordered_map<ContentId, std::weak_ptr<cache::Blob>> partial_;
  std::unordered_map<ContentId, SteadyTime> partial_told_;  ///< lately
  base::Signal has_partial_;
  bool is_all_wanted_ = false;
  bool is_telling_all_ = false;
  bool is_sending_ = false;
  base::Signal work_;
  base::Signal idle_;
  TaskGroup group_;
};

}  // namespace shoal::peerd
