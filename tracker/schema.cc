// SPDX-License-Identifier: MIT
#include "tracker/schema.h"

#include <iterator>

#include "tracker/rows.h"

namespace shoal::tracker {
namespace {

// Every column earns its place: an inode's row is some 60 bytes. Names and targets are blobs, so
// that they compare as bytes. `entries` is clustered by (parent, name): a directory is read in one
// sweep, and its index by child carries parent and name as well. Contents are found by the first
// eight bytes of the root, which keeps that index small.
constexpr std::string_view kTables = R"sql(
CREATE TABLE swarm(
  id BLOB NOT NULL,
  name TEXT NOT NULL
) STRICT;
CREATE TABLE numbers(
  which INTEGER PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT;
CREATE TABLE inodes(
  ino INTEGER PRIMARY KEY,
  mode INTEGER NOT NULL,
  nlink INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  gid INTEGER NOT NULL,
  atime INTEGER NOT NULL,
  mtime INTEGER NOT NULL,
  ctime INTEGER NOT NULL,
  content INTEGER NOT NULL,
  version INTEGER NOT NULL,
  allocated INTEGER NOT NULL,
  has_xattrs INTEGER NOT NULL,
  rdev INTEGER,
  target BLOB
) STRICT;
CREATE INDEX inodes_by_content ON inodes(content) WHERE content > 0;
CREATE TABLE entries(
  parent INTEGER NOT NULL,
  name BLOB NOT NULL,
  child INTEGER NOT NULL,
  PRIMARY KEY(parent, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX entries_by_child ON entries(child);
CREATE TABLE xattrs(
  ino INTEGER NOT NULL,
  name BLOB NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY(ino, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE orphans(
  ino INTEGER NOT NULL,
  session INTEGER NOT NULL,
  PRIMARY KEY(ino, session)
) STRICT, WITHOUT ROWID;
CREATE INDEX orphans_by_session ON orphans(session);
CREATE TABLE contents(
  key INTEGER PRIMARY KEY,
  root BLOB NOT NULL,
  size INTEGER NOT NULL,
  chunk_bytes INTEGER NOT NULL,
  refs INTEGER NOT NULL,
  holders INTEGER NOT NULL
) STRICT;
CREATE INDEX contents_by_root ON contents(substr(root, 1, 8));
CREATE INDEX contents_by_holders ON contents(holders);
CREATE TABLE layers(
  content INTEGER PRIMARY KEY,
  hashes BLOB NOT NULL
) STRICT;
CREATE TABLE holder_sets(
  id INTEGER PRIMARY KEY,
  peers BLOB NOT NULL,
  contents INTEGER NOT NULL,
  files INTEGER NOT NULL
) STRICT;
CREATE TABLE partials(
  content INTEGER NOT NULL,
  peer INTEGER NOT NULL,
  chunks BLOB NOT NULL,
  PRIMARY KEY(content, peer)
) STRICT, WITHOUT ROWID;
CREATE TABLE peers(
  key INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  name TEXT NOT NULL,
  endpoints TEXT NOT NULL,
  last_seen INTEGER NOT NULL,
  capacity_bytes INTEGER NOT NULL,
  free_bytes INTEGER NOT NULL,
  stored_bytes INTEGER NOT NULL,
  stored_blobs INTEGER NOT NULL,
  journal INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE sessions(
  id INTEGER PRIMARY KEY,
  peer INTEGER NOT NULL
) STRICT;
CREATE TABLE replies(
  session INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  reply BLOB NOT NULL,
  PRIMARY KEY(session, sequence)
) STRICT, WITHOUT ROWID;
CREATE TABLE inode_ranges(
  first INTEGER PRIMARY KEY,
  count INTEGER NOT NULL,
  peer INTEGER NOT NULL
) STRICT;
CREATE TABLE invitations(
  hash BLOB PRIMARY KEY,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
)sql";

// What brings a database from each version to the next, from version 1 on.
constexpr std::string_view kMigrations[] = {
    "ALTER TABLE peers ADD COLUMN journal INTEGER NOT NULL DEFAULT 0",
};
static_assert(std::size(kMigrations) + 1 == kSchemaVersion);

constexpr std::uint32_t kRootMode = 0755;

Result<void> fill(base::Database& database, ByteView swarm, std::string_view swarm_name,
                  std::int64_t now, RootOwner owner) {
  auto named = database.prepared("INSERT INTO swarm VALUES(?1, ?2)")
                   .bind(1, swarm)
                   .bind(2, swarm_name)
                   .run();
  if (!named) return named;
  const std::int64_t mode =
      (static_cast<std::int64_t>(wire::FileKind::directory) << 12) | kRootMode;
  auto rooted = database
                    .prepared(
                        "INSERT INTO inodes VALUES(?1, ?2, 2, ?4, ?5, ?3, ?3, ?3, 0, 0, 0, 0, "
                        "NULL, NULL)")
                    .bind(1, base::kRootInode.value())
                    .bind(2, mode)
                    .bind(3, now)
                    .bind(4, static_cast<std::int64_t>(owner.uid))
                    .bind(5, static_cast<std::int64_t>(owner.gid))
                    .run();
  if (!rooted) return rooted;
  const std::pair<Number, std::int64_t> numbers[] = {
      {Number::next_inode, static_cast<std::int64_t>(base::kRootInode.value()) + 1},
      {Number::next_session, 1},
      {Number::next_peer, 1},
      {Number::next_holder_set, 1},
      {Number::directories, 1}};
  for (const auto& [which, value] : numbers) {
    auto put = database.prepared("INSERT INTO numbers VALUES(?1, ?2)")
                   .bind(1, static_cast<std::int64_t>(which))
                   .bind(2, value)
                   .run();
    if (!put) return put;
  }
  return database.set_user_version(kSchemaVersion);
}

}  // namespace

Result<void> create_schema(base::Database& database, ByteView swarm, std::string_view swarm_name,
                           std::int64_t now, RootOwner owner) {
  auto version = database.user_version();
  if (!version) return pass(version);
  if (*version != 0) return fail(Errc::exists, "the database has tables already");
  auto transaction = base::Transaction::begin(database);
  if (!transaction) return pass(transaction);
  auto made = database.execute(kTables);
  if (!made) return made;
  auto filled = fill(database, swarm, swarm_name, now, owner);
  if (!filled) return filled;
  return transaction->commit();
}

Result<void> migrate_schema(base::Database& database) {
  auto version = database.user_version();
  if (!version) return pass(version);
  if (*version == 0) return fail(Errc::not_found, "the database has no tables");
  if (*version > kSchemaVersion) {
    return fail(Errc::version_mismatch,
                "the database has schema {} and this program knows {}: use a newer trackerd",
                *version, kSchemaVersion);
  }
  if (*version == kSchemaVersion) return {};
  auto transaction = base::Transaction::begin(database);
  if (!transaction) return pass(transaction);
  for (std::int64_t from = *version; from < kSchemaVersion; ++from) {
    auto migrated = database.execute(kMigrations[static_cast<std::size_t>(from - 1)]);
    if (!migrated) return migrated;
  }
  auto numbered = database.set_user_version(kSchemaVersion);
  if (!numbered) return numbered;
  return transaction->commit();
}

}  // namespace shoal::tracker
