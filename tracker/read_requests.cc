// SPDX-License-Identifier: MIT
#include <algorithm>

#include "tracker/handlers.h"
#include "wire/codec.h"

namespace shoal::tracker {
namespace {

/// A page never fills a frame: see kMaxBodyBytes. Names, targets and records are counted.
constexpr std::size_t kPageBytesMax = wire::kMaxBodyBytes / 2;
constexpr std::size_t kRecordBytes = 192;

/// Puts what the delegate told over what was committed.
void overlay(wire::InodeRecord& record, const wire::RecallReply& told) {
  record.attributes.size = told.size;
  record.attributes.allocated_bytes = told.allocated_bytes;
  record.attributes.mtime = told.mtime;
  record.cacheable = false;
}

/// The record of a file, or nothing while its delegate is asked for size and time.
std::optional<wire::InodeRecord> fresh_record(State& state, Work& work, ReadWork& read,
                                              const InodeRow& row, bool watched) {
  const SessionId holder = state.delegations.holder(row.inode);
  if (holder && holder != work.session && !read.recalled) {
    recall_attributes(state, row.inode, work.id);
    return std::nullopt;
  }
  wire::InodeRecord record = make_record(state, work.session, row, watched);
  if (holder && holder != work.session) overlay(record, *read.recalled);
  return record;
}

bool step_lookup(State& state, Work& work, ReadWork& read, const wire::Lookup& request) {
  auto valid = wire::check_name(request.name);
  if (!valid) {
    state.reply(work.token, pass(valid));
    return true;
  }
  const auto parent = state.store.inode(request.parent);
  if (!parent || !parent->is_directory()) {
    state.reply(work.token, parent ? fail(Errc::not_directory, "inode {}", request.parent)
                                   : fail(Errc::not_found, "no directory {}", request.parent));
    return true;
  }
  const bool watched = state.watches.watch(work.session, request.parent);
  wire::LookupReply reply;
  const auto row = state.store.child_inode(request.parent, request.name);
  if (row) {
    if (row->kind == wire::FileKind::regular && waits_for_grace(state, work)) return false;
    reply.record = fresh_record(state, work, read, *row, watched);
    if (!reply.record) return false;
  }
  reply.cacheable = watched && !state.works.is_locked(request.parent, request.name);
  state.reply(work.token, std::move(reply));
  return true;
}

/// A change of the inode's bytes that has still to be applied, and whether this session has yet to
/// answer its Invalidate.
struct PendingData {
  std::optional<WorkId> work;
  bool is_asked = false;
};

PendingData pending_data(State& state, InodeId inode, SessionId session) {
  PendingData pending;
  for (const WorkId id : state.works.lockers(inode)) {
    const Invalidation& invalidation = *invalidation_of(*state.works.find(id));
    const bool is_data = std::any_of(
        invalidation.locked.inodes.begin(), invalidation.locked.inodes.end(),
        [inode](const auto& touched) { return touched.inode == inode && touched.data; });
    if (!is_data) continue;
    pending.work = id;
    pending.is_asked = pending.is_asked || invalidation.awaited.contains(session);
  }
  return pending;
}

bool step_get_inode(State& state, Work& work, ReadWork& read, const wire::GetInode& request) {
  const auto row = state.store.inode(request.inode);
  if (!row) {
    state.reply(work.token, fail(Errc::not_found, "no inode {}", request.inode));
    return true;
  }
  if (row->kind == wire::FileKind::regular && waits_for_grace(state, work)) return false;
  const bool watched = watch_some_directory(state, work.session, *row);
  wire::GetInodeReply reply;
  if (!request.for_data) {
    auto record = fresh_record(state, work, read, *row, watched);
    if (!record) return false;
    reply.record = std::move(*record);
    state.reply(work.token, std::move(reply));
    return true;
  }
  const PendingData pending = pending_data(state, request.inode, work.session);
  if (!pending.is_asked) {
    // An answer that waits cannot hold up an invalidation that this session still has to answer.
    if (pending.work) {
      state.works.wait_for_end(*pending.work, work.id);
      return false;
    }
    const SessionId holder = state.delegations.holder(request.inode);
    if (holder && holder != work.session) {
      recall_to_publish(state, request.inode, work.id);
      return false;
    }
  }
  reply.record = make_record(state, work.session, *row, watched);
  state.reply(work.token, std::move(reply));
  return true;
}

}  // namespace

bool step_read(State& state, Work& work, ReadWork& read) {
  if (work.failure) {
    state.reply(work.token, std::unexpected(*work.failure));
    return true;
  }
  if (const auto* lookup = std::get_if<wire::Lookup>(&read.request)) {
    return step_lookup(state, work, read, *lookup);
  }
  return step_get_inode(state, work, read, std::get<wire::GetInode>(read.request));
}

void on_read_directory(State& state, Session& session, Token token,
                       const wire::ReadDirectory& request) {
  const auto directory = state.store.inode(request.directory);
  if (!directory || !directory->is_directory()) {
    state.reply(token, directory ? fail(Errc::not_directory, "inode {}", request.directory)
                                 : fail(Errc::not_found, "no directory {}", request.directory));
    return;
  }
  const bool watched = state.watches.watch(session.id, request.directory);
  const std::uint32_t limit = request.limit == 0 ? wire::kMaxDirectoryPage
                                                 : std::min(request.limit, wire::kMaxDirectoryPage);
  wire::ReadDirectoryReply reply;
  auto rows = state.store.children(request.directory, request.after, limit);
  reply.is_end = rows.size() < limit;
  reply.cacheable = watched && !state.works.has_locked_names(request.directory);
  std::size_t bytes = 0;
  for (ChildRow& row : rows) {
    bytes += row.name.size() + row.inode.target.size() + kRecordBytes;
    if (bytes > kPageBytesMax) {
      reply.is_end = false;
      break;
    }
    wire::InodeRecord record = make_record(state, session.id, row.inode, watched);
    reply.entries.push_back({std::move(row.name), std::move(record)});
  }
  state.reply(token, std::move(reply));
}

void on_get_xattrs(State& state, Session& session, Token token, const wire::GetXattrs& request) {
  const auto row = state.store.inode(request.inode);
  if (!row) {
    state.reply(token, fail(Errc::not_found, "no inode {}", request.inode));
    return;
  }
  const bool is_pending = state.works.is_locked(request.inode);
  wire::GetXattrsReply reply;
  reply.xattrs = state.store.xattrs(request.inode);
  if (row->is_directory()) {
    reply.cacheable = !is_pending && state.watches.hold_attributes(session.id, request.inode);
  } else {
    const bool watched = watch_some_directory(state, session.id, *row);
    reply.cacheable = !is_pending && watched && row->nlink > 0;
  }
  state.reply(token, std::move(reply));
}

void on_get_parent(State& state, Token token, const wire::GetParent& request) {
  const auto row = state.store.inode(request.directory);
  if (!row) {
    state.reply(token, fail(Errc::not_found, "no inode {}", request.directory));
    return;
  }
  if (!row->is_directory()) {
    state.reply(token, fail(Errc::not_directory, "inode {}", request.directory));
    return;
  }
  wire::GetParentReply reply;
  reply.parent = kRootInode;
  if (request.directory != kRootInode) {
    const auto links = state.store.links(request.directory, 1);
    if (!links.empty()) reply.parent = links.front().parent;
  }
  state.reply(token, reply);
}

}  // namespace shoal::tracker
