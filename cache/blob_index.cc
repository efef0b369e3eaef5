// SPDX-License-Identifier: MIT
#include "cache/blob_index.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "base/file.h"

namespace shoal::cache {
namespace {

constexpr std::int64_t kSchemaVersion = 2;
constexpr std::string_view kSchema =
    "CREATE TABLE blobs("
    "  inode INTEGER PRIMARY KEY, state INTEGER NOT NULL, role INTEGER NOT NULL,"
    "  whole INTEGER NOT NULL, root BLOB NOT NULL, content_size INTEGER NOT NULL,"
    "  chunk_bytes INTEGER NOT NULL, size INTEGER NOT NULL, allocated INTEGER NOT NULL,"
    "  present INTEGER NOT NULL, bits INTEGER NOT NULL, settled INTEGER NOT NULL,"
    "  modified_ns INTEGER NOT NULL, used INTEGER NOT NULL, leaves BLOB,"
    "  base_root BLOB NOT NULL, base_size INTEGER NOT NULL, base_chunk INTEGER NOT NULL) STRICT;"
    "CREATE TABLE facts(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "INSERT INTO facts VALUES('clean', 1);";

constexpr std::string_view kUpsert =
    "INSERT INTO blobs VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18)"
    " ON CONFLICT(inode) DO UPDATE SET state=?2, role=?3, whole=?4, root=?5, content_size=?6,"
    " chunk_bytes=?7, size=?8, allocated=?9, present=?10, bits=?11, settled=?12, modified_ns=?13,"
    " used=?14, leaves=coalesce(?15, leaves), base_root=?16, base_size=?17, base_chunk=?18";

template <class Enum>
std::int64_t number(Enum value) {
  return static_cast<std::int64_t>(value);
}

std::vector<Digest> digests_of(ByteView bytes) {
  std::vector<Digest> digests(bytes.size() / Digest::kBytes);
  if (!digests.empty()) std::memcpy(digests.data(), bytes.data(), digests.size() * Digest::kBytes);
  return digests;
}

Result<IndexRow> read_row(const base::Statement& query) {
  IndexRow row;
  BlobRecord& record = row.record;
  record.inode = InodeId(query.unsigned_integer(0));
  const std::int64_t state = query.integer(1);
  const std::int64_t role = query.integer(2);
  auto root = Digest::from(query.blob(4));
  record.shape.content.size = query.unsigned_integer(5);
  record.shape.chunk_bytes = static_cast<std::uint32_t>(query.integer(6));
  if (!record.inode || state < 1 || state > 3 || role < 1 || role > 4 || !root ||
      record.shape.content.size > base::kMaxFileBytes ||
      !base::is_valid_chunk_bytes(record.shape.chunk_bytes)) {
    return fail(Errc::corrupt, "the row of inode {} makes no sense", record.inode);
  }
  record.state = static_cast<BlobState>(state);
  record.role = static_cast<Role>(role);
  const bool is_working = record.state == BlobState::working;
  record.is_whole = is_working ? query.integer(3) != 0 : record.state == BlobState::sealed;
  record.shape.content.root = *root;
  record.size = is_working ? query.unsigned_integer(7) : record.shape.content.size;
  record.allocated_bytes = query.unsigned_integer(8);
  record.blocks_present = query.unsigned_integer(9);
  record.small_bits = query.unsigned_integer(10);
  row.is_settled = query.integer(11) != 0;
  row.modified_ns = query.integer(12);
  row.used = query.unsigned_integer(13);
  auto base_root = Digest::from(query.blob(14));
  if (!base_root) return fail(Errc::corrupt, "the row of inode {} makes no sense", record.inode);
  record.base.content = {*base_root, query.unsigned_integer(15)};
  record.base.chunk_bytes = static_cast<std::uint32_t>(query.integer(16));
  return row;
}

}  // namespace

Result<std::unique_ptr<BlobIndex>> BlobIndex::open(const std::string& path) {
  // SQLite would make it readable for others, and gives its log the same mode.
  auto made_file = base::open_file(path, O_RDWR | O_CREAT);
  if (!made_file) return pass(made_file);
  base::Database::Options options;
  options.full_sync = false;
  options.cache_kib = 8 * 1024;
  auto database = base::Database::open(path, options);
  if (!database) return pass(database);
  std::unique_ptr<BlobIndex> index(new BlobIndex(std::move(*database)));
  auto made = index->create_schema();
  if (!made) return std::unexpected(made.error().with(path));
  return index;
}

Result<void> BlobIndex::create_schema() {
  base::MutexLock lock(database_mutex_);
  auto version = database_->user_version();
  if (!version) return pass(version);
  if (*version == kSchemaVersion) return {};
  if (*version != 0) {
    return fail(Errc::version_mismatch, "index of version {}, this program knows {}", *version,
                kSchemaVersion);
  }
  auto transaction = base::Transaction::begin(*database_);
  if (!transaction) return pass(transaction);
  auto made = database_->execute(kSchema);
  if (made) made = database_->set_user_version(kSchemaVersion);
  if (made) made = transaction->commit();
  return made;
}

Result<void> BlobIndex::load(const std::function<void(IndexRow)>& visit) {
  base::MutexLock lock(database_mutex_);
  base::Statement& query = database_->prepared(
      "SELECT inode, state, role, whole, root, content_size, chunk_bytes, size, allocated,"
      " present, bits, settled, modified_ns, used, base_root, base_size, base_chunk FROM blobs");
  for (;;) {
    auto has_row = query.step();
    if (!has_row) return pass(has_row);
    if (!*has_row) return {};
    auto row = read_row(query);
    if (!row) {
      query.reset();
      return pass(row);
    }
    visit(std::move(*row));
  }
}

BlobIndex::Ticket BlobIndex::put(IndexRow row) {
  base::MutexLock lock(mutex_);
  std::optional<IndexRow>& place = queue_[row.record.inode];
  if (!row.leaves && place) row.leaves = place->leaves;
  place = std::move(row);
  return ++last_;
}

BlobIndex::Ticket BlobIndex::erase(InodeId inode) {
  base::MutexLock lock(mutex_);
  queue_[inode] = std::nullopt;
  return ++last_;
}

bool BlobIndex::may_hold(InodeId inode, std::optional<Ticket> first) const {
  base::MutexLock lock(mutex_);
  if (first && *first <= taken_) return true;
  if (writing_ && writing_->contains(inode)) return true;
  const auto queued = queue_.find(inode);
  return queued != queue_.end() && !queued->second;  // still to be erased
}

std::size_t BlobIndex::queued() const {
  base::MutexLock lock(mutex_);
  return queue_.size();
}

Result<void> BlobIndex::flush_all(bool durable) {
  Ticket last = 0;
  {
    base::MutexLock lock(mutex_);
    last = last_;
  }
  return flush(last, durable);
}

Result<void> BlobIndex::flush(Ticket ticket, bool durable) {
  base::MutexLock database_lock(database_mutex_);
  if (ticket <= (durable ? durable_ : committed_)) return {};
  std::shared_ptr<const Queue> taken;
  Ticket upto = 0;
  {
    base::MutexLock lock(mutex_);
    taken = std::make_shared<const Queue>(std::exchange(queue_, {}));
    writing_ = taken;
    taken_ = upto = last_;
  }
  auto written = write(*taken, durable);
  base::MutexLock lock(mutex_);
  writing_.reset();
  if (!written) {
    for (const auto& [inode, row] : *taken) {  // newer rows, queued meanwhile, win
      const auto [place, is_new] = queue_.try_emplace(inode, row);
      if (!is_new && place->second && !place->second->leaves && row) {
        place->second->leaves = row->leaves;
      }
    }
    return written;
  }
  committed_ = upto;
  if (durable) durable_ = upto;
  return {};
}

Result<void> BlobIndex::write(const Queue& queue, bool durable) {
  // FULL makes the commit wait for the log's fsync, which covers all earlier commits too.
  auto mode = database_->execute(durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
  if (!mode) return mode;
  auto transaction = base::Transaction::begin(*database_);
  if (!transaction) return pass(transaction);
  for (const auto& [inode, row] : queue) {
    auto done =
        row ? write_row(*row)
            : database_->prepared("DELETE FROM blobs WHERE inode=?1").bind(1, inode.value()).run();
    if (!done) return done;
  }
  if (durable) {  // an empty transaction would sync nothing
    auto counted = database_
                       ->prepared(
                           "INSERT INTO facts VALUES('syncs', 1)"
                           " ON CONFLICT(name) DO UPDATE SET value=value+1")
                       .run();
    if (!counted) return counted;
  }
  return transaction->commit();
}

Result<void> BlobIndex::write_row(const IndexRow& row) {
  const BlobRecord& record = row.record;
  base::Statement& upsert = database_->prepared(kUpsert);
  upsert.bind(1, record.inode.value())
      .bind(2, number(record.state))
      .bind(3, number(record.role))
      .bind(4, std::int64_t{record.is_whole})
      .bind(5, record.shape.content.root.view())
      .bind(6, record.shape.content.size)
      .bind(7, std::uint64_t{record.shape.chunk_bytes})
      .bind(8, record.size)
      .bind(9, record.allocated_bytes)
      .bind(10, record.blocks_present)
      .bind(11, record.small_bits)
      .bind(12, std::int64_t{row.is_settled})
      .bind(13, row.modified_ns)
      .bind(14, row.used)
      .bind(16, record.base.content.root.view())
      .bind(17, record.base.content.size)
      .bind(18, std::uint64_t{record.base.chunk_bytes});
  if (row.leaves && !row.leaves->empty()) {
    upsert.bind(15, std::as_bytes(std::span(*row.leaves)));
  } else {
    upsert.bind_null(15);
  }
  return upsert.run();
}

std::vector<Digest> BlobIndex::leaves(InodeId inode) {
  {
    base::MutexLock lock(mutex_);
    for (const Queue* queue : {static_cast<const Queue*>(&queue_), writing_.get()}) {
      if (queue == nullptr) continue;
      const auto found = queue->find(inode);
      if (found == queue->end()) continue;
      if (!found->second) return {};
      if (found->second->leaves) return *found->second->leaves;
    }
  }
  base::MutexLock lock(database_mutex_);
  base::Statement& query = database_->prepared("SELECT leaves FROM blobs WHERE inode=?1");
  auto row = query.bind(1, inode.value()).step();
  if (!row || !*row) return {};
  std::vector<Digest> leaves = digests_of(query.blob(0));
  query.reset();
  return leaves;
}

Result<bool> BlobIndex::is_clean() {
  base::MutexLock lock(database_mutex_);
  base::Statement& query = database_->prepared("SELECT value FROM facts WHERE name='clean'");
  auto row = query.step();
  if (!row) return pass(row);
  const bool is_clean = *row && query.integer(0) == 1;
  query.reset();
  return is_clean;
}

Result<void> BlobIndex::set_clean(bool is_clean) {
  base::MutexLock lock(database_mutex_);
  auto done = database_->execute("PRAGMA synchronous=FULL");
  if (!done) return done;
  return database_->prepared("UPDATE facts SET value=?1 WHERE name='clean'")
      .bind(1, std::int64_t{is_clean})
      .run();
}

}  // namespace shoal::cache
