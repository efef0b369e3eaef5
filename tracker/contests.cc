// SPDX-License-Identifier: MIT
#include "tracker/contests.h"

#include <algorithm>

namespace shoal::tracker {
namespace {

/// So many pauses without interest make a directory like one that nobody contested.
constexpr int kCalmPauses = 4;

}  // namespace

Contests::Contest* Contests::at(InodeId directory, SteadyTime now) {
  const auto known = by_directory_.find(directory);
  if (known != by_directory_.end()) return &known->second;
  if (by_directory_.size() >= kMost) {
    std::erase_if(by_directory_, [now](const auto& item) {
      return item.second.next_ask <= now && item.second.calm_from <= now;
    });
  }
  if (by_directory_.size() >= kMost) return nullptr;
  return &by_directory_[directory];
}

void Contests::ended(InodeId directory, SteadyTime now) {
  Contest* contest = at(directory, now);
  if (contest == nullptr) return;
  const bool is_first = contest->calm_from <= now;
  contest->pause = is_first ? kPause : std::min(2 * contest->pause, kPauseMax);
  contest->next_ask = std::max(contest->next_ask, now + contest->pause);
  contest->calm_from = now + kCalmPauses * contest->pause;
}

bool Contests::may_ask(InodeId directory, SteadyTime now) {
  Contest* contest = at(directory, now);
  if (contest == nullptr || now < contest->next_ask) return false;
  contest->next_ask = now + kUsedPause;
  return true;
}

}  // namespace shoal::tracker
