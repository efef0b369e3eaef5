// SPDX-License-Identifier: MIT
#include "peerd/upload_queue.h"

#include <algorithm>

#include "base/check.h"

namespace shoal::peerd {
namespace {

constexpr std::uint64_t kShortAnswer = 64 << 10;

}  // namespace

bool UploadQueue::fits(const Waiting& waiting) const {
  const std::uint64_t of_peer = shares_.at(waiting.peer).bytes;
  const bool has_share = of_peer == 0 || of_peer + waiting.bytes <= limits_.peer_bytes;
  return has_share && (bytes_ == 0 || bytes_ + waiting.bytes <= limits_.bytes);
}

std::list<UploadQueue::Waiting>::iterator UploadQueue::choose() {
  auto best = waiting_.end();
  std::uint64_t least = 0;
  for (auto item = waiting_.begin(); item != waiting_.end(); ++item) {
    if (!fits(*item)) continue;
    if (item->bytes <= kShortAnswer) return item;
    const std::uint64_t given = shares_.at(item->peer).given;
    if (best != waiting_.end() && given >= least) continue;
    best = item;
    least = given;
  }
  return best;
}

void UploadQueue::enter(Ticket ticket, const PeerId& peer, std::uint64_t bytes) {
  waiting_.push_back({ticket, peer, bytes});
  Share& share = shares_[peer];
  share.given = std::max(share.given, floor_);  // nobody saves up by not asking
}

void UploadQueue::withdraw(Ticket ticket) {
  waiting_.remove_if([ticket](const Waiting& waiting) { return waiting.ticket == ticket; });
}

void UploadQueue::leave(const PeerId& peer, std::uint64_t bytes) {
  const auto found = shares_.find(peer);
  CHECK(bytes_ >= bytes && found != shares_.end() && found->second.bytes >= bytes,
        "{} bytes leave of {}", bytes, bytes_);
  bytes_ -= bytes;
  found->second.bytes -= bytes;
}

std::vector<UploadQueue::Ticket> UploadQueue::let_in(SteadyTime now) {
  std::vector<Ticket> tickets;
  for (;;) {
    const auto next = choose();
    if (next == waiting_.end() || !rate_.take(next->bytes, now)) break;
    Share& share = shares_.at(next->peer);
    floor_ = std::max(floor_, share.given);
    bytes_ += next->bytes;
    share.bytes += next->bytes;
    share.given += next->bytes;
    tickets.push_back(next->ticket);
    waiting_.erase(next);
  }
  if (waiting_.empty()) forget_idle();
  return tickets;
}

/// With nobody waiting all begin anew.
void UploadQueue::forget_idle() {
  std::erase_if(shares_, [](const auto& item) { return item.second.bytes == 0; });
  for (auto& [peer, share] : shares_) share.given = 0;
  floor_ = 0;
}

SteadyTime UploadQueue::next(SteadyTime now) {
  return choose() == waiting_.end() ? SteadyTime::max() : rate_.next(now);
}

}  // namespace shoal::peerd
