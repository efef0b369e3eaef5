// SPDX-License-Identifier: MIT
#include "tracker/handlers.h"

namespace shoal::tracker {
namespace {

/// What a directory's st_size says: the customary block.
constexpr std::uint64_t kDirectoryBytes = 4096;
/// Directories that a session may have to be kept from watching.
constexpr std::uint32_t kMaxLinksTried = 8;

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
  const SessionId holder = state.delegations.holder(row.inode);
  const bool is_foreign = holder && holder != session;
  record.delegated = holder && !is_foreign;
  if (row.is_directory()) {
    const bool is_held = !is_foreign && state.watches.hold_attributes(session, row.inode);
    record.cacheable = !is_pending && is_held;
  } else {
    // Without a name it can be known only to who may write it.
    const bool is_known = row.nlink > 0 ? watched : record.delegated;
    record.cacheable = !is_pending && !is_foreign && is_known;
  }
  return record;
}

InodeId only_home(State& state, const InodeRow& file) {
  if (file.nlink != 1) return {};
  const auto links = state.store.links(file.inode, 1);
  return links.empty() ? InodeId() : links.front().parent;
}

bool watch_some_directory(State& state, SessionId session, const InodeRow& row) {
  const auto watch = [&state, session](InodeId directory) {
    const SessionId holder = state.delegations.holder(directory);
    return (!holder || holder == session) && state.watches.watch(session, directory);
  };
  if (row.is_directory()) return watch(row.inode);
  for (const LinkRow& link : state.store.links(row.inode, kMaxLinksTried)) {
    if (watch(link.parent)) return true;
  }
  return false;
}

}  // namespace shoal::tracker
