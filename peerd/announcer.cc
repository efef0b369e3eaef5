// SPDX-License-Identifier: MIT
#include "peerd/announcer.h"

#include "base/log.h"
#include "peerd/content.h"
#include "peerd/limits.h"
#include "wire/limits.h"

namespace shoal::peerd {
namespace {

constexpr std::chrono::seconds kRetryPause{1};
/// The tracker forgets what a lost store held a part at a time, and others have their turn between.
constexpr std::chrono::milliseconds kForgettingPause{20};

/// A content in the store, as small as can be: there may be millions.
struct Kept {
  wire::ContentRef content;
  bool is_complete = false;
};

std::vector<Kept> list_store(cache::BlobStore& store) {
  std::vector<Kept> list;
  store.for_each([&list](const cache::BlobInfo& info) {
    if (info.state == cache::BlobState::working || info.shape.content.is_empty()) return;
    list.push_back({to_ref(info.shape), info.state == cache::BlobState::sealed});
  });
  return list;
}

/// The announcement of a partial blob; a partial one of a single chunk has nothing to offer.
std::optional<wire::Announcement> describe_partial(cache::BlobStore& store,
                                                   const wire::ContentRef& content) {
  const auto blob = store.find_content(content.id);
  if (!blob || blob->info().shape != to_shape(content)) return std::nullopt;
  wire::Announcement announcement;
  announcement.content = content;
  announcement.complete = blob->info().state == cache::BlobState::sealed;
  if (!announcement.complete) {
    auto chunks = blob->chunk_map(content.id);
    if (!chunks) return std::nullopt;
    announcement.chunks = std::move(*chunks);
  }
  return announcement;
}

}  // namespace

Announcer::Announcer(Executor executor, Timer& timer, Pool& pool, cache::BlobStore& store,
                     Tracker& tracker)
    : timer_(timer),
      pool_(pool),
      store_(store),
      tracker_(tracker),
      has_partial_(executor),
      work_(executor),
      idle_(executor),
      group_(executor) {
  idle_.set();
  spawn(group_, run());
  spawn(group_, tell_partial());
}

Announcer::~Announcer() = default;

void Announcer::stored(const std::shared_ptr<cache::Blob>& blob, cache::BlobState state) {
  const cache::Shape shape = blob->info().shape;
  if (state == cache::BlobState::sealed) {
    partial_.erase(shape.content);
    complete(to_ref(shape));
  } else if (state == cache::BlobState::partial && shape.content.size > shape.chunk_bytes) {
    partial_[shape.content] = blob;
    has_partial_.set();
  }
}

void Announcer::complete(const wire::ContentRef& content) {
  wire::Announcement announcement;
  announcement.content = content;
  announcement.complete = true;
  enqueue(std::move(announcement));
}

void Announcer::dropped(const wire::ContentRef& content) {
  wire::Announcement announcement;
  announcement.content = content;
  announcement.dropped = true;
  enqueue(std::move(announcement));
}

void Announcer::shortened(const wire::ContentRef& content) {
  spawn(group_, tell_shortened(content));
}

Task<void> Announcer::tell_shortened(wire::ContentRef content) {
  auto announcement =
      co_await pool_.run([&store = store_, content] { return describe_partial(store, content); });
  if (announcement) {
    enqueue(std::move(*announcement));
  } else {
    dropped(content);
  }
}

void Announcer::order_failed(const wire::ContentRef& content) {
  wire::Announcement announcement;
  announcement.content = content;
  announcement.dropped = true;
  announcement.order_failed = true;
  enqueue(std::move(announcement));
}

void Announcer::announce_all() {
  is_all_wanted_ = true;
  if (is_telling_all_ || group_.is_stopping()) return;
  is_telling_all_ = true;
  spawn(group_, tell_everything());
}

void Announcer::enqueue(wire::Announcement announcement) {
  const ContentId id = announcement.content.id;
  if (id.is_empty()) return;
  // While the tracker is away for long, the full announcement after its return will do.
  if (waiting_.size() >= kMaxWaitingAnnouncements) return;
  if (waiting_.insert_or_assign(id, std::move(announcement)).second) order_.push_back(id);
  idle_.reset();
  work_.set();
}

std::vector<wire::Announcement> Announcer::take_batch() {
  std::vector<wire::Announcement> batch;
  std::size_t bytes = 0;
  while (!order_.empty() && batch.size() < kMaxAnnounceBatch && bytes < wire::kMaxBodyBytes / 4) {
    auto node = waiting_.extract(order_.front());
    order_.pop_front();
    bytes += node.mapped().chunks.size();
    batch.push_back(std::move(node.mapped()));
  }
  return batch;
}

/// What was said meanwhile about the same contents is newer and stays.
void Announcer::put_back(std::vector<wire::Announcement> batch) {
  for (auto item = batch.rbegin(); item != batch.rend(); ++item) {
    const ContentId id = item->content.id;
    if (waiting_.try_emplace(id, std::move(*item)).second) order_.push_front(id);
  }
}

Task<Result<void>> Announcer::send(std::vector<wire::Announcement> batch) {
  const Deadline deadline = Deadline::after(timer_.clock(), wire::kCallTime);
  auto unwanted = co_await tracker_.announce(std::move(batch), deadline);
  if (!unwanted) co_return pass(unwanted);
  if (!unwanted->empty() && on_unwanted) on_unwanted(std::move(*unwanted));
  co_return base::ok();
}

Task<void> Announcer::run() {
  for (;;) {
    auto woken = co_await work_.wait();
    if (!woken) co_return;
    work_.reset();
    auto gathered = co_await timer_.wait_for(kAnnounceDelay);
    if (!gathered) co_return;
    while (!order_.empty()) {
      std::vector<wire::Announcement> batch = take_batch();
      std::vector<wire::Announcement> kept = batch;
      is_sending_ = true;
      auto sent = co_await send(std::move(batch));
      is_sending_ = false;
      if (sent) {
        co_await tell_what_returned(std::move(kept));
        continue;
      }
      if (sent.error().code() == Errc::canceled) co_return;
      base::log_debug("announcing failed: {}", sent.error().message());
      put_back(std::move(kept));
      auto waited = co_await timer_.wait_for(kRetryPause);
      if (!waited) co_return;
    }
    idle_.set();
  }
}

/// A content that was said to be gone may have been written or fetched again just before that: the
/// tracker heard of it in the wrong order then.
Task<void> Announcer::tell_what_returned(std::vector<wire::Announcement> batch) {
  std::erase_if(batch,
                [](const wire::Announcement& said) { return !said.dropped || said.order_failed; });
  if (batch.empty()) co_return;
  auto look = [&store = store_, batch = std::move(batch)] {
    std::vector<wire::ContentRef> here;
    for (const wire::Announcement& said : batch) {
      const auto blob = store.find_content(said.content.id);
      const bool is_here = blob && blob->info().state == cache::BlobState::sealed;
      if (is_here) here.push_back(to_ref(blob->info().shape));
    }
    return here;
  };
  const auto here = co_await pool_.run(std::move(look));
  for (const wire::ContentRef& content : here) complete(content);
}

Task<Result<void>> Announcer::settle(Deadline deadline) {
  auto settled = co_await base::with_deadline(timer_, deadline, idle_.wait());
  co_return settled;
}

/// Soon the first time, then once in a while.
Task<void> Announcer::tell_partial() {
  for (;;) {
    auto woken = co_await has_partial_.wait();
    if (!woken) co_return;
    auto waited = co_await timer_.wait_for(kFirstPartialDelay);
    if (!waited) co_return;
    const SteadyTime now = timer_.clock().steady();
    std::erase_if(partial_told_,
                  [now](const auto& told) { return now - told.second >= kPartialInterval; });
    std::vector<std::pair<ContentId, std::weak_ptr<cache::Blob>>> due;
    std::erase_if(partial_, [&](const auto& item) {
      if (partial_told_.contains(item.first)) return false;
      due.push_back(item);
      return true;
    });
    for (auto& [content, blob] : due) {
      partial_told_[content] = now;
      co_await tell_map(content, std::move(blob));
    }
    if (partial_.empty()) has_partial_.reset();
  }
}

/// Before anything else: whatever the tracker thinks that this peer holds is gone.
Task<Result<void>> Announcer::tell_that_store_is_new() {
  const bool is_new = co_await pool_.run([&store = store_] { return store.began_anew(); });
  if (!is_new) co_return base::ok();
  for (;;) {
    auto told = co_await send({});
    if (told) break;
    if (told.error().code() != Errc::busy) co_return told;
    auto waited = co_await timer_.wait_for(kForgettingPause);
    if (!waited) co_return waited;
  }
  base::log_info("the tracker knows that this store began anew");
  auto noted = co_await pool_.run([&store = store_] { return store.note_void_told(); });
  if (!noted) base::log_warning("it will be told so again: {}", noted.error().message());
  co_return base::ok();
}

Task<void> Announcer::tell_map(ContentId content, std::weak_ptr<cache::Blob> weak) {
  const std::shared_ptr<cache::Blob> blob = weak.lock();
  if (!blob) co_return;
  auto look = [blob, content]() -> std::optional<wire::Announcement> {
    auto chunks = blob->chunk_map(content);
    const cache::BlobInfo info = blob->info();
    if (!chunks || info.shape.content != content) return std::nullopt;
    wire::Announcement announcement;
    announcement.content = to_ref(info.shape);
    announcement.complete = info.state == cache::BlobState::sealed;
    if (!announcement.complete) announcement.chunks = std::move(*chunks);
    return announcement;
  };
  auto announcement = co_await pool_.run(std::move(look));
  if (announcement) enqueue(std::move(*announcement));
}

Task<void> Announcer::tell_everything() {
  while (is_all_wanted_) {
    is_all_wanted_ = false;
    auto begun = co_await tell_that_store_is_new();
    if (!begun) {
      if (begun.error().code() == Errc::canceled) co_return;
      base::log_debug("announcing a new store failed: {}", begun.error().message());
      is_all_wanted_ = true;
      auto waited = co_await timer_.wait_for(kRetryPause);
      if (!waited) co_return;
      continue;
    }
    auto list = co_await pool_.run([&store = store_] { return list_store(store); });
    for (std::size_t next = 0; next < list.size() && !is_all_wanted_;) {
      std::vector<wire::Announcement> page;
      while (next < list.size() && page.size() < kMaxAnnounceBatch) {
        const Kept kept = list[next++];
        if (kept.is_complete) {
          wire::Announcement announcement;
          announcement.content = kept.content;
          announcement.complete = true;
          page.push_back(std::move(announcement));
        } else if (kept.content.id.size > kept.content.chunk_bytes) {
          auto partial = co_await pool_.run(
              [&store = store_, kept] { return describe_partial(store, kept.content); });
          if (partial) page.push_back(std::move(*partial));
        }
      }
      if (page.empty()) continue;
      auto sent = co_await send(std::move(page));
      if (sent) continue;
      if (sent.error().code() == Errc::canceled) co_return;
      base::log_debug("announcing the store failed: {}", sent.error().message());
      is_all_wanted_ = true;  // from the start, after a pause
      auto waited = co_await timer_.wait_for(kRetryPause);
      if (!waited) co_return;
    }
  }
  is_telling_all_ = false;
}

}  // namespace shoal::peerd
