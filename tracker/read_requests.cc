// SPDX-License-Identifier: MIT
#include <algorithm>

#include "tracker/handlers.h"
#include "tracker/locate.h"
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

bool answer(State& state, const Work& work, Result<AnyReply> result) {
  state.reply(work.token, std::move(result));
  return true;
}

bool refuse_no_directory(State& state, const Work& work, InodeId inode,
                         const std::optional<InodeRow>& row) {
  return answer(state, work,
                row ? fail(Errc::not_directory, "inode {}", inode)
                    : fail(Errc::not_found, "no directory {}", inode));
}

/// False: who holds the inode is asked about its attributes, or for what is unsent of them.
bool knows_attributes(State& state, const Work& work, const ReadWork& read, InodeId inode) {
  const SessionId holder = state.delegations.holder(inode);
  if (!holder || holder == work.session || read.recalled == inode) return true;
  recall_attributes(state, inode, work.id);
  return false;
}

/// The record of an inode, or nothing while its delegate is asked.
std::optional<wire::InodeRecord> fresh_record(State& state, Work& work, ReadWork& read,
                                              const InodeRow& row, bool watched) {
  if (!knows_attributes(state, work, read, row.inode)) return std::nullopt;
  wire::InodeRecord record = make_record(state, work.session, row, watched);
  const SessionId holder = state.delegations.holder(row.inode);
  const bool is_foreign = holder && holder != work.session;
  if (is_foreign && !row.is_directory()) overlay(record, read.told);
  return record;
}

bool step_lookup(State& state, Work& work, ReadWork& read, const wire::Lookup& request) {
  auto valid = wire::check_name(request.name);
  if (!valid) return answer(state, work, pass(valid));
  if (!claim_directory(state, work, request.parent)) return false;
  const auto parent = state.store.inode(request.parent);
  if (!parent || !parent->is_directory()) {
    return refuse_no_directory(state, work, request.parent, parent);
  }
  const bool watched = state.watches.watch(work.session, request.parent);
  wire::LookupReply reply;
  const auto row = state.store.child_inode(request.parent, request.name);
  if (row) {
    reply.record = fresh_record(state, work, read, *row, watched);
    if (!reply.record) return false;
  }
  reply.cacheable = watched && !state.works.is_locked(request.parent, request.name);
  return answer(state, work, std::move(reply));
}

/// Who has a small file's bytes, for a session whose peer has not.
std::vector<wire::Holder> told_holders(State& state, SessionId session, const InodeRow& row) {
  if (!row.content || row.content_ref.id.size > row.content_ref.chunk_bytes) return {};
  const auto content = state.store.content(row.content);
  const Session* asker = state.sessions.find(session);
  if (!content || asker == nullptr || state.census.contains(content->holders, asker->peer)) {
    return {};
  }
  std::vector<wire::Holder> holders = holders_of(state, *content);
  if (holders.size() > wire::kMaxToldHolders) return {};
  return holders;
}

/// A change of the inode's bytes that has still to be applied, or the end of its last name, and
/// whether this session has yet to answer its Invalidate.
struct PendingData {
  std::optional<WorkId> work;
  bool is_asked = false;
};

/// Whether the session has yet to answer about this inode; it may be asked about other things of
/// the same change, and have answered about this one before.
bool is_asked_about(State& state, const Invalidation& invalidation, SessionId id, InodeId inode) {
  const auto awaited = invalidation.awaited.find(id);
  const Session* session = state.sessions.find(id);
  if (awaited == invalidation.awaited.end() || session == nullptr) return false;
  const auto event = session->events.find(awaited->second);
  if (event == session->events.end()) return false;
  const auto* asked = std::get_if<wire::Invalidate>(&event->second.message);
  return asked != nullptr && std::ranges::any_of(asked->stale, [inode](const wire::Stale& stale) {
           return stale.inode == inode && (stale.data || stale.orphaned);
         });
}

PendingData pending_data(State& state, InodeId inode, SessionId session) {
  PendingData pending;
  for (const WorkId id : state.works.lockers(inode)) {
    const Invalidation& invalidation = *invalidation_of(*state.works.find(id));
    const bool is_data =
        std::any_of(invalidation.locked.inodes.begin(), invalidation.locked.inodes.end(),
                    [inode](const auto& touched) {
                      return touched.inode == inode && (touched.data || touched.orphaned);
                    });
    if (!is_data) continue;
    pending.work = id;
    pending.is_asked = pending.is_asked || is_asked_about(state, invalidation, session, inode);
  }
  return pending;
}

bool step_get_inode(State& state, Work& work, ReadWork& read, const wire::GetInode& request) {
  const auto row = state.store.inode(request.inode);
  if (!row) return answer(state, work, fail(Errc::not_found, "no inode {}", request.inode));
  if (!row->is_directory() && !claim_inode(state, work, *row)) return false;
  const bool watched = watch_some_directory(state, work.session, *row);
  wire::GetInodeReply reply;
  if (!request.for_data || row->is_directory()) {
    auto record = fresh_record(state, work, read, *row, watched);
    if (!record) return false;
    reply.record = std::move(*record);
    return answer(state, work, std::move(reply));
  }
  const PendingData pending = pending_data(state, request.inode, work.session);
  // An answer that waits for the change must not hold up its invalidation, which this session has
  // still to answer.
  if (pending.work && !pending.is_asked) {
    state.works.wait_for_end(*pending.work, work.id);
    return false;
  }
  // A publish waits for no change: see apply_operation() in change_requests.cc.
  const SessionId holder = state.delegations.holder(request.inode);
  if (holder && holder != work.session) {
    recall_to_publish(state, request.inode, work.id);
    return false;
  }
  reply.record = make_record(state, work.session, *row, watched);
  reply.holders = told_holders(state, work.session, *row);
  return answer(state, work, std::move(reply));
}

bool step_read_directory(State& state, Work& work, const wire::ReadDirectory& request) {
  if (!claim_directory(state, work, request.directory)) return false;
  const auto directory = state.store.inode(request.directory);
  if (!directory || !directory->is_directory()) {
    return refuse_no_directory(state, work, request.directory, directory);
  }
  const bool watched = state.watches.watch(work.session, request.directory);
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
    wire::InodeRecord record = make_record(state, work.session, row.inode, watched);
    reply.entries.push_back({std::move(row.name), std::move(record)});
  }
  return answer(state, work, std::move(reply));
}

bool step_get_xattrs(State& state, Work& work, const wire::GetXattrs& request) {
  const auto row = state.store.inode(request.inode);
  if (!row) return answer(state, work, fail(Errc::not_found, "no inode {}", request.inode));
  if (!claim_inode(state, work, *row)) return false;
  const bool is_pending = state.works.is_locked(request.inode);
  wire::GetXattrsReply reply;
  reply.xattrs = state.store.xattrs(request.inode);
  if (row->is_directory()) {
    reply.cacheable = !is_pending && state.watches.hold_attributes(work.session, request.inode);
  } else {
    const bool watched = watch_some_directory(state, work.session, *row);
    reply.cacheable = !is_pending && watched && row->nlink > 0;
  }
  return answer(state, work, std::move(reply));
}

bool step_get_parent(State& state, Work& work, const ReadWork& read,
                     const wire::GetParent& request) {
  if (!knows_attributes(state, work, read, request.directory)) return false;
  const auto row = state.store.inode(request.directory);
  if (!row) return answer(state, work, fail(Errc::not_found, "no inode {}", request.directory));
  if (!row->is_directory()) return refuse_no_directory(state, work, request.directory, row);
  wire::GetParentReply reply;
  reply.parent = kRootInode;
  if (request.directory != kRootInode) {
    const auto links = state.store.links(request.directory, 1);
    if (!links.empty()) reply.parent = links.front().parent;
  }
  return answer(state, work, reply);
}

/// One step of each kind of question.
struct ReadStep {
  State& state;
  Work& work;
  ReadWork& read;
  bool operator()(const wire::Lookup& r) { return step_lookup(state, work, read, r); }
  bool operator()(const wire::GetInode& r) { return step_get_inode(state, work, read, r); }
  bool operator()(const wire::ReadDirectory& r) { return step_read_directory(state, work, r); }
  bool operator()(const wire::GetXattrs& r) { return step_get_xattrs(state, work, r); }
  bool operator()(const wire::GetParent& r) { return step_get_parent(state, work, read, r); }
};

}  // namespace

bool step_read(State& state, Work& work, ReadWork& read) {
  if (waits_for_grace(state, work)) return false;
  if (work.failure) return answer(state, work, std::unexpected(*work.failure));
  return std::visit(ReadStep{state, work, read}, read.request);
}

}  // namespace shoal::tracker
