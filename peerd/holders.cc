// SPDX-License-Identifier: MIT
#include "peerd/holders.h"

#include <algorithm>

#include "base/hash_tree.h"
#include "peerd/content.h"
#include "peerd/limits.h"

namespace shoal::peerd {
namespace {

// Questions under way at the same time: while one travels, the next batch gathers.
constexpr std::size_t kLocateWorkers = 4;
// Layers that are remembered, in all: those of a terabyte.
constexpr std::uint64_t kMaxLayerBytes = 32 << 20;
// The tracker leaves contents out of a reply whose layers have more entries than a frame should
// carry; with fewer than this, what is missing is unknown to it.
constexpr std::size_t kLongReply = 8192;

Duration ask_pause(int fruitless_asks) {
  const int doublings = std::min(fruitless_asks, 10);
  return std::min<Duration>(kLocateBackoffMin * (1 << doublings), kLocateBackoffMax);
}

}  // namespace

ContentEntry::Claim* ContentEntry::find(const PeerId& peer) {
  const auto found = std::find_if(claims.begin(), claims.end(),
                                  [&peer](const Claim& claim) { return claim.peer == peer; });
  return found == claims.end() ? nullptr : &*found;
}

HolderBook::HolderBook(Executor executor, Timer& timer, Pool& pool, Tracker& tracker)
    : executor_(executor), timer_(timer), pool_(pool), tracker_(tracker), group_(executor) {}

std::shared_ptr<ContentEntry> HolderBook::entry(const wire::ContentRef& content) {
  const auto found = entries_.find(content.id);
  if (found != entries_.end() && found->second->content == content) return found->second;
  purge();
  auto made = std::make_shared<ContentEntry>(executor_, content);
  entries_.insert_or_assign(content.id, made);
  return made;
}

void HolderBook::purge() {
  if (entries_.size() < kMaxBookContents && layer_bytes_ < kMaxLayerBytes) return;
  std::erase_if(entries_, [](const auto& item) { return item.second.use_count() == 1; });
  layer_bytes_ = 0;
  for (const auto& [id, entry] : entries_) {
    if (entry->layer) layer_bytes_ += entry->layer->size() * Digest::kBytes;
  }
}

void HolderBook::keep_layer(ContentEntry& entry, SharedLayer layer) {
  if (entry.layer || !layer) return;
  layer_bytes_ += layer->size() * Digest::kBytes;
  entry.layer = std::move(layer);
}

Task<Result<void>> HolderBook::take(std::shared_ptr<ContentEntry> entry, wire::Located located) {
  if (entry->needs_layer()) {
    auto layer = std::make_shared<const std::vector<Digest>>(std::move(located.layer));
    const wire::ContentRef content = entry->content;
    const bool is_right = co_await pool_.run(
        [content, layer] { return base::verify_layer(content.id, content.chunk_bytes, *layer); });
    if (!is_right) {
      co_return fail(Errc::corrupt, "the tracker's piece layer of content {} does not lead to it",
                     content.id.root.hex().substr(0, 16));
    }
    keep_layer(*entry, std::move(layer));
  }
  take_claims(*entry, std::move(located.holders));
  co_return base::ok();
}

void HolderBook::take_claims(ContentEntry& entry, std::vector<wire::Holder> holders) {
  std::vector<ContentEntry::Claim> claims;
  for (wire::Holder& holder : holders) {
    ContentEntry::Claim claim{holder.peer,
                              std::move(holder.endpoints),
                              holder.online,
                              holder.complete,
                              std::move(holder.chunks),
                              {},
                              {},
                              timer_.clock().steady()};
    if (const ContentEntry::Claim* old = entry.find(claim.peer)) {
      claim.denied_until = old->denied_until;
      claim.map_asked_at = old->map_asked_at;
      // What the peer said itself is newer than what it told the tracker.
      const bool knows_better = old->map_asked_at != SteadyTime{} && !claim.complete;
      if (knows_better) claim.chunks = old->chunks;
      if (claim.chunks == old->chunks) claim.grew_at = old->grew_at;
    }
    claims.push_back(std::move(claim));
  }
  entry.claims = std::move(claims);
  entry.is_unknown = false;
  entry.asked_at = timer_.clock().steady();
}

void HolderBook::note(wire::Located located) {
  const std::shared_ptr<ContentEntry> known = entry(located.content);
  if (known->needs_layer()) return;
  take_claims(*known, std::move(located.holders));
}

Task<Result<void>> HolderBook::learn(wire::Located located) {
  const std::shared_ptr<ContentEntry> known = entry(located.content);
  auto taken = co_await take(known, std::move(located));
  co_return taken;
}

void HolderBook::enqueue(const std::shared_ptr<ContentEntry>& entry) {
  if (entry->is_queued) return;
  entry->is_queued = true;
  entry->answered.reset();
  queue_.push_back(entry);
  if (workers_ < kLocateWorkers) {
    ++workers_;
    spawn(group_, work());
  }
}

Task<Result<void>> HolderBook::ask(std::shared_ptr<ContentEntry> entry, Deadline deadline) {
  if (group_.is_stopping()) co_return fail(Errc::canceled, "the daemon is stopping");
  enqueue(entry);
  auto answered = co_await base::with_deadline(timer_, deadline, entry->answered.wait());
  if (!answered) co_return pass(answered);
  if (entry->error) co_return std::unexpected(*entry->error);
  co_return base::ok();
}

void HolderBook::freshen(const std::shared_ptr<ContentEntry>& entry) {
  const SteadyTime now = timer_.clock().steady();
  if (entry->is_queued || group_.is_stopping()) return;
  if (now - entry->asked_at < kHoldersFresh || now < entry->next_ask) return;
  enqueue(entry);
}

Task<void> HolderBook::work() {
  while (!queue_.empty()) {
    std::vector<std::shared_ptr<ContentEntry>> batch;
    std::vector<wire::ContentRef> contents;
    while (!queue_.empty() && batch.size() < kMaxLocateBatch) {
      contents.push_back(queue_.front()->content);
      batch.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    const Deadline deadline = Deadline::after(timer_.clock(), kLocateTime);
    auto found = co_await tracker_.locate(std::move(contents), deadline);
    std::unordered_map<ContentId, wire::Located> by_content;
    std::size_t layer_entries = 0;
    if (found) {
      for (wire::Located& located : *found) {
        layer_entries += located.layer.size();
        const ContentId id = located.content.id;
        by_content.insert_or_assign(id, std::move(located));
      }
    }
    // A reply with long layers may have been cut off behind its last content.
    const bool may_be_cut = layer_entries >= kLongReply;
    for (const std::shared_ptr<ContentEntry>& entry : batch) {
      if (may_be_cut && by_content.empty()) {
        queue_.push_back(entry);
        continue;
      }
      entry->error.reset();
      if (!found) {
        entry->error = found.error();
      } else {
        auto node = by_content.extract(entry->content.id);
        std::optional<wire::Located> located;
        if (!node.empty()) located = std::move(node.mapped());
        co_await answer(entry, std::move(located));
      }
      ++entry->fruitless_asks;  // set back by whoever gets bytes
      entry->next_ask = timer_.clock().steady() + ask_pause(entry->fruitless_asks - 1);
      entry->is_queued = false;
      entry->answered.set();
    }
  }
  --workers_;
}

Task<void> HolderBook::answer(std::shared_ptr<ContentEntry> entry,
                              std::optional<wire::Located> located) {
  const bool is_known = located && located->content == entry->content;
  if (!is_known) {
    entry->is_unknown = true;
    entry->claims.clear();
    entry->asked_at = timer_.clock().steady();
    co_return;
  }
  auto taken = co_await take(entry, std::move(*located));
  if (!taken) entry->error = taken.error();
}

}  // namespace shoal::peerd
