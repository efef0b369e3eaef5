// SPDX-License-Identifier: MIT
#include "tracker/memory_store.h"

#include <algorithm>

#include "base/check.h"

namespace shoal::tracker {

MemoryStore::MemoryStore(Bytes swarm, std::string swarm_name)
    : swarm_(std::move(swarm)), swarm_name_(std::move(swarm_name)) {
  InodeRow root;
  root.inode = kRootInode;
  root.kind = wire::FileKind::directory;
  root.mode = 0755;
  root.nlink = 2;
  inodes_.put(kRootInode, root);
  numbers_.put(Number::next_inode, kRootInode.value() + 1);
  numbers_.put(Number::next_session, 1);
  numbers_.put(Number::next_peer, 1);
  numbers_.put(Number::next_holder_set, 1);
  numbers_.put(Number::directories, 1);
  undo_.forget();
}

void MemoryStore::begin() {
  CHECK(!in_transaction_);
  in_transaction_ = true;
}

Result<void> MemoryStore::commit() {
  CHECK(in_transaction_);
  if (commit_failure_) {
    Error error = *std::exchange(commit_failure_, std::nullopt);
    rollback();
    return std::unexpected(std::move(error));
  }
  in_transaction_ = false;
  undo_.forget();
  return {};
}

void MemoryStore::rollback() {
  undo_.undo_all();
  in_transaction_ = false;
  error_.reset();
}

// ---- inodes and names

InodeRow MemoryStore::with_content(InodeRow row) const {
  if (const ContentRow* content = contents_.find(row.content)) row.content_ref = content->ref;
  return row;
}

std::optional<InodeRow> MemoryStore::inode(InodeId inode) {
  const InodeRow* row = inodes_.find(inode);
  if (row == nullptr) return std::nullopt;
  return with_content(*row);
}

void MemoryStore::insert_inode(const InodeRow& row) {
  CHECK(inodes_.find(row.inode) == nullptr, "inode {} exists", row.inode);
  InodeRow stored = row;
  stored.content_ref = {};
  if (row.content) inodes_by_content_.put({row.content, row.inode}, {});
  inodes_.put(row.inode, std::move(stored));
}

void MemoryStore::update_inode(const InodeRow& row) {
  const InodeRow* old = inodes_.find(row.inode);
  CHECK(old != nullptr, "no inode {}", row.inode);
  if (old->content != row.content) {
    if (old->content) inodes_by_content_.erase(std::pair(old->content, row.inode));
    if (row.content) inodes_by_content_.put({row.content, row.inode}, {});
  }
  InodeRow stored = row;
  stored.content_ref = {};
  stored.target = old->target;
  inodes_.put(row.inode, std::move(stored));
}

void MemoryStore::remove_inode(InodeId inode) {
  const InodeRow* old = inodes_.find(inode);
  if (old == nullptr) return;
  if (old->content) inodes_by_content_.erase(std::pair(old->content, inode));
  for (const auto& xattr : xattrs(inode)) remove_xattr(inode, xattr.name);
  inodes_.erase(inode);
}

std::optional<InodeId> MemoryStore::child(InodeId parent, std::string_view name) {
  const InodeId* found = entries_.find(Name(parent, name));
  if (found == nullptr) return std::nullopt;
  return *found;
}

std::optional<InodeRow> MemoryStore::child_inode(InodeId parent, std::string_view name) {
  auto found = child(parent, name);
  if (!found) return std::nullopt;
  return inode(*found);
}

bool MemoryStore::has_children(InodeId parent) {
  auto first = entries_.rows().lower_bound(Name(parent, ""));
  return first != entries_.rows().end() && first->first.first == parent;
}

std::vector<ChildRow> MemoryStore::children(InodeId parent, std::string_view after,
                                            std::uint32_t limit) {
  std::vector<ChildRow> rows;
  for (auto entry = entries_.rows().upper_bound(Name(parent, after));
       entry != entries_.rows().end() && entry->first.first == parent && rows.size() < limit;
       ++entry) {
    rows.push_back({entry->first.second, *inode(entry->second)});
  }
  return rows;
}

void MemoryStore::add_entry(InodeId parent, std::string_view name, InodeId child) {
  CHECK(entries_.find(Name(parent, name)) == nullptr);
  entries_.put(Name(parent, name), child);
  entries_by_child_.put({child, Name(parent, name)}, {});
}

void MemoryStore::replace_entry(InodeId parent, std::string_view name, InodeId child) {
  remove_entry(parent, name);
  add_entry(parent, name, child);
}

void MemoryStore::remove_entry(InodeId parent, std::string_view name) {
  auto found = child(parent, name);
  if (!found) return;
  entries_by_child_.erase(std::pair(*found, Name(parent, name)));
  entries_.erase(Name(parent, name));
}

std::vector<LinkRow> MemoryStore::links(InodeId child, std::uint32_t limit) {
  std::vector<LinkRow> rows;
  for (auto entry = entries_by_child_.rows().lower_bound({child, Name(InodeId(), "")});
       entry != entries_by_child_.rows().end() && entry->first.first == child &&
       rows.size() < limit;
       ++entry) {
    rows.push_back({entry->first.second.first, entry->first.second.second});
  }
  return rows;
}

void MemoryStore::scan_entries(
    const std::function<bool(InodeId, std::string_view, InodeId)>& visit) {
  for (const auto& [name, child] : entries_.rows()) {
    if (!visit(name.first, name.second, child)) return;
  }
}

std::vector<wire::Xattr> MemoryStore::xattrs(InodeId inode) {
  std::vector<wire::Xattr> found;
  for (auto row = xattrs_.rows().lower_bound(Name(inode, ""));
       row != xattrs_.rows().end() && row->first.first == inode; ++row) {
    found.push_back({row->first.second, row->second});
  }
  return found;
}

void MemoryStore::put_xattr(InodeId inode, std::string_view name, ByteView value) {
  xattrs_.put(Name(inode, name), Bytes(value.begin(), value.end()));
}

void MemoryStore::remove_xattr(InodeId inode, std::string_view name) {
  xattrs_.erase(Name(inode, name));
}

void MemoryStore::add_orphan(InodeId inode, SessionId session) {
  orphans_.put({inode, session}, {});
}

void MemoryStore::remove_orphan(InodeId inode, SessionId session) {
  orphans_.erase(std::pair(inode, session));
}

std::vector<SessionId> MemoryStore::orphan_sessions(InodeId inode) {
  std::vector<SessionId> found;
  for (auto row = orphans_.rows().lower_bound({inode, SessionId()});
       row != orphans_.rows().end() && row->first.first == inode; ++row) {
    found.push_back(row->first.second);
  }
  return found;
}

std::vector<std::pair<InodeId, SessionId>> MemoryStore::orphans() {
  std::vector<std::pair<InodeId, SessionId>> found;
  for (const auto& [key, nothing] : orphans_.rows()) found.push_back(key);
  return found;
}

std::vector<InodeId> MemoryStore::orphans_of(SessionId session) {
  std::vector<InodeId> found;
  for (const auto& [key, nothing] : orphans_.rows()) {
    if (key.second == session) found.push_back(key.first);
  }
  return found;
}

// ---- contents and holders

std::optional<ContentRow> MemoryStore::content(ContentKey key) {
  const ContentRow* row = contents_.find(key);
  if (row == nullptr) return std::nullopt;
  return *row;
}

std::optional<ContentRow> MemoryStore::find_content(const ContentId& id) {
  const ContentKey* key = contents_by_id_.find(id);
  if (key == nullptr) return std::nullopt;
  return content(*key);
}

ContentKey MemoryStore::add_content(const ContentRow& row, const std::vector<Digest>& layer) {
  ContentRow stored = row;
  stored.key = ContentKey(next_content_++);
  contents_.put(stored.key, stored);
  contents_by_id_.put(stored.ref.id, stored.key);
  contents_by_holders_.put({stored.holders, stored.key}, {});
  if (!layer.empty()) layers_.put(stored.key, layer);
  return stored.key;
}

void MemoryStore::update_content(const ContentRow& row) {
  const ContentRow* old = contents_.find(row.key);
  CHECK(old != nullptr);
  ContentRow stored = *old;
  stored.refs = row.refs;
  stored.holders = row.holders;
  if (old->holders != row.holders) {
    contents_by_holders_.erase(std::pair(old->holders, row.key));
    contents_by_holders_.put({row.holders, row.key}, {});
  }
  contents_.put(row.key, stored);
}

void MemoryStore::remove_content(ContentKey key) {
  const ContentRow* old = contents_.find(key);
  if (old == nullptr) return;
  contents_by_id_.erase(old->ref.id);
  contents_by_holders_.erase(std::pair(old->holders, key));
  for (const auto& partial : partials(key)) remove_partial(key, partial.peer);
  layers_.erase(key);
  contents_.erase(key);
}

std::vector<Digest> MemoryStore::layer(ContentKey key) {
  const auto* found = layers_.find(key);
  return found == nullptr ? std::vector<Digest>() : *found;
}

std::vector<ContentRow> MemoryStore::contents_held_by(HolderSetId set, ContentKey after,
                                                      std::uint32_t limit) {
  std::vector<ContentRow> rows;
  for (auto row = contents_by_holders_.rows().upper_bound({set, after});
       row != contents_by_holders_.rows().end() && row->first.first == set && rows.size() < limit;
       ++row) {
    rows.push_back(*contents_.find(row->first.second));
  }
  return rows;
}

std::optional<InodeId> MemoryStore::inode_with(ContentKey key) {
  auto row = inodes_by_content_.rows().lower_bound({key, InodeId()});
  if (row == inodes_by_content_.rows().end() || row->first.first != key) return std::nullopt;
  return row->first.second;
}

std::vector<PartialRow> MemoryStore::partials(ContentKey key) {
  std::vector<PartialRow> rows;
  for (auto row = partials_.rows().lower_bound({key, PeerKey()});
       row != partials_.rows().end() && row->first.first == key; ++row) {
    rows.push_back({row->first.second, row->second});
  }
  return rows;
}

void MemoryStore::put_partial(ContentKey key, PeerKey peer, ByteView chunks) {
  partials_.put({key, peer}, Bytes(chunks.begin(), chunks.end()));
}

void MemoryStore::remove_partial(ContentKey key, PeerKey peer) {
  partials_.erase(std::pair(key, peer));
}

std::vector<HolderSetRow> MemoryStore::holder_sets() {
  std::vector<HolderSetRow> rows;
  for (const auto& [id, row] : holder_sets_.rows()) rows.push_back(row);
  return rows;
}

void MemoryStore::put_holder_set(const HolderSetRow& row) { holder_sets_.put(row.id, row); }

void MemoryStore::remove_holder_set(HolderSetId id) { holder_sets_.erase(id); }

// ---- members and sessions

std::vector<PeerRow> MemoryStore::peers() {
  std::vector<PeerRow> rows;
  for (const auto& [key, row] : peers_.rows()) rows.push_back(row);
  return rows;
}

void MemoryStore::put_peer(const PeerRow& row) { peers_.put(row.key, row); }

std::vector<SessionRow> MemoryStore::sessions() {
  std::vector<SessionRow> rows;
  for (const auto& [id, row] : sessions_.rows()) rows.push_back(row);
  return rows;
}

void MemoryStore::add_session(const SessionRow& row) { sessions_.put(row.id, row); }

void MemoryStore::remove_session(SessionId session) {
  const auto end = replies_.rows().lower_bound({SessionId(session.value() + 1), Sequence()});
  std::vector<std::pair<SessionId, Sequence>> gone;
  for (auto row = replies_.rows().lower_bound({session, Sequence()}); row != end; ++row) {
    gone.push_back(row->first);
  }
  for (const auto& key : gone) replies_.erase(key);
  sessions_.erase(session);
}

std::optional<Bytes> MemoryStore::kept_reply(SessionId session, Sequence sequence) {
  const Bytes* reply = replies_.find(std::pair(session, sequence));
  if (reply == nullptr) return std::nullopt;
  return *reply;
}

void MemoryStore::keep_reply(SessionId session, Sequence sequence, ByteView reply) {
  replies_.put({session, sequence}, Bytes(reply.begin(), reply.end()));
}

void MemoryStore::forget_replies(SessionId session, Sequence below) {
  const Sequence end = std::min(below, last_kept(session));
  std::vector<std::pair<SessionId, Sequence>> gone;
  for (auto row = replies_.rows().lower_bound({session, Sequence()});
       row != replies_.rows().end() && row->first < std::pair(session, end); ++row) {
    gone.push_back(row->first);
  }
  for (const auto& key : gone) replies_.erase(key);
}

Sequence MemoryStore::last_kept(SessionId session) {
  auto row = replies_.rows().lower_bound({SessionId(session.value() + 1), Sequence()});
  if (row == replies_.rows().begin()) return {};
  --row;
  return row->first.first == session ? row->first.second : Sequence();
}

void MemoryStore::add_inode_range(InodeId first, std::uint64_t count, PeerKey peer) {
  ranges_.put(first, Range{count, peer});
}

std::optional<PeerKey> MemoryStore::inode_range_owner(InodeId inode) {
  auto row = ranges_.rows().upper_bound(inode);
  if (row == ranges_.rows().begin()) return std::nullopt;
  --row;
  if (inode.value() >= row->first.value() + row->second.count) return std::nullopt;
  return row->second.peer;
}

void MemoryStore::add_invitation(const Digest& hash, std::int64_t expires) {
  invitations_.put(hash, expires);
}

std::optional<std::int64_t> MemoryStore::take_invitation(const Digest& hash) {
  const std::int64_t* found = invitations_.find(hash);
  if (found == nullptr) return std::nullopt;
  const std::int64_t expires = *found;
  invitations_.erase(hash);
  return expires;
}

void MemoryStore::forget_invitations(std::int64_t expired_before) {
  std::vector<Digest> gone;
  for (const auto& [hash, expires] : invitations_.rows()) {
    if (expires < expired_before) gone.push_back(hash);
  }
  for (const auto& hash : gone) invitations_.erase(hash);
}

std::uint64_t MemoryStore::number(Number which) {
  const std::uint64_t* value = numbers_.find(which);
  return value == nullptr ? 0 : *value;
}

void MemoryStore::set_number(Number which, std::uint64_t value) { numbers_.put(which, value); }

}  // namespace shoal::tracker
