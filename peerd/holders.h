// SPDX-License-Identifier: MIT
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/task.h"
#include "peerd/chunk_work.h"
#include "peerd/tracker.h"

namespace shoal::peerd {

/// What is known of one content: its verified layer, and who says to have it.
struct ContentEntry {
  explicit ContentEntry(Executor executor, wire::ContentRef ref)
      : content(ref), answered(std::move(executor)) {}

  /// A peer's word, by way of the tracker or its own, that it has the content or a part of it.
  struct Claim {
    PeerId peer;
    std::vector<wire::Endpoint> endpoints;
    bool online = false;
    bool complete = false;
    Bytes chunks;               ///< as in wire::Holder
    SteadyTime denied_until{};  ///< it said not_found: not asked before
    SteadyTime map_asked_at{};
    SteadyTime grew_at{};  ///< when it was last heard to have more than before
  };

  wire::ContentRef content;
  std::vector<Claim> claims;
  SharedLayer layer;        ///< null until known; stays null for contents of one chunk
  bool is_unknown = false;  ///< the tracker's last answer: nothing refers to it
  SteadyTime asked_at{};    ///< when the tracker last answered
  SteadyTime next_ask{};    ///< not before: nobody served it, and the pause grows
  int fruitless_asks = 0;
  std::optional<Error> error;  ///< of the last question
  bool is_queued = false;
  base::Signal answered;

  Claim* find(const PeerId& peer);
  bool needs_layer() const { return !layer && content.id.size > content.chunk_bytes; }
};

/// Who holds what, as the tracker says: asked when needed, in batches, and remembered for a while.
/// Owner: the fetcher. Thread: the loop.
class HolderBook {
 public:
  /// All outlive it.
  HolderBook(Executor executor, Timer& timer, Pool& pool, Tracker& tracker);

  /// The content's entry, made when it is new. Remembered while somebody keeps it.
  std::shared_ptr<ContentEntry> entry(const wire::ContentRef& content);

  /// Takes what the tracker told on its own. Errors: corrupt (the layer).
  Task<Result<void>> learn(wire::Located located);

  /// The same where no layer is needed; nothing is taken where one is.
  void note(wire::Located located);

  /// Asks the tracker for the content; many questions travel together. Errors: those of the
  /// tracker; corrupt (the layer it sent).
  Task<Result<void>> ask(std::shared_ptr<ContentEntry> entry, Deadline deadline);
  /// Asks without waiting, when the last answer is old.
  void freshen(const std::shared_ptr<ContentEntry>& entry);

  /// Takes a layer that was verified elsewhere.
  void keep_layer(ContentEntry& entry, SharedLayer layer);

  Task<void> stop() { return group_.stop(); }

 private:
  void enqueue(const std::shared_ptr<ContentEntry>& entry);
  Task<void> work();
  Task<void> answer(std::shared_ptr<ContentEntry> entry, std::optional<wire::Located> located);
  Task<Result<void>> take(std::shared_ptr<ContentEntry> entry, wire::Located located);
  void take_claims(ContentEntry& entry, std::vector<wire::Holder> holders);
  void purge();

  Executor executor_;
  Timer& timer_;
  Pool& pool_;
  Tracker& tracker_;
  std::unordered_map<ContentId, std::shared_ptr<ContentEntry>> entries_;
  std::uint64_t layer_bytes_ = 0;
  std::deque<std::shared_ptr<ContentEntry>> queue_;
  std::size_t workers_ = 0;
  TaskGroup group_;
};

}  // namespace shoal::peerd
