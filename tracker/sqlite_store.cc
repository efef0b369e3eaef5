// SPDX-License-Identifier: MIT
#include "tracker/sqlite_store.h"

#include "base/bytes.h"
#include "base/check.h"
#include "tracker/schema.h"

namespace shoal::tracker {
namespace {

/// The page cache of the writer. It does not grow with the number of files.
constexpr std::int64_t kWriterCacheKib = 32 * 1024;
constexpr std::int64_t kReaderCacheKib = 4 * 1024;

}  // namespace

Result<void> SqliteStore::create(const std::string& path, ByteView swarm,
                                 std::string_view swarm_name, std::int64_t now, RootOwner owner) {
  auto database = base::Database::open(path, {});
  if (!database) return pass(database);
  return create_schema(**database, swarm, swarm_name, now, owner);
}

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::string& path) {
  base::Database::Options options;
  options.create = false;
  options.cache_kib = kWriterCacheKib;
  auto database = base::Database::open(path, options);
  if (!database) return pass(database);
  auto migrated = migrate_schema(**database);
  if (!migrated) return std::unexpected(migrated.error().with(base::printable(path)));
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(*database)));
}

Result<std::unique_ptr<SqliteStore>> SqliteStore::open_for_reading(const std::string& path) {
  base::Database::Options options;
  options.create = false;
  options.read_only = true;
  options.cache_kib = kReaderCacheKib;
  auto database = base::Database::open(path, options);
  if (!database) return pass(database);
  auto migrated = migrate_schema(**database);  // only checks: the writer was there before
  if (!migrated) return pass(migrated);
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(*database)));
}

Result<std::unique_ptr<SqliteStore>> SqliteStore::in_memory(ByteView swarm, std::string_view name) {
  auto database = base::Database::open(":memory:", {});
  if (!database) return pass(database);
  auto made = create_schema(**database, swarm, name, 0, {});
  if (!made) return pass(made);
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(*database)));
}

void SqliteStore::begin() {
  CHECK(!broken(), "begin after a failure that nobody rolled back");
  auto begun = database_->begin();
  if (!begun) error_ = begun.error();
}

Result<void> SqliteStore::commit() {
  if (!broken()) {
    auto committed = database_->commit();
    if (committed) return {};
    error_ = committed.error();
  }
  Error error = *error_;
  rollback();
  return std::unexpected(std::move(error));
}

void SqliteStore::rollback() {
  database_->rollback();
  error_.reset();
}

bool SqliteStore::next(base::Statement& statement) {
  if (broken()) {
    statement.reset();
    return false;
  }
  auto row = statement.step();
  if (row) return *row;
  error_ = row.error();
  return false;
}

void SqliteStore::run(base::Statement& statement) {
  while (next(statement)) {
  }
}

std::uint64_t SqliteStore::number(Number which) {
  auto& query = sql("SELECT value FROM numbers WHERE which=?1");
  query.bind(1, static_cast<std::int64_t>(which));
  if (!next(query)) return 0;
  const std::uint64_t value = query.unsigned_integer(0);
  query.reset();
  return value;
}

void SqliteStore::set_number(Number which, std::uint64_t value) {
  run(sql("INSERT INTO numbers VALUES(?1, ?2) ON CONFLICT DO UPDATE SET value=?2")
          .bind(1, static_cast<std::int64_t>(which))
          .bind(2, value));
}

Bytes SqliteStore::swarm() {
  auto& query = sql("SELECT id FROM swarm");
  if (!next(query)) return {};
  const ByteView id = query.blob(0);
  Bytes copy(id.begin(), id.end());
  query.reset();
  return copy;
}

std::string SqliteStore::swarm_name() {
  auto& query = sql("SELECT name FROM swarm");
  if (!next(query)) return {};
  std::string name(query.text(0));
  query.reset();
  return name;
}

}  // namespace shoal::tracker
