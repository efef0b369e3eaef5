// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/mutex.h"
#include "cache/blob_index.h"
#include "cache/local_blob_store.h"
#include "cache/recovery.h"
#include "cache/store_folder.h"

namespace shoal::cache {
namespace {

using std::chrono::steady_clock;

/// Index rows wait so long to be written together.
constexpr auto kFlushEvery = std::chrono::milliseconds(100);
/// Blobs are settled so often, or when so much was stored since: it bounds what has to be verified
/// after an unclean stop.
constexpr auto kSettleEvery = std::chrono::seconds(30);
constexpr std::uint64_t kSettleBytes = std::uint64_t{1} << 30;
constexpr auto kLookEvery = std::chrono::seconds(1);

/// Owner: the daemon's main. A store that is destroyed without close() is left as by a crash.
class DiskBlobStore final : public LocalBlobStore {
 public:
  DiskBlobStore(StoreFolder folder, std::shared_ptr<BlobTable> blobs,
                std::vector<InodeId> unpublished)
      : LocalBlobStore(std::move(blobs), std::move(unpublished)),
        folder_(std::move(folder)),
        writer_([this] { write_index(); }),
        settler_([this] { settle(); }) {}
  ~DiskBlobStore() override { stop_threads(); }

  bool began_anew() const override { return folder_.has_void_mark(); }
  Result<void> note_void_told() override { return folder_.remove_void_mark(); }

  Result<void> close() override {
    stop_threads();
    auto finished = table().finish();
    if (!finished) return finished;
    // Programs that have files open past us go on writing: the next start looks at them.
    if (table().has_shared()) return {};
    return table().index()->set_clean(true);
  }

 private:
  void stop_threads() {
    {
      base::MutexLock lock(mutex_);
      is_stopping_ = true;
    }
    wake_.notify_all();
    if (writer_.joinable()) writer_.join();
    if (settler_.joinable()) settler_.join();
  }

  /// False when it is time to end.
  bool sleep_for(steady_clock::duration duration);
  void write_index();
  void settle();

  const StoreFolder folder_;  // holds the lock
  base::Mutex mutex_;
  base::CondVar wake_;
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  // Last, so that they begin when all else is there. Syncing a disk can take long; rows must not
  // wait for it.
  std::thread writer_;
  std::thread settler_;
};

bool DiskBlobStore::sleep_for(steady_clock::duration duration) {
  base::MutexLock lock(mutex_);
  const auto until = steady_clock::now() + duration;
  while (!is_stopping_ && steady_clock::now() < until) wake_.wait_until(mutex_, until);
  return !is_stopping_;
}

void DiskBlobStore::write_index() {
  bool is_failing = false;
  while (sleep_for(kFlushEvery)) {
    table().save_bits();
    if (table().index()->queued() == 0) continue;
    auto flushed = table().index()->flush_all(false);
    if (!flushed && !std::exchange(is_failing, true)) {
      base::log_error("the index of the store cannot be written, trying on: {}",
                      flushed.error().message());
    }
    if (flushed && std::exchange(is_failing, false)) base::log_info("the index is written again");
  }
}

void DiskBlobStore::settle() {
  auto next = steady_clock::now() + kSettleEvery;
  while (sleep_for(kLookEvery)) {
    if (steady_clock::now() < next && table().unsettled_bytes() < kSettleBytes) continue;
    auto settled = table().settle();
    if (!settled) {
      base::log_error("the store's disk does not sync, blobs are verified at the next start: {}",
                      settled.error().message());
    }
    next = steady_clock::now() + kSettleEvery;
  }
}

Error index_error(const Error& error, const std::string& path) {
  if (error.code() != Errc::corrupt) return error;
  return Error(Errc::corrupt,
               fmt::format("{} is damaged ({}); to go on without it move it away and start again: "
                           "the blobs are then kept in lost+found beside it, and cached files are "
                           "fetched again",
                           path, error.context()));
}

}  // namespace

Result<std::unique_ptr<BlobStore>> open_disk_store(const DiskStoreOptions& options,
                                                   RecoveryReport* report) {
  auto folder = StoreFolder::open(options.path, options.swarm);
  if (!folder) return pass(folder);
  std::uint64_t set_aside = 0;
  if (!folder->is_new() && !folder->has_index()) {
    auto cleared = folder->mark_void();
    if (cleared) cleared = folder->clear_index();
    if (!cleared) return pass(cleared);
    auto moved = folder->set_aside_all();
    if (!moved) return pass(moved);
    set_aside = *moved;
  }
  auto index = BlobIndex::open(folder->index_path());
  if (!index) return std::unexpected(index_error(index.error(), folder->index_path()));
  auto named = base::sync_folder(folder->path());
  if (!named) return pass(named);
  auto was_clean = (*index)->is_clean();
  if (!was_clean) return std::unexpected(index_error(was_clean.error(), folder->index_path()));
  auto marked = (*index)->set_clean(false);
  if (!marked) return std::unexpected(index_error(marked.error(), folder->index_path()));

  auto files = make_disk_files(options.path);
  auto recovered = recover(*folder, *files, **index, *was_clean);
  if (!recovered) return std::unexpected(index_error(recovered.error(), folder->index_path()));
  recovered->report.files_set_aside += set_aside;
  if (report != nullptr) *report = recovered->report;

  auto space = Space::open(*files, options.ceiling_bytes, options.free_floor_bytes);
  if (!space) return pass(space);
  auto blobs = BlobTable::make(
      {.files = std::move(files), .index = std::move(*index), .space = std::move(*space)});
  std::ranges::sort(recovered->rows, {}, &IndexRow::used);
  for (IndexRow& row : recovered->rows) blobs->restore(std::move(row));
  blobs->note_departed(recovered->departed);
  return std::make_unique<DiskBlobStore>(std::move(*folder), std::move(blobs),
                                         std::move(recovered->unpublished));
}

}  // namespace shoal::cache
