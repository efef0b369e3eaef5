// SPDX-License-Identifier: MIT
#include "peerd/replicator.h"

#include <algorithm>
#include <optional>

#include "base/log.h"
#include "base/metrics.h"
#include "peerd/content.h"
#include "peerd/drop.h"
#include "peerd/limits.h"
#include "wire/limits.h"

namespace shoal::peerd {
namespace {

// Large files fill the links by themselves; a few at a time finish sooner, and small ones pass by.
constexpr std::uint64_t kLargeBytes = 16 << 20;
constexpr std::size_t kMaxLargeCopies = 4;
constexpr double kSlowestRate = 1 << 20;
// A content is dropped from this many inodes at once; a rare case beyond that.
constexpr int kMaxTwins = 64;
/// By then the tracker has heard of what was just written here.
constexpr std::chrono::seconds kAskAgainPause{3};

Duration copy_time(std::uint64_t bytes) {
  const std::chrono::duration<double> transfer(static_cast<double>(bytes) / kSlowestRate);
  return kCopyTime + std::chrono::duration_cast<Duration>(transfer);
}

/// The other content that the inode's blob holds whole and that would go by following. Thread:
/// pool.
std::optional<cache::Shape> content_at_stake(cache::BlobStore& store, InodeId inode,
                                             const cache::Shape& shape) {
  const auto present = store.find(inode);
  if (!present) return std::nullopt;
  const cache::BlobInfo info = present->info();
  const bool is_whole_other =
      info.state == cache::BlobState::sealed && info.shape != shape && info.size > 0;
  if (!is_whole_other) return std::nullopt;
  return info.shape;
}

/// Lets a copy that came to nothing be evicted, unless the file was written here meanwhile: then
/// the blob holds other bytes, which may exist nowhere else. Thread: pool.
Result<void> lower_partial(cache::BlobStore& store, InodeId inode, const cache::Shape& shape) {
  const auto blob = store.find(inode);
  if (!blob) return {};
  const cache::BlobInfo info = blob->info();
  if (info.state != cache::BlobState::partial || info.shape != shape) return {};
  return store.set_role(inode, cache::Role::cached);
}

/// The inode's blob made ready to take the content. Never turns away from bytes that were written
/// here and may exist nowhere else. Thread: pool.
Result<std::shared_ptr<cache::Blob>> prepare(cache::BlobStore& store, InodeId inode,
                                             const cache::Shape& shape,
                                             const std::vector<Digest>& layer) {
  if (const auto present = store.find(inode)) {
    const cache::BlobInfo info = present->info();
    const bool is_other = info.shape != shape;
    if (info.state == cache::BlobState::working) {
      return fail(Errc::busy, "inode {} is being written here", inode);
    }
    if (is_other && info.role == cache::Role::origin) {
      return fail(Errc::stale, "inode {} has newer bytes of our own", inode);
    }
  }
  auto blob = store.obtain(inode, shape, layer, cache::Role::replica);
  if (!blob) return pass(std::move(blob));
  const cache::BlobInfo info = (*blob)->info();
  if (info.state == cache::BlobState::working || info.shape != shape) {
    return fail(Errc::busy, "inode {} is being written here", inode);
  }
  return blob;
}

}  // namespace

Replicator::Replicator(Executor executor, Timer& timer, Pool& pool, cache::BlobStore& store,
                       Fetcher& fetcher, Announcer& announcer, Tracker& tracker)
    : timer_(timer),
      pool_(pool),
      store_(store),
      fetcher_(fetcher),
      announcer_(announcer),
      tracker_(tracker),
      group_(executor) {}

Replicator::~Replicator() = default;

void Replicator::copy(std::vector<wire::CopyOrder> orders) {
  for (wire::CopyOrder& order : orders) {
    if (order.located.content.id.is_empty()) continue;  // an empty file needs no holder
    if (waiting() >= kMaxWaitingOrders) {
      announcer_.order_failed(order.located.content);
      continue;
    }
    enqueue(std::move(order));
  }
  pump();
}

void Replicator::enqueue(wire::CopyOrder order) {
  if (running_.contains(order.inode)) {
    const InodeId inode = order.inode;
    next_.insert_or_assign(inode, std::move(order));
    return;
  }
  const bool is_large = order.located.content.id.size >= kLargeBytes;
  (is_large ? large_ : small_).push_back(std::move(order));
}

void Replicator::pump() {
  const auto start = [this](std::deque<wire::CopyOrder>& queue) {
    wire::CopyOrder order = std::move(queue.front());
    queue.pop_front();
    if (running_.contains(order.inode)) {
      enqueue(std::move(order));
      return;
    }
    running_.insert(order.inode);
    if (&queue == &large_) ++large_running_;
    spawn(group_, carry_out(std::move(order)));
  };
  while (running_.size() < kMaxCopies && !group_.is_stopping()) {
    if (!large_.empty() && large_running_ < kMaxLargeCopies) {
      start(large_);
    } else if (!small_.empty()) {
      start(small_);
    } else {
      return;
    }
  }
}

Task<void> Replicator::carry_out(wire::CopyOrder order) {
  static base::Counter& copied = base::counter("shoal_copies_made_total");
  static base::Counter& failed = base::counter("shoal_copies_failed_total");
  const InodeId inode = order.inode;
  const wire::ContentRef content = order.located.content;
  Result<void> outcome = co_await become_holder(order);
  running_.erase(inode);
  if (content.id.size >= kLargeBytes) --large_running_;
  if (outcome) {
    copied.add();
    announcer_.complete(content);
  } else if (outcome.error().code() != Errc::canceled) {
    failed.add();
    base::log_debug("a copy order failed inode={} content={}: {}", inode,
                    content.id.root.hex().substr(0, 16), outcome.error().message());
    announcer_.order_failed(content);
  }
  if (auto node = next_.extract(inode)) enqueue(std::move(node.mapped()));
  pump();
}

Task<Result<void>> Replicator::become_holder(const wire::CopyOrder& order) {
  const cache::Shape shape = to_shape(order.located.content);
  const InodeId inode = order.inode;
  auto layer = std::make_shared<const std::vector<Digest>>(order.located.layer);
  wire::Located located = order.located;
  auto learned = co_await fetcher_.learn(std::move(located));
  if (!learned) co_return learned;
  auto replaced = co_await agree_to_follow(inode, shape);
  if (!replaced) co_return pass(replaced);
  auto make = [&store = store_, inode, shape, layer] {
    return prepare(store, inode, shape, *layer);
  };
  auto blob = co_await pool_.run(std::move(make));
  if (*replaced) {
    // Another blob may hold the same, or this one has stayed after all.
    const ContentId old = (*replaced)->content;
    const bool is_here = co_await pool_.run([&store = store_, old] {
      const auto other = store.find_content(old);
      return other && other->info().state == cache::BlobState::sealed;
    });
    if (is_here) announcer_.complete(to_ref(**replaced));
  }
  if (!blob) co_return pass(blob);
  const std::shared_ptr<cache::Blob> target = *blob;
  const Deadline deadline = Deadline::after(timer_.clock(), copy_time(shape.content.size));
  auto fetched = co_await fetcher_.fetch_spread(target, deadline);
  if (!fetched && fetched.error().code() != Errc::canceled) {
    // What came so far may be evicted; it is no copy that anybody counts on.
    auto lower = [&store = store_, inode, shape] { return lower_partial(store, inode, shape); };
    auto lowered = co_await pool_.run(std::move(lower));
    if (!lowered) base::log_debug("{}", lowered.error().message());
  }
  co_return fetched;
}

/// Other files may have the content that this one had before: then our copy of it may be needed.
/// The other content, if there is one; the tracker no longer counts on it here.
Task<Result<std::optional<cache::Shape>>> Replicator::agree_to_follow(InodeId inode,
                                                                      cache::Shape shape) {
  auto at_stake = co_await pool_.run(
      [&store = store_, inode, shape] { return content_at_stake(store, inode, shape); });
  if (!at_stake) co_return std::optional<cache::Shape>();
  const Deadline deadline = Deadline::after(timer_.clock(), wire::kCallTime);
  std::vector<wire::ContentRef> question{to_ref(*at_stake)};
  auto answer = co_await tracker_.may_drop(std::move(question), deadline);
  if (!answer) co_return pass(answer);
  if (answer->front()) co_return at_stake;
  co_return fail(Errc::busy, "inode {} has bytes here that other files need", inode);
}

void Replicator::release(std::vector<wire::ReleaseOrder> orders) {
  for (const wire::ReleaseOrder& order : orders) {
    const auto is_it = [&order](const wire::CopyOrder& waiting) {
      return waiting.inode == order.inode && waiting.located.content == order.content;
    };
    std::erase_if(small_, is_it);
    std::erase_if(large_, is_it);
  }
  spawn(group_, carry_out_release(std::move(orders)));
}

Task<void> Replicator::carry_out_release(std::vector<wire::ReleaseOrder> orders) {
  static base::Counter& released = base::counter("shoal_blobs_released_total");
  struct Outcome {
    std::uint64_t gone = 0;
    std::vector<wire::ContentRef> unpublished;
  };
  auto work = [&store = store_, orders = std::move(orders)] {
    Outcome outcome;
    for (const wire::ReleaseOrder& order : orders) {
      const Dropped dropped = release_blob(store, order.inode, order.content.id);
      if (dropped == Dropped::gone) ++outcome.gone;
      if (dropped == Dropped::unpublished) outcome.unpublished.push_back(order.content);
    }
    return outcome;
  };
  Outcome outcome = co_await pool_.run(std::move(work));
  released.add(outcome.gone);
  if (!outcome.unpublished.empty()) ask_again(std::move(outcome.unpublished));
}

/// What the tracker does not want may be what it has yet to hear of: it is told of them once more
/// when that has happened.
void Replicator::ask_again(std::vector<wire::ContentRef> contents) {
  spawn(group_, carry_out_ask(std::move(contents)));
}

Task<void> Replicator::carry_out_ask(std::vector<wire::ContentRef> contents) {
  const Result<void> waited = co_await timer_.wait_for(kAskAgainPause);
  if (!waited) co_return;
  for (const wire::ContentRef& content : contents) {
    const auto found =
        co_await pool_.run([&store = store_, content] { return blob_with(store, content.id); });
    if (found && found->state == cache::BlobState::sealed) announcer_.complete(content);
  }
}

void Replicator::drop_unwanted(std::vector<wire::ContentRef> contents) {
  spawn(group_, carry_out_drop(std::move(contents)));
}

Task<void> Replicator::carry_out_drop(std::vector<wire::ContentRef> contents) {
  for (const wire::ContentRef& content : contents) {
    bool may_have_more = true;
    for (int twins = 0; may_have_more && twins < kMaxTwins; ++twins) {
      may_have_more = co_await drop_one(content);
    }
  }
}

/// True when a blob of that content was dropped, so that another may turn up.
Task<bool> Replicator::drop_one(wire::ContentRef content) {
  auto found =
      co_await pool_.run([&store = store_, content] { return blob_with(store, content.id); });
  if (!found) co_return false;
  const cache::BlobInfo info = *found;
  const Dropped dropped = co_await pool_.run(
      [&store = store_, info] { return release_blob(store, info.inode, info.shape.content); });
  if (dropped == Dropped::unpublished) ask_again({content});
  co_return dropped == Dropped::gone;
}

}  // namespace shoal::peerd
