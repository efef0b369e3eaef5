// SPDX-License-Identifier: MIT
// Contents and their holders in SQLite.
#include <cstring>

#include "tracker/sqlite_store.h"

namespace shoal::tracker {
namespace {

constexpr std::size_t kRootPrefixBytes = 8;  // as in the index contents_by_root
constexpr std::size_t kPeerKeyBytes = 4;

ContentRow read_content(const base::Statement& row) {
  ContentRow content;
  content.key = ContentKey(row.unsigned_integer(0));
  auto root = Digest::from(row.blob(1));
  if (root) content.ref.id.root = *root;
  content.ref.id.size = row.unsigned_integer(2);
  content.ref.chunk_bytes = static_cast<std::uint32_t>(row.integer(3));
  content.refs = row.unsigned_integer(4);
  content.holders = HolderSetId(row.unsigned_integer(5));
  return content;
}

Bytes pack_peers(const std::vector<PeerKey>& peers) {
  Bytes packed(peers.size() * kPeerKeyBytes);
  for (std::size_t i = 0; i < peers.size(); ++i) {
    for (std::size_t byte = 0; byte < kPeerKeyBytes; ++byte) {
      packed[i * kPeerKeyBytes + byte] = static_cast<std::byte>(peers[i].value() >> (8 * byte));
    }
  }
  return packed;
}

std::vector<PeerKey> unpack_peers(ByteView packed) {
  std::vector<PeerKey> peers;
  for (std::size_t at = 0; at + kPeerKeyBytes <= packed.size(); at += kPeerKeyBytes) {
    std::uint32_t value = 0;
    for (std::size_t byte = 0; byte < kPeerKeyBytes; ++byte) {
      value |= std::to_integer<std::uint32_t>(packed[at + byte]) << (8 * byte);
    }
    peers.emplace_back(value);
  }
  return peers;
}

}  // namespace

std::optional<ContentRow> SqliteStore::content(ContentKey key) {
  auto& query =
      sql("SELECT key, root, size, chunk_bytes, refs, holders FROM contents WHERE key=?1");
  query.bind(1, key.value());
  if (!next(query)) return std::nullopt;
  ContentRow row = read_content(query);
  query.reset();
  return row;
}

std::optional<ContentRow> SqliteStore::find_content(const ContentId& id) {
  auto& query =
      sql("SELECT key, root, size, chunk_bytes, refs, holders FROM contents "
          "WHERE substr(root, 1, 8)=?1 AND root=?2 AND size=?3");
  query.bind(1, id.root.view().first(kRootPrefixBytes)).bind(2, id.root.view()).bind(3, id.size);
  if (!next(query)) return std::nullopt;
  ContentRow row = read_content(query);
  query.reset();
  return row;
}

ContentKey SqliteStore::add_content(const ContentRow& row, const std::vector<Digest>& layer) {
  run(sql("INSERT INTO contents(root, size, chunk_bytes, refs, holders) "
          "VALUES(?1, ?2, ?3, ?4, ?5)")
          .bind(1, row.ref.id.root.view())
          .bind(2, row.ref.id.size)
          .bind(3, std::int64_t{row.ref.chunk_bytes})
          .bind(4, row.refs)
          .bind(5, row.holders.value()));
  if (broken()) return {};
  const ContentKey key(static_cast<std::uint64_t>(database_->last_insert_rowid()));
  if (!layer.empty()) {
    run(sql("INSERT INTO layers VALUES(?1, ?2)")
            .bind(1, key.value())
            .bind(2, std::as_bytes(std::span(layer))));
  }
  return key;
}

void SqliteStore::update_content(const ContentRow& row) {
  run(sql("UPDATE contents SET refs=?2, holders=?3 WHERE key=?1")
          .bind(1, row.key.value())
          .bind(2, row.refs)
          .bind(3, row.holders.value()));
}

void SqliteStore::remove_content(ContentKey key) {
  run(sql("DELETE FROM contents WHERE key=?1").bind(1, key.value()));
  run(sql("DELETE FROM layers WHERE content=?1").bind(1, key.value()));
  run(sql("DELETE FROM partials WHERE content=?1").bind(1, key.value()));
}

std::vector<Digest> SqliteStore::layer(ContentKey key) {
  auto& query = sql("SELECT hashes FROM layers WHERE content=?1");
  query.bind(1, key.value());
  if (!next(query)) return {};
  const ByteView packed = query.blob(0);
  std::vector<Digest> hashes(packed.size() / Digest::kBytes);
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    std::memcpy(hashes[i].bytes.data(), packed.data() + i * Digest::kBytes, Digest::kBytes);
  }
  query.reset();
  return hashes;
}

std::vector<ContentRow> SqliteStore::contents_held_by(HolderSetId set, ContentKey after,
                                                      std::uint32_t limit) {
  auto& query =
      sql("SELECT key, root, size, chunk_bytes, refs, holders FROM contents "
          "WHERE holders=?1 AND key>?2 ORDER BY key LIMIT ?3");
  query.bind(1, set.value()).bind(2, after.value()).bind(3, std::int64_t{limit});
  std::vector<ContentRow> rows;
  while (next(query)) rows.push_back(read_content(query));
  return rows;
}

std::optional<InodeId> SqliteStore::inode_with(ContentKey key) {
  auto& query = sql("SELECT ino FROM inodes WHERE content=?1 AND content>0 LIMIT 1");
  query.bind(1, key.value());
  if (!next(query)) return std::nullopt;
  const InodeId found(query.unsigned_integer(0));
  query.reset();
  return found;
}

std::vector<PartialRow> SqliteStore::partials(ContentKey key) {
  auto& query = sql("SELECT peer, chunks FROM partials WHERE content=?1 ORDER BY peer");
  query.bind(1, key.value());
  std::vector<PartialRow> rows;
  while (next(query)) {
    const ByteView chunks = query.blob(1);
    rows.push_back({PeerKey(static_cast<std::uint32_t>(query.integer(0))),
                    Bytes(chunks.begin(), chunks.end())});
  }
  return rows;
}

void SqliteStore::put_partial(ContentKey key, PeerKey peer, ByteView chunks) {
  run(sql("INSERT INTO partials VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET chunks=?3")
          .bind(1, key.value())
          .bind(2, std::int64_t{peer.value()})
          .bind(3, chunks));
}

void SqliteStore::remove_partial(ContentKey key, PeerKey peer) {
  run(sql("DELETE FROM partials WHERE content=?1 AND peer=?2")
          .bind(1, key.value())
          .bind(2, std::int64_t{peer.value()}));
}

std::vector<HolderSetRow> SqliteStore::holder_sets() {
  auto& query = sql("SELECT id, peers, contents, files FROM holder_sets ORDER BY id");
  std::vector<HolderSetRow> rows;
  while (next(query)) {
    rows.push_back({HolderSetId(query.unsigned_integer(0)), unpack_peers(query.blob(1)),
                    query.unsigned_integer(2), query.unsigned_integer(3)});
  }
  return rows;
}

void SqliteStore::put_holder_set(const HolderSetRow& row) {
  const Bytes peers = pack_peers(row.peers);
  run(sql("INSERT INTO holder_sets VALUES(?1, ?2, ?3, ?4) "
          "ON CONFLICT DO UPDATE SET contents=?3, files=?4")
          .bind(1, row.id.value())
          .bind(2, ByteView(peers))
          .bind(3, row.contents)
          .bind(4, row.files));
}

void SqliteStore::remove_holder_set(HolderSetId id) {
  run(sql("DELETE FROM holder_sets WHERE id=?1").bind(1, id.value()));
}

}  // namespace shoal::tracker
