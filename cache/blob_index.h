// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/sqlite.h"
#include "cache/blob_record.h"

namespace shoal::cache {

/// A blob as the index keeps it.
struct IndexRow {
  BlobRecord record;
  /// The files are on stable storage as this row says, and were last changed at modified_ns: what
  /// is settled need not be verified after an unclean stop.
  bool is_settled = false;
  std::int64_t modified_ns = 0;
  std::uint64_t used = 0;  ///< orders blobs by their last use
  /// Leaf hashes of a small blob; unset: what the index has stays.
  std::shared_ptr<const std::vector<Digest>> leaves;
};

/// The SQLite side of the store. Rows are queued and written in groups; the newest row of an inode
/// wins. A row is in the database only together with all that were queued before it, so what a
/// crash leaves is the store as it was at some moment. Thread: any.
class BlobIndex {
 public:
  /// Opens or makes the database. Errors: corrupt, version_mismatch, no_space, io; name the file.
  static Result<std::unique_ptr<BlobIndex>> open(const std::string& path);

  /// Every row, in no order. Before anything is queued.
  Result<void> load(const std::function<void(IndexRow)>& visit);

  /// Numbers what is queued; flush() takes such a number.
  using Ticket = std::uint64_t;
  Ticket put(IndexRow row);
  Ticket erase(InodeId inode);
  /// Whether the database may hold a row of the inode. first: the ticket of the first row since it
  /// had none, 0 when it was loaded; nullopt: the store knows of no row.
  bool may_hold(InodeId inode, std::optional<Ticket> first) const;
  /// Writes all that was queued up to ticket, unless another thread has. After an error the rows
  /// stay queued. Errors: no_space, io, corrupt.
  Result<void> flush(Ticket ticket, bool durable);
  Result<void> flush_all(bool durable);
  std::size_t queued() const;

  /// Leaf hashes of a small blob; empty when there are none.
  std::vector<Digest> leaves(InodeId inode);
  /// Whether the store was closed in order. Setting it is durable.
  Result<bool> is_clean();
  Result<void> set_clean(bool is_clean);

 private:
  explicit BlobIndex(std::unique_ptr<base::Database> database) : database_(std::move(database)) {}

  using Queue = std::unordered_map<InodeId, std::optional<IndexRow>>;  // nullopt: erased
  Result<void> create_schema();
  Result<void> write(const Queue& queue, bool durable) REQUIRES(database_mutex_);
  Result<void> write_row(const IndexRow& row) REQUIRES(database_mutex_);

  mutable base::Mutex database_mutex_;  // taken before mutex_
  std::unique_ptr<base::Database> database_ GUARDED_BY(database_mutex_);
  Ticket committed_ GUARDED_BY(database_mutex_) = 0;
  Ticket durable_ GUARDED_BY(database_mutex_) = 0;

  mutable base::Mutex mutex_;
  Queue queue_ GUARDED_BY(mutex_);
  std::shared_ptr<const Queue> writing_ GUARDED_BY(mutex_);  // what flush() has taken
  Ticket last_ GUARDED_BY(mutex_) = 0;
  Ticket taken_ GUARDED_BY(mutex_) = 0;
};

}  // namespace shoal::cache
