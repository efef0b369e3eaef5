// SPDX-License-Identifier: MIT
#pragma once

#include "peerd/tracker.h"
#include "wire/tracker_client.h"

namespace shoal::peerd {

/// Through the peer's session. client outlives it.
class SessionTracker final : public Tracker {
 public:
  explicit SessionTracker(wire::TrackerClient& client) : client_(client) {}
  Task<Result<std::vector<wire::Located>>> locate(std::vector<wire::ContentRef> contents,
                                                  Deadline deadline) override;
  Task<Result<std::vector<wire::ContentRef>>> announce(
      std::vector<wire::Announcement> announcements, Deadline deadline) override;
  Task<Result<std::vector<bool>>> may_drop(std::vector<wire::ContentRef> contents,
                                           Deadline deadline) override;

 private:
  wire::TrackerClient& client_;
};

}  // namespace shoal::peerd
