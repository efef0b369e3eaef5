// SPDX-License-Identifier: MIT
// Peers, sessions, kept replies, inode ranges and invitations in SQLite.
#include "tracker/sqlite_store.h"

namespace shoal::tracker {
namespace {

// Endpoints are few and short: "host:port" separated by spaces, which no host contains.
std::string pack_endpoints(const std::vector<wire::Endpoint>& endpoints) {
  std::string text;
  for (const auto& endpoint : endpoints) {
    if (!text.empty()) text += ' ';
    text += endpoint.text();
  }
  return text;
}

std::vector<wire::Endpoint> unpack_endpoints(std::string_view text) {
  std::vector<wire::Endpoint> endpoints;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    auto endpoint = wire::Endpoint::parse(text.substr(0, end));
    if (endpoint) endpoints.push_back(*endpoint);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return endpoints;
}

PeerKey peer_key(const base::Statement& row, int column) {
  return PeerKey(static_cast<std::uint32_t>(row.integer(column)));
}

}  // namespace

std::vector<PeerRow> SqliteStore::peers() {
  auto& query =
      sql("SELECT key, id, name, endpoints, last_seen, capacity_bytes, free_bytes, stored_bytes, "
          "stored_blobs, journal FROM peers ORDER BY key");
  std::vector<PeerRow> rows;
  while (next(query)) {
    PeerRow row;
    row.key = peer_key(query, 0);
    auto id = Digest::from(query.blob(1));
    if (id) row.id.digest = *id;
    row.name = query.text(2);
    row.endpoints = unpack_endpoints(query.text(3));
    row.last_seen = query.integer(4);
    row.capacity = {query.unsigned_integer(5), query.unsigned_integer(6), query.unsigned_integer(7),
                    query.unsigned_integer(8)};
    row.journal = query.unsigned_integer(9);
    rows.push_back(std::move(row));
  }
  return rows;
}

void SqliteStore::put_peer(const PeerRow& row) {
  const std::string endpoints = pack_endpoints(row.endpoints);
  run(sql("INSERT INTO peers VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT(key) DO "
          "UPDATE SET name=?3, endpoints=?4, last_seen=?5, capacity_bytes=?6, free_bytes=?7, "
          "stored_bytes=?8, stored_blobs=?9, journal=?10")
          .bind(1, std::int64_t{row.key.value()})
          .bind(2, row.id.digest.view())
          .bind(3, row.name)
          .bind(4, endpoints)
          .bind(5, row.last_seen)
          .bind(6, row.capacity.capacity_bytes)
          .bind(7, row.capacity.free_bytes)
          .bind(8, row.capacity.stored_bytes)
          .bind(9, row.capacity.stored_blobs)
          .bind(10, row.journal));
}

std::vector<SessionRow> SqliteStore::sessions() {
  auto& query = sql("SELECT id, peer FROM sessions ORDER BY id");
  std::vector<SessionRow> rows;
  while (next(query)) {
    rows.push_back({SessionId(query.unsigned_integer(0)), peer_key(query, 1)});
  }
  return rows;
}

void SqliteStore::add_session(const SessionRow& row) {
  run(sql("INSERT INTO sessions VALUES(?1, ?2)")
          .bind(1, row.id.value())
          .bind(2, std::int64_t{row.peer.value()}));
}

void SqliteStore::remove_session(SessionId session) {
  run(sql("DELETE FROM sessions WHERE id=?1").bind(1, session.value()));
  run(sql("DELETE FROM replies WHERE session=?1").bind(1, session.value()));
}

std::optional<Bytes> SqliteStore::kept_reply(SessionId session, Sequence sequence) {
  auto& query = sql("SELECT reply FROM replies WHERE session=?1 AND sequence=?2");
  query.bind(1, session.value()).bind(2, sequence.value());
  if (!next(query)) return std::nullopt;
  const ByteView reply = query.blob(0);
  Bytes copy(reply.begin(), reply.end());
  query.reset();
  return copy;
}

void SqliteStore::keep_reply(SessionId session, Sequence sequence, ByteView reply) {
  run(sql("INSERT INTO replies VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET reply=?3")
          .bind(1, session.value())
          .bind(2, sequence.value())
          .bind(3, reply));
}

void SqliteStore::forget_replies(SessionId session, Sequence below) {
  run(sql("DELETE FROM replies WHERE session=?1 AND sequence<?2 AND sequence<"
          "(SELECT max(sequence) FROM replies WHERE session=?1)")
          .bind(1, session.value())
          .bind(2, below.value()));
}

Sequence SqliteStore::last_kept(SessionId session) {
  auto& query = sql("SELECT max(sequence) FROM replies WHERE session=?1");
  query.bind(1, session.value());
  if (!next(query)) return {};
  const Sequence last(query.unsigned_integer(0));  // NULL reads as 0
  query.reset();
  return last;
}

void SqliteStore::add_inode_range(InodeId first, std::uint64_t count, PeerKey peer) {
  run(sql("INSERT INTO inode_ranges VALUES(?1, ?2, ?3)")
          .bind(1, first.value())
          .bind(2, count)
          .bind(3, std::int64_t{peer.value()}));
}

std::optional<PeerKey> SqliteStore::inode_range_owner(InodeId inode) {
  auto& query =
      sql("SELECT first + count, peer FROM inode_ranges WHERE first<=?1 "
          "ORDER BY first DESC LIMIT 1");
  query.bind(1, inode.value());
  if (!next(query)) return std::nullopt;
  const std::uint64_t end = query.unsigned_integer(0);
  const PeerKey peer = peer_key(query, 1);
  query.reset();
  if (inode.value() >= end) return std::nullopt;
  return peer;
}

void SqliteStore::add_invitation(const Digest& hash, std::int64_t expires) {
  run(sql("INSERT INTO invitations VALUES(?1, ?2)").bind(1, hash.view()).bind(2, expires));
}

std::optional<std::int64_t> SqliteStore::take_invitation(const Digest& hash) {
  auto& query = sql("DELETE FROM invitations WHERE hash=?1 RETURNING expires");
  query.bind(1, hash.view());
  if (!next(query)) return std::nullopt;
  const std::int64_t expires = query.integer(0);
  run(query);
  return expires;
}

void SqliteStore::forget_invitations(std::int64_t expired_before) {
  run(sql("DELETE FROM invitations WHERE expires<?1").bind(1, expired_before));
}

}  // namespace shoal::tracker
