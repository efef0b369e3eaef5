// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <set>
#include <string>

#include "tracker/memory_table.h"
#include "tracker/store.h"

namespace shoal::tracker {

/// The same tables without a disk, for unit tests and simulation. Nothing survives.
/// fail_next_commit() makes the next commit fail as a full disk would.
class MemoryStore final : public Store {
 public:
  MemoryStore(Bytes swarm, std::string swarm_name);

  void fail_next_commit(Error error) { commit_failure_ = std::move(error); }

  void begin() override;
  Result<void> commit() override;
  void rollback() override;
  const std::optional<Error>& error() const override { return error_; }

  std::optional<InodeRow> inode(InodeId inode) override;
  void insert_inode(const InodeRow& row) override;
  void update_inode(const InodeRow& row) override;
  void remove_inode(InodeId inode) override;
  std::optional<InodeId> child(InodeId parent, std::string_view name) override;
  std::optional<InodeRow> child_inode(InodeId parent, std::string_view name) override;
  bool has_children(InodeId parent) override;
  std::vector<ChildRow> children(InodeId parent, std::string_view after,
                                 std::uint32_t limit) override;
  void add_entry(InodeId parent, std::string_view name, InodeId child) override;
  void replace_entry(InodeId parent, std::string_view name, InodeId child) override;
  void remove_entry(InodeId parent, std::string_view name) override;
  std::vector<LinkRow> links(InodeId child, std::uint32_t limit) override;
  void scan_entries(const std::function<bool(InodeId, std::string_view, InodeId)>& visit) override;

  std::vector<wire::Xattr> xattrs(InodeId inode) override;
  void put_xattr(InodeId inode, std::string_view name, ByteView value) override;
  void remove_xattr(InodeId inode, std::string_view name) override;

  void add_orphan(InodeId inode, SessionId session) override;
  void remove_orphan(InodeId inode, SessionId session) override;
  std::vector<SessionId> orphan_sessions(InodeId inode) override;
  std::vector<std::pair<InodeId, SessionId>> orphans() override;
  std::vector<InodeId> orphans_of(SessionId session) override;

  std::optional<ContentRow> content(ContentKey key) override;
  std::optional<ContentRow> find_content(const ContentId& id) override;
  ContentKey add_content(const ContentRow& row, const std::vector<Digest>& layer) override;
  void update_content(const ContentRow& row) override;
  void remove_content(ContentKey key) override;
  std::vector<Digest> layer(ContentKey key) override;
  std::vector<ContentRow> contents_held_by(HolderSetId set, ContentKey after,
                                           std::uint32_t limit) override;
  std::optional<InodeId> inode_with(ContentKey key) override;
  std::vector<PartialRow> partials(ContentKey key) override;
  void put_partial(ContentKey key, PeerKey peer, ByteView chunks) override;
  void remove_partial(ContentKey key, PeerKey peer) override;
  std::vector<HolderSetRow> holder_sets() override;
  void put_holder_set(const HolderSetRow& row) override;
  void remove_holder_set(HolderSetId id) override;

  std::vector<PeerRow> peers() override;
  void put_peer(const PeerRow& row) override;
  std::vector<SessionRow> sessions() override;
  void add_session(const SessionRow& row) override;
  void remove_session(SessionId session) override;
  std::optional<Bytes> kept_reply(SessionId session, Sequence sequence) override;
  void keep_reply(SessionId session, Sequence sequence, ByteView reply) override;
  void forget_replies(SessionId session, Sequence below) override;
  Sequence last_kept(SessionId session) override;
  void add_inode_range(InodeId first, std::uint64_t count, PeerKey peer) override;
  std::optional<PeerKey> inode_range_owner(InodeId inode) override;
  void add_invitation(const Digest& hash, std::int64_t expires) override;
  std::optional<std::int64_t> take_invitation(const Digest& hash) override;
  void forget_invitations(std::int64_t expired_before) override;

  std::uint64_t number(Number which) override;
  void set_number(Number which, std::uint64_t value) override;
  Bytes swarm() override { return swarm_; }
  std::string swarm_name() override { return swarm_name_; }

 private:
  using Name = std::pair<InodeId, std::string>;
  struct Range {
    std::uint64_t count;
    PeerKey peer;
  };
  struct Nothing {};

  InodeRow with_content(InodeRow row) const;

  Bytes swarm_;
  std::string swarm_name_;
  bool in_transaction_ = false;
  std::optional<Error> error_;
  std::optional<Error> commit_failure_;
  UndoLog undo_;
  MemoryTable<InodeId, InodeRow> inodes_{undo_};
  MemoryTable<Name, InodeId> entries_{undo_};
  MemoryTable<std::pair<InodeId, Name>, Nothing> entries_by_child_{undo_};
  MemoryTable<Name, Bytes> xattrs_{undo_};
  MemoryTable<std::pair<InodeId, SessionId>, Nothing> orphans_{undo_};
  MemoryTable<ContentKey, ContentRow> contents_{undo_};
  MemoryTable<ContentId, ContentKey> contents_by_id_{undo_};
  MemoryTable<std::pair<HolderSetId, ContentKey>, Nothing> contents_by_holders_{undo_};
  MemoryTable<std::pair<ContentKey, InodeId>, Nothing> inodes_by_content_{undo_};
  MemoryTable<ContentKey, std::vector<Digest>> layers_{undo_};
  MemoryTable<std::pair<ContentKey, PeerKey>, Bytes> partials_{undo_};
  MemoryTable<HolderSetId, HolderSetRow> holder_sets_{undo_};
  MemoryTable<PeerKey, PeerRow> peers_{undo_};
  MemoryTable<SessionId, SessionRow> sessions_{undo_};
  MemoryTable<std::pair<SessionId, Sequence>, Bytes> replies_{undo_};
  MemoryTable<InodeId, Range> ranges_{undo_};
  MemoryTable<Digest, std::int64_t> invitations_{undo_};
  MemoryTable<Number, std::uint64_t> numbers_{undo_};
  std::uint64_t next_content_ = 1;
};

}  // namespace shoal::tracker
