// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "base/task.h"
#include "wire/messages.h"

namespace shoal::peerd {

/// What the daemon asks of the tracker about contents. Thread: the loop.
/// Errors of all: timed_out, unreachable, stale (the session ended meanwhile), canceled.
class Tracker {
 public:
  virtual ~Tracker() = default;
  /// Those of the contents that the tracker knows, in any order. Shape: at most kMaxLocateBatch.
  virtual Task<Result<std::vector<wire::Located>>> locate(std::vector<wire::ContentRef> contents,
                                                          Deadline deadline) = 0;
  /// The contents among them that nothing refers to. Shape: at most kMaxAnnounceBatch.
  virtual Task<Result<std::vector<wire::ContentRef>>> announce(
      std::vector<wire::Announcement> announcements, Deadline deadline) = 0;
  /// In the order asked; a yes counts as dropped from then on.
  virtual Task<Result<std::vector<bool>>> may_drop(std::vector<wire::ContentRef> contents,
                                                   Deadline deadline) = 0;
};

}  // namespace shoal::peerd
