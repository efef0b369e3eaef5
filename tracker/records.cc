// SPDX-License-Identifier: MIT
#include "tracker/handlers.h"

namespace shoal::tracker {
namespace {

/// What a directory's st_size says: the customary block.
constexpr std::uint64_t kDirectoryBytes = 4096;

}  // namespace

wire::InodeRecord make_plain_record(const InodeRow& row) {
  wire::InodeRecord record;
  record.inode = row.inode;
  wire::Attributes& attributes = record.attributes;
  attributes.kind = row.kind;
  attributes.mode = row.mode;
  attributes.nlink = row.nlink;
  attributes.uid = row.uid;
  attributes.gid = row.gid;
  attributes.rdev = row.rdev;
  attributes.atime = row.atime;
  attributes.mtime = row.mtime;
  attributes.ctime = row.ctime;
  if (row.kind == wire::FileKind::regular) {
    attributes.size = row.content_ref.id.size;
    attributes.allocated_bytes = row.allocated_bytes;
    record.content = row.content_ref;
  } else if (row.is_directory()) {
    attributes.size = kDirectoryBytes;
    attributes.allocated_bytes = kDirectoryBytes;
  } else {
    attributes.size = row.target.size();
  }
  record.version = row.version;
  record.target = row.target;
  record.has_xattrs = row.has_xattrs;
  return record;
}

wire::InodeRecord make_record(State& state, SessionId session, const InodeRow& row, bool watched) {
  wire::InodeRecord record = make_plain_record(row);
  const bool is_pending = state.works.is_locked(row.inode);
  if (row.is_directory()) {
    record.cacheable = !is_pending && state.watches.hold_attributes(session, row.inode);
    return record;
  }
  const SessionId holder = state.delegations.holder(row.inode);
  record.delegated = holder == session && session;
  if (record.delegated) {
    record.cacheable = !is_pending && (watched || row.nlink == 0);
  } else {
    // While the tracker does not know whether somebody writes to it, nobody may keep it.
    const bool may_be_delegated =
        holder || (state.in_grace() && row.kind == wire::FileKind::regular);
    record.cacheable = !is_pending && !may_be_delegated && watched && row.nlink > 0;
  }
  return record;
}

bool watch_some_directory(State& state, SessionId session, const InodeRow& row) {
  if (row.is_directory()) return state.watches.watch(session, row.inode);
  const auto links = state.store.links(row.inode, 1);
  return !links.empty() && state.watches.watch(session, links.front().parent);
}

}  // namespace shoal::tracker
