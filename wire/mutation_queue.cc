// SPDX-License-Identifier: MIT
#include "wire/mutation_queue.h"

#include <algorithm>

#include "base/check.h"

namespace shoal::wire {
namespace {

/// Messages on their way at once: below kMaxRequestsInFlight, so that they never meet busy.
constexpr std::size_t kWindow = 256;

}  // namespace

MutationQueue::Shared MutationQueue::add(std::vector<Operation> operations) {
  auto entry = std::make_shared<Entry>(executor_);
  entry->message.operations = std::move(operations);
  waiting_.push_back(entry);
  return entry;
}

MutationQueue::Shared MutationQueue::take_next() {
  if (waiting_.empty() || sent_.size() >= kWindow) return nullptr;
  Shared entry = std::move(waiting_.front());
  waiting_.pop_front();
  if (!entry->message.first) {
    entry->message.first = Sequence(next_);
    next_ += count_of(*entry);
  }
  const std::uint64_t first = entry->message.first.value();
  entry->message.answered_below = Sequence(sent_.empty() ? first : sent_.begin()->first);
  sent_.emplace(first, entry);
  return entry;
}

void MutationQueue::unsend(const Shared& entry) {
  const std::uint64_t first = entry->message.first.value();
  sent_.erase(first);
  if (!entry->was_sent) {
    CHECK(first + count_of(*entry) == next_);
    next_ = first;
    entry->message.first = Sequence{};
  }
  waiting_.push_front(entry);
}

void MutationQueue::requeue() {
  for (auto place = sent_.rbegin(); place != sent_.rend(); ++place) {
    place->second->was_sent = true;
    waiting_.push_front(place->second);
  }
  sent_.clear();
}

bool MutationQueue::withdraw(const Shared& entry) {
  if (entry->message.first) return false;
  const auto place = std::ranges::find(waiting_, entry);
  CHECK(place != waiting_.end());
  waiting_.erase(place);
  return true;
}

void MutationQueue::settle(const Shared& entry, Result<MutateReply> result) {
  if (entry->result) return;
  // The answer of a lost connection may be read after the entry was queued again.
  const auto place = sent_.find(entry->message.first.value());
  if (place != sent_.end() && place->second == entry) {
    sent_.erase(place);
  } else {
    std::erase(waiting_, entry);
  }
  entry->result.emplace(std::move(result));
  entry->settled.set();
}

void MutationQueue::fail_all(const Error& error) {
  requeue();
  while (!waiting_.empty()) {
    const Shared entry = std::move(waiting_.front());
    waiting_.pop_front();
    entry->result.emplace(std::unexpected(error));
    entry->settled.set();
  }
}

}  // namespace shoal::wire
