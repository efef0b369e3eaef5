// SPDX-License-Identifier: MIT
#include "peerd/admission.h"

#include <algorithm>

#include "base/check.h"

namespace shoal::peerd {

bool Admission::fits(std::uint64_t bytes, cache::Urgency urgency) const {
  std::uint64_t limit = 0;
  switch (urgency) {
    case cache::Urgency::reader:
      limit = limits_.reader;
      break;
    case cache::Urgency::readahead:
      limit = limits_.readahead;
      break;
    case cache::Urgency::replica:
      limit = limits_.replica;
      break;
  }
  return bytes_ == 0 || bytes_ + bytes <= limit;
}

bool Admission::enter(Ticket ticket, std::uint64_t bytes, cache::Urgency urgency) {
  const bool is_first = waiting_.empty() || waiting_.front().urgency > urgency;
  if (is_first && fits(bytes, urgency)) {
    bytes_ += bytes;
    return true;
  }
  const auto behind = std::find_if(waiting_.begin(), waiting_.end(),
                                   [urgency](const Waiting& w) { return w.urgency > urgency; });
  waiting_.insert(behind, {ticket, bytes, urgency});
  return false;
}

void Admission::promote(Ticket ticket, cache::Urgency urgency) {
  const auto place = std::find_if(waiting_.begin(), waiting_.end(),
                                  [ticket](const Waiting& w) { return w.ticket == ticket; });
  if (place == waiting_.end() || place->urgency <= urgency) return;
  Waiting promoted = *place;
  promoted.urgency = urgency;
  waiting_.erase(place);
  const auto behind = std::find_if(waiting_.begin(), waiting_.end(),
                                   [urgency](const Waiting& w) { return w.urgency > urgency; });
  waiting_.insert(behind, promoted);
}

void Admission::withdraw(Ticket ticket) {
  waiting_.remove_if([ticket](const Waiting& w) { return w.ticket == ticket; });
}

void Admission::leave(std::uint64_t bytes) {
  CHECK(bytes_ >= bytes, "{} bytes leave of {}", bytes, bytes_);
  bytes_ -= bytes;
}

std::vector<Admission::Ticket> Admission::let_in() {
  std::vector<Ticket> tickets;
  // In order: a large request at the front is not overtaken for ever by small ones behind it.
  while (!waiting_.empty() && fits(waiting_.front().bytes, waiting_.front().urgency)) {
    bytes_ += waiting_.front().bytes;
    tickets.push_back(waiting_.front().ticket);
    waiting_.pop_front();
  }
  return tickets;
}

}  // namespace shoal::peerd
