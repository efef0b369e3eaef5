// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "base/sqlite.h"
#include "tracker/schema.h"
#include "tracker/store.h"

namespace shoal::tracker {

/// The tables in an SQLite file: WAL, every commit synced. What was committed survives a crash of
/// the program and a power cut. Owner: the driver. Thread: one at a time.
class SqliteStore final : public Store {
 public:
  /// Makes the database of a new swarm. Errors: exists, no_space, access_denied, io.
  static Result<void> create(const std::string& path, ByteView swarm, std::string_view swarm_name,
                             std::int64_t now, RootOwner owner = {});
  /// Errors: not_found (not initialised), version_mismatch (newer schema), corrupt, busy, io.
  static Result<std::unique_ptr<SqliteStore>> open(const std::string& path);
  /// A second connection that sees commits and never writes. Errors: as open.
  static Result<std::unique_ptr<SqliteStore>> open_for_reading(const std::string& path);
  /// A new swarm that lives in memory, for tests.
  static Result<std::unique_ptr<SqliteStore>> in_memory(ByteView swarm, std::string_view name);

  base::Database& database() { return *database_; }

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
  Bytes swarm() override;
  std::string swarm_name() override;

 private:
  explicit SqliteStore(std::unique_ptr<base::Database> database) : database_(std::move(database)) {}

  base::Statement& sql(std::string_view text) { return database_->prepared(text); }
  /// Steps to the next row; an error becomes the sticky one and counts as the end.
  bool next(base::Statement& statement);
  /// Runs a statement without rows.
  void run(base::Statement& statement);
  bool broken() const { return error_.has_value(); }

  std::unique_ptr<base::Database> database_;
  std::optional<Error> error_;
};

}  // namespace shoal::tracker
