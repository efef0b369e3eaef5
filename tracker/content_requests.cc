// SPDX-License-Identifier: MIT
#include "base/metrics.h"
#include "tracker/handlers.h"
#include "tracker/locate.h"

namespace shoal::tracker {
namespace {

/// A reply of many layers stays below a frame: the rest is not told, and asked for again.
constexpr std::size_t kMaxLayersPerReply = 64 * 1024;
/// Contents that a peer whose store began anew loses at a time: others are not kept waiting.
constexpr std::uint32_t kForgottenPerRequest = 4096;

Result<void> take_announcement(State& state, const Session& session, Contents& contents,
                               const wire::Announcement& announcement, wire::AnnounceReply& reply) {
  const ContentId& id = announcement.content.id;
  if (id.is_empty()) return {};
  auto row = state.store.find_content(id);
  if (!row) {
    state.replication.finished(session.peer, id);
    if (!announcement.dropped && !announcement.order_failed) {
      reply.unwanted.push_back(announcement.content);
    }
    return {};
  }
  if (announcement.order_failed) {
    state.replication.failed(session.peer, id, state.now.steady);
    return {};
  }
  if (announcement.dropped) {
    contents.set_absent(*row, session.peer);
    return {};
  }
  if (announcement.complete) {
    contents.set_complete(*row, session.peer);
    state.replication.finished(session.peer, id);
    return {};
  }
  const bool is_same_cut = announcement.content.chunk_bytes == row->ref.chunk_bytes;
  if (!is_same_cut || !is_valid_chunk_map(row->ref, announcement.chunks)) {
    base::counter("shoal_tracker_bad_announcements_total").add();
    return fail(Errc::invalid, "a map of {} bytes for a content of {} bytes",
                announcement.chunks.size(), id.size);
  }
  contents.set_partial(*row, session.peer, announcement.chunks);
  return {};
}

/// The store of the peer began anew: takes back what it announced before, a part of it at a time.
/// True when nothing is left.
bool forget_announcements(State& state, Contents& contents, PeerKey peer) {
  std::vector<HolderSetId> sets;
  for (const auto& [id, row] : state.census.sets()) {
    if (row.contents > 0 && state.census.contains(id, peer)) sets.push_back(id);
  }
  std::uint32_t left = kForgottenPerRequest;
  for (const HolderSetId set : sets) {
    while (left > 0) {
      // What was forgotten is in another set by now.
      std::vector<ContentRow> rows = state.store.contents_held_by(set, {}, left);
      if (rows.empty()) break;
      for (ContentRow& row : rows) contents.set_absent(row, peer);
      left -= static_cast<std::uint32_t>(rows.size());
    }
  }
  return left > 0;
}

bool may_drop(State& state, const Session& session, const ContentRow& row) {
  std::uint32_t others = 0;
  for (const PeerKey peer : state.census.set(row.holders).peers) {
    if (peer != session.peer && state.members.is_online(peer)) ++others;
  }
  return others >= state.options.copies;
}

}  // namespace

void on_locate(State& state, Token token, const wire::Locate& request) {
  wire::LocateReply reply;
  std::size_t layers = 0;
  for (const wire::ContentRef& wanted : request.contents) {
    const auto row = state.store.find_content(wanted.id);
    if (!row) continue;
    reply.contents.push_back(locate(state, *row));
    layers += reply.contents.back().layer.size();
    if (layers >= kMaxLayersPerReply) break;
  }
  state.reply(token, std::move(reply));
}

void on_announce(State& state, Session& session, Token token, const wire::Announce& request) {
  Contents contents(state.store, state.census, state.releases);
  if (request.announcements.empty() && !forget_announcements(state, contents, session.peer)) {
    state.reply(token, fail(Errc::busy, "there is more to forget: ask again"));
    return;
  }
  wire::AnnounceReply reply;
  for (const wire::Announcement& announcement : request.announcements) {
    auto taken = take_announcement(state, session, contents, announcement, reply);
    if (!taken) {
      state.reply(token, pass(taken));
      return;
    }
  }
  state.reply(token, std::move(reply));
}

void on_may_drop(State& state, Session& session, Token token, const wire::MayDrop& request) {
  Contents contents(state.store, state.census, state.releases);
  wire::MayDropReply reply;
  for (const wire::ContentRef& content : request.contents) {
    auto row = state.store.find_content(content.id);
    const bool yes = !row || may_drop(state, session, *row);
    if (row && yes) contents.set_absent(*row, session.peer);
    reply.may_drop.push_back(yes);
  }
  state.reply(token, std::move(reply));
}

}  // namespace shoal::tracker
