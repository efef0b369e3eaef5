// SPDX-License-Identifier: MIT
#include "cache/recovery.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "base/mutex.h"
#include "cache/verify_blob.h"

namespace shoal::cache {
namespace {

using FoundFiles = std::unordered_map<InodeId, StoreFolder::Found>;
constexpr unsigned kVerifyThreadsMax = 4;

class Recovery {
 public:
  Recovery(const StoreFolder& folder, BlobFiles& files, BlobIndex& index)
      : folder_(folder), files_(files), index_(index) {}

  Result<Recovered> run(bool was_clean);

 private:
  Result<void> load();
  void reopen(IndexRow& row);
  void take_working(IndexRow& row, const FileStatus& status);
  Result<void> part_shared(FoundFiles& found);
  Result<void> compare(IndexRow& row, FoundFiles& found);
  Result<void> adopt(const FoundFiles& found);
  Result<void> drop_files(InodeId inode);
  void drop(const BlobRecord& record);
  Result<void> verify_doubtful();
  Result<void> verify(IndexRow& row);
  Result<void> verify_working(IndexRow& row, BlobTree& tree, SparseFile& data);
  Result<void> keep_good(IndexRow& row, const BlockBitmap& good, SparseFile& data);
  Result<void> write_map(InodeId inode, const BlockBitmap& present);

  const StoreFolder& folder_;
  BlobFiles& files_;
  BlobIndex& index_;
  Recovered result_;
  std::vector<IndexRow> loaded_;
  std::vector<IndexRow> doubtful_;
  base::Mutex mutex_;  // of the report, while threads verify
};

Result<void> Recovery::load() {
  return index_.load([this](IndexRow row) { loaded_.push_back(std::move(row)); });
}

/// Its publishing may not have been confirmed: it is work again.
void Recovery::reopen(IndexRow& row) {
  row.record.state = BlobState::working;
  row.is_settled = false;
  index_.put(row);
}

void Recovery::take_working(IndexRow& row, const FileStatus& status) {
  row.record.size = status.size;
  row.record.allocated_bytes = status.allocated_bytes;
  row.is_settled = false;
  result_.unpublished.push_back(row.record.inode);
}

Result<Recovered> Recovery::run(bool was_clean) {
  result_.report.was_clean = was_clean;
  auto loaded = load();
  if (!loaded) return pass(loaded);
  auto found = folder_.scan(result_.report.files_set_aside);
  if (!found) return pass(found);
  auto parted = part_shared(*found);
  if (!parted) return pass(parted);
  for (IndexRow& row : loaded_) {
    auto compared = compare(row, *found);
    if (!compared) return pass(compared);
  }
  auto adopted = adopt(*found);
  if (!adopted) return pass(adopted);
  auto verified = verify_doubtful();
  if (!verified) return pass(verified);
  return std::move(result_);
}

/// Programs whose files the former daemon let the kernel write past it may still do so.
Result<void> Recovery::part_shared(FoundFiles& found) {
  for (auto& [inode, files] : found) {
    if (!files.has_data || !files.data.is_shared) continue;
    auto parted = files_.part(inode);
    if (!parted) return parted;
    auto status = files_.open(inode, FileKind::data)->status();
    if (!status) return pass(status);
    files.data = *status;
  }
  return {};
}

void Recovery::drop(const BlobRecord& record) {
  index_.erase(record.inode);
  const Shape& held = record.shape;
  if (record.state != BlobState::working && !held.content.is_empty()) {
    result_.departed.push_back(held);
  }
  ++result_.report.blobs_dropped;
}

/// Sorts a row into what is believed, what has to be verified, what has gone. Its files count as
/// claimed: what is left in found has no row.
Result<void> Recovery::compare(IndexRow& row, FoundFiles& found) {
  const BlobRecord& record = row.record;
  const auto files = found.find(record.inode);
  if (files == found.end() || !files->second.has_data) {
    if (record.state == BlobState::working) {
      base::log_error("the working copy of inode {} has gone", record.inode);
    } else {
      base::log_info("the blob of inode {} has no file: removed, or lost", record.inode);
    }
    drop(record);  // side files, if any, are found to have no row
    return {};
  }
  const FileStatus status = files->second.data;
  found.erase(files);
  const bool is_empty = record.state == BlobState::sealed && record.shape.content.is_empty();
  if (is_empty && !is_unpublished(record)) {
    drop(record);  // nothing is lost with it
    return drop_files(record.inode);
  }
  const bool is_untouched = row.is_settled && status.modified_ns == row.modified_ns &&
                            status.size == record.shape.content.size;
  if (is_untouched && is_unpublished(record)) reopen(row);
  if (record.state == BlobState::working && record.is_whole) {
    take_working(row, status);
  } else if (record.state == BlobState::working || !is_untouched) {
    doubtful_.push_back(std::move(row));
    return {};
  }
  result_.rows.push_back(std::move(row));
  return {};
}

/// Files without a row.
Result<void> Recovery::adopt(const FoundFiles& found) {
  for (const auto& [inode, files] : found) {
    if (!files.has_data || files.data.is_refetchable) {
      auto dropped = drop_files(inode);
      if (!dropped) return dropped;
      if (files.has_data) ++result_.report.blobs_dropped;
      continue;
    }
    IndexRow row;
    row.record = BlobRecord{
        .inode = inode, .state = BlobState::working, .role = Role::origin, .is_whole = true};
    take_working(row, files.data);
    index_.put(row);
    result_.rows.push_back(std::move(row));
  }
  return {};
}

Result<void> Recovery::drop_files(InodeId inode) {
  for (const FileKind kind : {FileKind::data, FileKind::leaves, FileKind::layer, FileKind::map}) {
    auto removed = files_.remove(inode, kind);
    if (!removed) return removed;
  }
  return {};
}

Result<void> Recovery::verify_doubtful() {
  std::atomic<std::size_t> next{0};
  Result<void> result;
  const auto work = [&] {
    for (std::size_t i = next++; i < doubtful_.size(); i = next++) {
      auto verified = verify(doubtful_[i]);
      if (verified) continue;
      base::MutexLock lock(mutex_);
      if (result) {
        result = std::unexpected(verified.error().with(
            fmt::format("verifying blob {:016x}", doubtful_[i].record.inode.value())));
      }
      next = doubtful_.size();
    }
  };
  {
    std::vector<std::jthread> helpers;
    const unsigned threads = std::min(kVerifyThreadsMax, std::thread::hardware_concurrency());
    for (unsigned i = 1; i < threads && i < doubtful_.size(); ++i) helpers.emplace_back(work);
    work();
  }
  if (!result) return result;
  for (IndexRow& row : doubtful_) {
    if (is_unpublished(row.record)) reopen(row);
    if (row.record.state == BlobState::partial && row.record.role == Role::origin) {
      // Nobody else has what it lacks. What it had was set aside.
      auto dropped = drop_files(row.record.inode);
      if (!dropped) return dropped;
      drop(row.record);
      continue;
    }
    if (row.record.state == BlobState::working) result_.unpublished.push_back(row.record.inode);
    result_.rows.push_back(std::move(row));
  }
  return {};
}

Result<void> Recovery::verify(IndexRow& row) {
  BlobRecord& record = row.record;
  const auto data = files_.open(record.inode, FileKind::data);
  const std::uint64_t blocks = base::block_count(record.shape.content.size);
  BlobTree tree(files_, record.inode, blocks);
  if (blocks <= kSmallBlocks) {
    tree.load_small(blocks == 1 ? std::vector{record.shape.content.root}
                                : index_.leaves(record.inode));
  }
  {
    base::MutexLock lock(mutex_);
    ++result_.report.blobs_checked;
  }
  row.is_settled = false;
  if (record.state == BlobState::working) return verify_working(row, tree, *data);
  auto good = verify_blocks(*data, tree, record.shape);
  if (!good) return pass(good);
  return keep_good(row, *good, *data);
}

/// A working copy with absent blocks: those that were fetched must still be what they were; those
/// that were written here are taken as they are.
Result<void> Recovery::verify_working(IndexRow& row, BlobTree& tree, SparseFile& data) {
  BlobRecord& record = row.record;
  auto status = data.status();
  if (!status) return pass(status);
  record.size = status->size;
  record.allocated_bytes = status->allocated_bytes;
  auto good = verify_blocks(data, tree, record.shape);
  if (!good) return pass(good);
  const auto map = files_.open(record.inode, FileKind::map);
  Bytes marks(base::block_count(record.size));
  auto got = map->read(0, marks);
  if (!got) return pass(got);
  std::uint64_t dropped = 0;
  for (std::uint64_t i = 0; i < marks.size(); ++i) {
    const bool was_fetched = marks[i] == static_cast<std::byte>(BlockMark::fetched);
    if (!was_fetched || good->test(i)) continue;
    marks[i] = static_cast<std::byte>(BlockMark::absent);
    ++dropped;
  }
  record.blocks_present = static_cast<std::uint64_t>(
      std::ranges::count_if(marks, [](std::byte mark) { return mark != std::byte{0}; }));
  index_.put(row);
  base::MutexLock lock(mutex_);
  result_.report.blocks_dropped += dropped;
  return map->write(0, marks);
}

/// Makes the row say what was found good, and the file hold nothing else.
Result<void> Recovery::keep_good(IndexRow& row, const BlockBitmap& good, SparseFile& data) {
  BlobRecord& record = row.record;
  const std::uint64_t before = record.is_whole ? good.size() : record.blocks_present;
  auto status = data.status();
  if (!status) return pass(status);
  record.size = record.shape.content.size;
  record.is_whole = good.is_full();
  record.state = record.is_whole ? BlobState::sealed : BlobState::partial;
  record.blocks_present = good.count();
  record.small_bits = 0;
  if (!record.is_whole) {
    if (!status->is_refetchable && status->size != 0) {
      // Written here, perhaps the only copy: nobody's bytes are thrown away unseen.
      auto aside = folder_.set_aside_copy(record.inode);
      if (!aside) return aside;
      base::MutexLock lock(mutex_);
      ++result_.report.files_set_aside;
    }
    auto marked = data.set_refetchable(true);
    if (!marked) return marked;
  }
  if (status->size != record.size) {
    auto resized = data.resize(record.size);
    if (!resized) return resized;
  }
  for (const BlockRun& run : good.runs(0, good.size(), false)) {
    auto punched = data.zero(run.first * kBlockBytes, run.count * kBlockBytes, true);
    if (!punched) return punched;
  }
  if (!record.is_whole && good.size() <= kSmallBlocks) {
    for (std::uint64_t i = 0; i < good.size(); ++i) {
      if (good.test(i)) record.small_bits |= std::uint64_t{1} << i;
    }
  } else if (!record.is_whole) {
    auto written = write_map(record.inode, good);
    if (!written) return written;
  }
  status = data.status();
  if (status) record.allocated_bytes = status->allocated_bytes;
  index_.put(row);
  if (good.count() < before) {
    base::log_warning("{} of {} blocks of inode {} do not lead to their root and are dropped",
                      before - good.count(), good.size(), record.inode);
    base::MutexLock lock(mutex_);
    result_.report.blocks_dropped += before - good.count();
  }
  return {};
}

Result<void> Recovery::write_map(InodeId inode, const BlockBitmap& present) {
  Bytes marks(present.size());
  for (const BlockRun& run : present.runs(0, present.size(), true)) {
    std::fill_n(marks.begin() + static_cast<std::ptrdiff_t>(run.first), run.count,
                static_cast<std::byte>(BlockMark::fetched));
  }
  const auto map = files_.open(inode, FileKind::map);
  auto written = map->write(0, marks);
  return written ? map->resize(marks.size()) : written;
}

}  // namespace

Result<Recovered> recover(const StoreFolder& folder, BlobFiles& files, BlobIndex& index,
                          bool was_clean) {
  Recovery recovery(folder, files, index);
  return recovery.run(was_clean);
}

}  // namespace shoal::cache
