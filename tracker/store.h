// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "tracker/rows.h"

namespace shoal::tracker {

/// The tracker's tables, one verb a table access, no rules: those are the core's.
/// Reads outside of a transaction see the last commit. Writes need a transaction.
///
/// Failures are sticky: a verb that fails remembers the first error, and from then on every verb
/// returns nothing and does nothing until rollback(). So callers check once, at commit(), and must
/// not show anybody what they read in a transaction that did not commit.
/// Owner: the core. Thread: one at a time.
class Store {
 public:
  virtual ~Store() = default;

  virtual void begin() = 0;
  /// Errors: the first failure of any verb since begin(), or of the commit; everything since
  /// begin() is then undone.
  virtual Result<void> commit() = 0;
  virtual void rollback() = 0;
  /// The sticky error, if any.
  virtual const std::optional<Error>& error() const = 0;

  // ---- inodes and names
  virtual std::optional<InodeRow> inode(InodeId inode) = 0;
  /// content_ref is not stored. insert: the number must be free; update: it must exist.
  virtual void insert_inode(const InodeRow& row) = 0;
  virtual void update_inode(const InodeRow& row) = 0;
  /// With its extended attributes.
  virtual void remove_inode(InodeId inode) = 0;
  virtual std::optional<InodeId> child(InodeId parent, std::string_view name) = 0;
  virtual std::optional<InodeRow> child_inode(InodeId parent, std::string_view name) = 0;
  virtual bool has_children(InodeId parent) = 0;
  /// At most limit children with names behind `after`, in the order of their bytes.
  virtual std::vector<ChildRow> children(InodeId parent, std::string_view after,
                                         std::uint32_t limit) = 0;
  /// The name must be free.
  virtual void add_entry(InodeId parent, std::string_view name, InodeId child) = 0;
  virtual void replace_entry(InodeId parent, std::string_view name, InodeId child) = 0;
  virtual void remove_entry(InodeId parent, std::string_view name) = 0;
  /// At most limit places where the inode is linked, ordered by parent and name.
  virtual std::vector<LinkRow> links(InodeId child, std::uint32_t limit) = 0;
  /// Every entry, ordered by parent and name, until visit returns false. visit may read.
  virtual void scan_entries(
      const std::function<bool(InodeId parent, std::string_view name, InodeId child)>& visit) = 0;

  // ---- extended attributes
  virtual std::vector<wire::Xattr> xattrs(InodeId inode) = 0;
  virtual void put_xattr(InodeId inode, std::string_view name, ByteView value) = 0;
  virtual void remove_xattr(InodeId inode, std::string_view name) = 0;

  // ---- unlinked inodes that are open
  virtual void add_orphan(InodeId inode, SessionId session) = 0;
  virtual void remove_orphan(InodeId inode, SessionId session) = 0;
  virtual std::vector<SessionId> orphan_sessions(InodeId inode) = 0;
  virtual std::vector<std::pair<InodeId, SessionId>> orphans() = 0;
  virtual std::vector<InodeId> orphans_of(SessionId session) = 0;

  // ---- contents and who holds them
  virtual std::optional<ContentRow> content(ContentKey key) = 0;
  virtual std::optional<ContentRow> find_content(const ContentId& id) = 0;
  virtual ContentKey add_content(const ContentRow& row, const std::vector<Digest>& layer) = 0;
  /// Changes refs and holders.
  virtual void update_content(const ContentRow& row) = 0;
  /// With its layer and partial holders.
  virtual void remove_content(ContentKey key) = 0;
  virtual std::vector<Digest> layer(ContentKey key) = 0;
  /// At most limit contents with exactly these complete holders and keys behind `after`, ascending.
  virtual std::vector<ContentRow> contents_held_by(HolderSetId set, ContentKey after,
                                                   std::uint32_t limit) = 0;
  /// Some inode that has the content.
  virtual std::optional<InodeId> inode_with(ContentKey key) = 0;
  virtual std::vector<PartialRow> partials(ContentKey key) = 0;
  virtual void put_partial(ContentKey key, PeerKey peer, ByteView chunks) = 0;
  virtual void remove_partial(ContentKey key, PeerKey peer) = 0;
  virtual std::vector<HolderSetRow> holder_sets() = 0;
  virtual void put_holder_set(const HolderSetRow& row) = 0;
  virtual void remove_holder_set(HolderSetId id) = 0;

  // ---- members and sessions
  virtual std::vector<PeerRow> peers() = 0;
  virtual void put_peer(const PeerRow& row) = 0;
  virtual std::vector<SessionRow> sessions() = 0;
  virtual void add_session(const SessionRow& row) = 0;
  /// With its kept replies.
  virtual void remove_session(SessionId session) = 0;
  virtual std::optional<Bytes> kept_reply(SessionId session, Sequence sequence) = 0;
  virtual void keep_reply(SessionId session, Sequence sequence, ByteView reply) = 0;
  /// Forgets replies with numbers below, but never the one with the highest number.
  virtual void forget_replies(SessionId session, Sequence below) = 0;
  /// 0 when none is kept.
  virtual Sequence last_kept(SessionId session) = 0;
  virtual void add_inode_range(InodeId first, std::uint64_t count, PeerKey peer) = 0;
  /// To whom the range with this number was given.
  virtual std::optional<PeerKey> inode_range_owner(InodeId inode) = 0;
  virtual void add_invitation(const Digest& hash, std::int64_t expires) = 0;
  /// Removes it; its end of validity if it existed.
  virtual std::optional<std::int64_t> take_invitation(const Digest& hash) = 0;
  virtual void forget_invitations(std::int64_t expired_before) = 0;

  // ---- numbers and names of the swarm
  virtual std::uint64_t number(Number which) = 0;
  virtual void set_number(Number which, std::uint64_t value) = 0;
  virtual Bytes swarm() = 0;
  virtual std::string swarm_name() = 0;
};

}  // namespace shoal::tracker
