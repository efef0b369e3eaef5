// SPDX-License-Identifier: MIT
// The one door to SQLite: errors as Result, statements prepared once, exact types.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace shoal::base {

class Database;

/// A prepared statement, owned by its Database and used by its thread alone. bind() numbers
/// parameters from 1, columns count from 0. Text and blobs that are bound must live until reset().
class Statement {
 public:
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::uint64_t value);  // stored as its two's complement
  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, ByteView blob);
  Statement& bind_null(int index);

  /// Next row: true, end: false. Errors: no_space, corrupt, busy, read_only, io, exists (a
  /// constraint). After an error or the end the statement is reset.
  Result<bool> step();
  /// For statements without rows: step to the end and reset.
  Result<void> run();
  void reset();

  std::int64_t integer(int column) const;
  std::uint64_t unsigned_integer(int column) const;
  /// Valid until the next step or reset.
  std::string_view text(int column) const;
  ByteView blob(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  Statement(Database& database, sqlite3_stmt* statement);
  Database* database_;
  sqlite3_stmt* statement_;      // null: could not be prepared, because of ...
  std::optional<Error> broken_;  // ... this
};

/// One connection. Thread: one owner at a time, except interrupt().
class Database {
 public:
  struct Options {
    bool create = true;
    bool read_only = false;
    /// PRAGMA synchronous: true FULL (a commit survives a power cut), false NORMAL.
    bool full_sync = true;
    std::int64_t cache_kib = 64 * 1024;
    std::int64_t mmap_bytes = 0;
    /// Checkpoint when the log has this many pages.
    int wal_autocheckpoint_pages = 4000;
  };

  /// Opens in WAL mode with foreign keys on. path ":memory:" is private to the connection.
  static Result<std::unique_ptr<Database>> open(const std::string& path, Options options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Runs SQL without parameters or rows, several statements allowed.
  Result<void> execute(std::string_view sql);
  /// The statement for sql, prepared at first use and kept. sql must be a string literal or live
  /// as long as the database. CHECKs that it parses: our own SQL is a constant. When the file
  /// cannot be read, the statement's step() says so.
  Statement& prepared(std::string_view sql);
  Result<void> begin();  // BEGIN IMMEDIATE
  Result<void> commit();
  void rollback();
  bool in_transaction() const;
  std::int64_t last_insert_rowid() const;
  std::int64_t changes() const;
  /// Makes the statement under way fail with canceled. Thread: any, while the database lives.
  void interrupt();
  /// PRAGMA user_version: the schema's number.
  Result<std::int64_t> user_version();
  Result<void> set_user_version(std::int64_t version);
  /// Full PRAGMA integrity_check. Errors: corrupt with the first finding.
  Result<void> integrity_check();
  /// Online copy of the whole database to path (SQLite backup API).
  Result<void> backup_to(const std::string& path);

 private:
  friend class Statement;
  explicit Database(sqlite3* handle);
  std::unique_ptr<Statement> prepare(std::string_view sql);
  Error last_error(std::string_view doing) const;
  sqlite3* handle_;
  std::unordered_map<std::string_view, std::unique_ptr<Statement>> statements_;
};

/// Rolls back unless committed. Never alive across co_await.
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction() {
    if (database_ != nullptr) database_->rollback();
  }
  Result<void> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace shoal::base
