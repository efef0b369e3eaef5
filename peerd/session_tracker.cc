// SPDX-License-Identifier: MIT
#include "peerd/session_tracker.h"

namespace shoal::peerd {

Task<Result<std::vector<wire::Located>>> SessionTracker::locate(
    std::vector<wire::ContentRef> contents, Deadline deadline) {
  wire::Locate request{std::move(contents)};
  auto reply = co_await client_.call(std::move(request), deadline);
  if (!reply) co_return pass(reply);
  co_return std::move(reply->contents);
}

Task<Result<std::vector<wire::ContentRef>>> SessionTracker::announce(
    std::vector<wire::Announcement> announcements, Deadline deadline) {
  wire::Announce request{std::move(announcements)};
  auto reply = co_await client_.call(std::move(request), deadline);
  if (!reply) co_return pass(reply);
  co_return std::move(reply->unwanted);
}

Task<Result<std::vector<bool>>> SessionTracker::may_drop(std::vector<wire::ContentRef> contents,
                                                         Deadline deadline) {
  const std::size_t asked = contents.size();
  wire::MayDrop request{std::move(contents)};
  auto reply = co_await client_.call(std::move(request), deadline);
  if (!reply) co_return pass(reply);
  if (reply->may_drop.size() != asked) {
    co_return fail(Errc::corrupt, "the tracker answered {} of {} questions", reply->may_drop.size(),
                   asked);
  }
  co_return std::move(reply->may_drop);
}

}  // namespace shoal::peerd
