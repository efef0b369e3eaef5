// SPDX-License-Identifier: MIT
#include "base/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <limits>

#include "base/check.h"

namespace shoal::base {
namespace {

Errc errc_from_sqlite(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return Errc::no_space;
    case SQLITE_CANTOPEN:
      return Errc::not_found;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Errc::corrupt;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Errc::busy;
    case SQLITE_READONLY:
      return Errc::read_only;
    case SQLITE_CONSTRAINT:
      return Errc::exists;
    case SQLITE_INTERRUPT:
      return Errc::canceled;
    case SQLITE_TOOBIG:
      return Errc::too_large;
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return Errc::access_denied;
    default:
      return Errc::io;
  }
}

int length_of(std::size_t size) {
  CHECK(size <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
  return static_cast<int>(size);
}

/// Writers wait this long for each other; only the tool and backups ever compete with a daemon.
constexpr int kBusyTimeoutMs = 5000;

}  // namespace

Statement::Statement(Database& database, sqlite3_stmt* statement)
    : database_(&database), statement_(statement) {}

Statement& Statement::bind(int index, std::int64_t value) {
  if (broken_) return *this;
  CHECK(sqlite3_bind_int64(statement_, index, value) == SQLITE_OK, "{}", sqlite3_sql(statement_));
  return *this;
}

Statement& Statement::bind(int index, std::uint64_t value) {
  return bind(index, static_cast<std::int64_t>(value));
}

Statement& Statement::bind(int index, std::string_view text) {
  if (broken_) return *this;
  const char* data = text.data() != nullptr ? text.data() : "";  // a null pointer would bind NULL
  CHECK(sqlite3_bind_text(statement_, index, data, length_of(text.size()), SQLITE_STATIC) ==
            SQLITE_OK,
        "{}", sqlite3_sql(statement_));
  return *this;
}

Statement& Statement::bind(int index, ByteView blob) {
  if (broken_) return *this;
  const void* data = blob.data() != nullptr ? static_cast<const void*>(blob.data()) : "";
  CHECK(sqlite3_bind_blob(statement_, index, data, length_of(blob.size()), SQLITE_STATIC) ==
            SQLITE_OK,
        "{}", sqlite3_sql(statement_));
  return *this;
}

Statement& Statement::bind_null(int index) {
  if (broken_) return *this;
  CHECK(sqlite3_bind_null(statement_, index) == SQLITE_OK, "{}", sqlite3_sql(statement_));
  return *this;
}

Result<bool> Statement::step() {
  if (broken_) return std::unexpected(*broken_);
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    reset();
    return false;
  }
  Error error = database_->last_error(sqlite3_sql(statement_));
  reset();
  return std::unexpected(std::move(error));
}

Result<void> Statement::run() {
  for (;;) {
    auto row = step();
    if (!row) return pass(row);
    if (!*row) return {};
  }
}

void Statement::reset() {
  if (broken_) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::uint64_t Statement::unsigned_integer(int column) const {
  return static_cast<std::uint64_t>(integer(column));
}

std::string_view Statement::text(int column) const {
  const unsigned char* data = sqlite3_column_text(statement_, column);
  if (data == nullptr) return {};
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return {reinterpret_cast<const char*>(data), size};
}

ByteView Statement::blob(int column) const {
  const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Database::Database(sqlite3* handle) : handle_(handle) {}

Database::~Database() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement->statement_);
  CHECK(sqlite3_close(handle_) == SQLITE_OK, "a statement outlived its database");
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path, Options options) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (options.create && !options.read_only) flags |= SQLITE_OPEN_CREATE;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  // sqlite3_open_v2 hands out a handle even when it fails, for the message.
  std::unique_ptr<Database> database(new Database(handle));
  if (code != SQLITE_OK) {
    return std::unexpected(database->last_error(fmt::format("opening {}", printable(path))));
  }
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  std::string pragmas = fmt::format(
      "PRAGMA foreign_keys=ON; PRAGMA synchronous={}; PRAGMA cache_size=-{}; PRAGMA mmap_size={};"
      "PRAGMA wal_autocheckpoint={}; PRAGMA temp_store=MEMORY;",
      options.full_sync ? "FULL" : "NORMAL", options.cache_kib, options.mmap_bytes,
      options.wal_autocheckpoint_pages);
  if (!options.read_only) pragmas += "PRAGMA journal_mode=WAL;";
  pragmas += "SELECT count(*) FROM sqlite_schema;";  // reads the header: is this a database?
  if (!database->execute(pragmas)) return std::unexpected(database->last_error(printable(path)));
  return database;
}

Error Database::last_error(std::string_view doing) const {
  if (handle_ == nullptr) return Error(Errc::io, fmt::format("{}: out of memory", doing));
  return Error(errc_from_sqlite(sqlite3_extended_errcode(handle_)),
               fmt::format("{}: {}", doing, sqlite3_errmsg(handle_)));
}

Result<void> Database::execute(std::string_view sql) {
  const std::string text(sql);
  if (sqlite3_exec(handle_, text.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  constexpr std::size_t kShownMax = 80;
  return std::unexpected(last_error(sql.substr(0, kShownMax)));
}

Statement& Database::prepared(std::string_view sql) {
  auto found = statements_.find(sql);
  if (found == statements_.end() || found->second->broken_) {
    found = statements_.insert_or_assign(sql, prepare(sql)).first;
  }
  found->second->reset();
  return *found->second;
}

std::unique_ptr<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), length_of(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  // SQLITE_ERROR is our mistake; anything else (a damaged schema, a failing disk) is the file's.
  CHECK((code & 0xff) != SQLITE_ERROR, "{}: {}", sql, sqlite3_errmsg(handle_));
  std::unique_ptr<Statement> made(new Statement(*this, raw));
  if (code != SQLITE_OK) made->broken_ = last_error(sql);
  return made;
}

Result<void> Database::begin() { return prepared("BEGIN IMMEDIATE").run(); }

Result<void> Database::commit() { return prepared("COMMIT").run(); }

void Database::rollback() {
  // Some failures, a full disk for one, have rolled back already.
  if (!in_transaction()) return;
  for (auto& [sql, statement] : statements_) statement->reset();
  auto done = prepared("ROLLBACK").run();
  CHECK(done || !in_transaction(), "{}", done.error().message());
}

bool Database::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

std::int64_t Database::last_insert_rowid() const { return sqlite3_last_insert_rowid(handle_); }

std::int64_t Database::changes() const { return sqlite3_changes64(handle_); }

void Database::interrupt() { sqlite3_interrupt(handle_); }

Result<std::int64_t> Database::user_version() {
  Statement& query = prepared("PRAGMA user_version");
  auto row = query.step();
  if (!row) return pass(row);
  const std::int64_t version = query.integer(0);
  query.reset();
  return version;
}

Result<void> Database::set_user_version(std::int64_t version) {
  return execute(fmt::format("PRAGMA user_version={}", version));
}

Result<void> Database::integrity_check() {
  Statement& query = prepared("PRAGMA integrity_check(1)");
  auto row = query.step();
  if (!row) return pass(row);
  const std::string finding = *row ? std::string(query.text(0)) : "no answer";
  query.reset();
  if (finding != "ok") return fail(Errc::corrupt, "integrity check: {}", finding);
  return {};
}

Result<void> Database::backup_to(const std::string& path) {
  sqlite3* target = nullptr;
  const int opened =
      sqlite3_open_v2(path.c_str(), &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  std::unique_ptr<Database> copy(new Database(target));
  if (opened != SQLITE_OK) {
    return std::unexpected(copy->last_error(fmt::format("opening {}", printable(path))));
  }
  sqlite3_backup* backup = sqlite3_backup_init(target, "main", handle_, "main");
  if (backup == nullptr) return std::unexpected(copy->last_error("starting a backup"));
  sqlite3_backup_step(backup, -1);
  if (sqlite3_backup_finish(backup) != SQLITE_OK) {
    return std::unexpected(copy->last_error(fmt::format("copying to {}", printable(path))));
  }
  return {};
}

Result<Transaction> Transaction::begin(Database& database) {
  auto begun = database.begin();
  if (!begun) return pass(begun);
  return Transaction(database);
}

Result<void> Transaction::commit() {
  CHECK(database_ != nullptr, "commit after the end of the transaction");
  auto done = database_->commit();
  if (done) database_ = nullptr;  // otherwise the destructor rolls back
  return done;
}

}  // namespace shoal::base
