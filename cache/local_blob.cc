// SPDX-License-Identifier: MIT
#include "cache/local_blob.h"

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "cache/verify_blob.h"

namespace shoal::cache {
namespace {

/// A map is read and written in pieces of so many blocks (1 GiB of file).
constexpr std::uint64_t kMapPiece = 64 * 1024;

}  // namespace

LocalBlob::LocalBlob(std::shared_ptr<BlobTable> table, const BlobRecord& record, bool is_new)
    : table_(std::move(table)),
      inode_(record.inode),
      data_(table_->files().open(record.inode, FileKind::data)),
      tree_(table_->files(), record.inode, base::block_count(record.shape.content.size)),
      state_(record.state),
      shape_(record.shape),
      base_(record.base),
      size_(record.size),
      is_whole_(record.is_whole),
      is_refetchable_(!is_new || record.state != BlobState::working),
      is_length_right_(is_new || record.state != BlobState::partial),
      may_be_stale_(!is_new),
      is_loaded_(is_new || (record.is_whole && record.state != BlobState::working)),
      is_unsettled_(is_new),
      has_new_name_(true),
      is_dense_(is_new && record.state == BlobState::working),
      has_small_leaves_(is_new) {
  const std::uint64_t blocks = base::block_count(size_);
  if (state_ == BlobState::working) {
    clean_.resize(base::block_count(shape_.content.size), false);
  }
  if (is_whole_) return;
  present_.resize(blocks, false);
  if (state_ == BlobState::partial && blocks <= kSmallBlocks) {
    for (std::uint64_t block = 0; block < blocks; ++block) {
      if ((record.small_bits >> block & 1) != 0) present_.set(block, 1, true);
    }
    is_loaded_ = true;
  }
}

LocalBlob::~LocalBlob() {
  if (orphaned_bytes != 0) table_->space().add(-static_cast<std::int64_t>(orphaned_bytes));
}

void LocalBlob::load() {
  {
    base::MutexLock lock(mutex_);
    if (is_loaded_) return;
  }
  UniqueLock io(io_);
  base::MutexLock lock(mutex_);
  if (is_loaded_) return;
  is_loaded_ = true;
  auto loaded = state_ == BlobState::working ? load_size() : Result<void>();
  if (loaded && !is_whole_) loaded = load_map();
  if (loaded) return;
  base::log_error("blob {:016x} cannot be used: {}", inode_.value(), loaded.error().message());
  is_broken_ = state_ == BlobState::working;  // a partial one is fetched again instead
}

/// Only the file knows how long a working copy is.
Result<void> LocalBlob::load_size() {
  auto status = data_->status();
  if (!status) return pass(status);
  size_ = status->size;
  if (!is_whole_) present_ = BlockBitmap(base::block_count(size_));
  return {};
}

Result<void> LocalBlob::load_map() {
  map_ = table_->files().open(inode_, FileKind::map);
  has_map_ = true;
  const std::uint64_t blocks = present_.size();
  const std::uint64_t base_size = shape_.content.size;
  const bool is_working = state_ == BlobState::working;
  for (std::uint64_t first = 0; first < blocks; first += kMapPiece) {
    Bytes marks(std::min(kMapPiece, blocks - first));
    auto got = map_->read(first, marks);
    if (!got) return pass(got);
    for (std::uint64_t i = 0; i < marks.size(); ++i) {
      const std::uint64_t block = first + i;
      const auto mark = static_cast<BlockMark>(marks[i]);
      const bool is_new = is_working && block >= base::block_count(base_size);
      if (mark == BlockMark::absent && !is_new) continue;  // new: nothing to fetch for it
      present_.set(block, 1, true);
      const bool is_clean = is_working && !is_new && mark == BlockMark::fetched &&
                            block_bytes(size_, block) == block_bytes(base_size, block);
      if (is_clean) clean_.set(block, 1, true);
    }
  }
  return {};
}

Result<void> LocalBlob::save_bits() {
  SharedLock io(io_);
  {
    base::MutexLock lock(mutex_);
    if (state_ != BlobState::partial || present_.size() <= kSmallBlocks) is_unsaved_ = false;
    if (!is_unsaved_) return {};
    is_unsaved_ = false;  // what is stored from now on is for the next time
  }
  return write_map();
}

Result<void> LocalBlob::write_map() {
  std::uint64_t blocks = 0;
  {
    base::MutexLock lock(mutex_);
    has_map_ = true;
    blocks = present_.size();
  }
  const auto file = map();
  for (std::uint64_t first = 0; first < blocks; first += kMapPiece) {
    Bytes marks(std::min(kMapPiece, blocks - first));
    {
      base::MutexLock lock(mutex_);
      for (const BlockRun& run : present_.runs(first, marks.size(), true)) {
        std::fill_n(marks.begin() + static_cast<std::ptrdiff_t>(run.first - first), run.count,
                    static_cast<std::byte>(BlockMark::fetched));
      }
    }
    auto written = file->write(first, marks);
    if (!written) return written;
  }
  return file->resize(blocks);
}

std::shared_ptr<SparseFile> LocalBlob::map() {
  base::MutexLock lock(mutex_);
  if (!map_) map_ = table_->files().open(inode_, FileKind::map);
  return map_;
}

/// The map says nothing any more. Shape: io_ is held, so that the blob is not being detached.
void LocalBlob::drop_map() {
  {
    base::MutexLock lock(mutex_);
    map_.reset();
    if (!std::exchange(has_map_, false) || is_detached_) return;
  }
  auto removed = table_->files().remove(inode_, FileKind::map);
  if (!removed) base::log_warning("a map stays behind: {}", removed.error().message());
}

void LocalBlob::detach() {
  UniqueLock io(io_);
  data_->pin();
  tree_.detach();
  base::MutexLock lock(mutex_);
  is_detached_ = true;
  map_ = make_memory_files()->open(inode_, FileKind::map);  // and a map is needed to go on
}

// --- what is there

std::vector<BlockRun> LocalBlob::absent(std::uint64_t first, std::uint64_t count) const {
  if (is_whole_) return {};
  return present_.runs(first, count, false);
}

bool LocalBlob::has(std::uint64_t first, std::uint64_t count) const {
  return is_whole_ || present_.all(first, count, true);
}

Result<void> LocalBlob::usable() const {
  if (is_broken_) return fail(Errc::io, "blob {:016x} is damaged", inode_.value());
  return {};
}

Result<void> LocalBlob::working() const {
  if (is_broken_) return fail(Errc::io, "blob {:016x} is damaged", inode_.value());
  if (state_ != BlobState::working) {
    return fail(Errc::invalid, "blob {:016x} is not open for change", inode_.value());
  }
  return {};
}

Result<void> LocalBlob::holds(const Shape& shape) const {
  if (is_broken_) return fail(Errc::io, "blob {:016x} is damaged", inode_.value());
  if (shape != shape_) {
    return fail(Errc::stale, "blob {:016x} is of another content", inode_.value());
  }
  return {};
}

BlobRecord LocalBlob::record() const {
  BlobRecord record{.inode = inode_,
                    .state = state_,
                    .is_whole = is_whole_,
                    .shape = shape_,
                    .base = base_,
                    .size = size_,
                    .blocks_present = present_.count()};
  if (!is_whole_ && present_.size() <= kSmallBlocks) {
    for (const BlockRun& run : present_.runs(0, present_.size(), true)) {
      for (std::uint64_t i = run.first; i < run.first + run.count; ++i) {
        record.small_bits |= std::uint64_t{1} << i;
      }
    }
  }
  return record;
}

BlobInfo LocalBlob::info() const {
  const BlobTable::Kept kept = table_->kept(*this);
  base::MutexLock lock(mutex_);
  BlobInfo info = info_of(record());
  info.role = kept.role;
  info.allocated_bytes = kept.allocated_bytes;
  return info;
}

// --- reading

namespace {

/// The blocks that [offset, offset + length) touches, cut at size.
BlockRun touched(std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
  if (length == 0 || offset >= size) return {};
  const std::uint64_t end = offset + std::min(length, size - offset);
  const std::uint64_t first = offset / kBlockBytes;
  return {first, (end - 1) / kBlockBytes - first + 1};
}

}  // namespace

Result<std::size_t> LocalBlob::read_at(std::uint64_t offset, MutableByteView out) {
  SharedLock io(io_);
  std::size_t count = 0;
  {
    base::MutexLock lock(mutex_);
    auto ok = usable();
    if (!ok) return pass(ok);
    if (offset >= size_ || out.empty()) return std::size_t{0};
    count = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - offset));
    const BlockRun run = touched(offset, count, size_);
    if (!has(run.first, run.count)) {
      return fail(Errc::not_found, "a block at {} of blob {:016x} is absent", offset,
                  inode_.value());
    }
  }
  auto got = data_->read(offset, out.first(count));
  const bool is_gone = !got && got.error().code() == Errc::not_found;
  const bool is_short = got && *got != count;
  if (!is_gone && !is_short) return got;
  io.unlock();
  return std::unexpected(
      lose(is_gone ? std::move(got).error()
                   : Error(Errc::io, fmt::format("blob {:016x} is too short", inode_.value()))));
}

std::vector<BlockRun> LocalBlob::missing(std::uint64_t offset, std::uint64_t length) const {
  base::MutexLock lock(mutex_);
  const BlockRun run = touched(offset, length, size_);
  return absent(run.first, run.count);
}

Result<std::uint64_t> LocalBlob::seek(std::uint64_t offset, bool data) const {
  SharedLock io(io_);
  std::uint64_t size = 0;
  {
    base::MutexLock lock(mutex_);
    auto ok = usable();
    if (!ok) return pass(ok);
    size = size_;
  }
  if (offset >= size) return fail(Errc::out_of_range, "seeking to {}", offset);
  if (data) {
    auto found = data_->seek(offset, true);
    if (!found && found.error().code() != Errc::out_of_range) return found;
    const std::uint64_t at = std::min(found ? *found : size, next_block(offset, size, false));
    if (at >= size) return fail(Errc::out_of_range, "no data behind {}", offset);
    return at;
  }
  for (std::uint64_t at = offset;;) {
    auto hole = data_->seek(at, false);
    if (!hole) return hole;
    if (*hole >= size) return size;
    at = next_block(*hole, size, true);  // a hole in an absent block is data to come
    if (at == *hole || at >= size) return at;
  }
}

std::uint64_t LocalBlob::next_block(std::uint64_t offset, std::uint64_t size,
                                    bool is_present) const {
  base::MutexLock lock(mutex_);
  if (is_whole_) return is_present ? offset : size;
  const std::uint64_t start = present_.find(offset / kBlockBytes, is_present) * kBlockBytes;
  return std::min(size, std::max(offset, start));
}

// --- leaves, serving

std::optional<VerifiedLeaves> LocalBlob::leaves_of(const Shape& shape, std::uint64_t chunk,
                                                   bool may_compute) const {
  const std::uint64_t chunks = base::chunk_count(shape.content.size, shape.chunk_bytes);
  if (chunk >= chunks) return std::nullopt;
  const std::uint64_t first = chunk * base::blocks_per_chunk(shape.chunk_bytes);
  const std::uint64_t count = std::min<std::uint64_t>(
      base::blocks_per_chunk(shape.chunk_bytes), base::block_count(shape.content.size) - first);
  const auto layer = tree_.layer(shape);
  if (!layer) return std::nullopt;
  if (shape.content.size <= kBlockBytes) {
    auto verified = VerifiedLeaves::verify(shape, {}, chunk, {shape.content.root});
    return verified ? std::optional(std::move(*verified)) : std::nullopt;
  }
  load_small_leaves();
  if (auto stored = tree_.leaves(first, count)) {
    auto verified = VerifiedLeaves::verify(shape, *layer, chunk, std::move(*stored));
    if (verified) return std::move(*verified);
  }
  if (chunks > 1 && (*layer)[chunk] == zero_chunk(shape.chunk_bytes)) {
    auto zeroes =
        VerifiedLeaves::verify(shape, *layer, chunk, std::vector<Digest>(count, zero_leaf()));
    if (zeroes) return std::move(*zeroes);  // those of a hole are not kept
  }
  if (!may_compute) return std::nullopt;
  auto computed = hash_of_blocks(*data_, shape.content.size, {first, count});
  if (!computed) return std::nullopt;
  auto verified = VerifiedLeaves::verify(shape, *layer, chunk, *computed);
  if (!verified) return std::nullopt;
  auto kept = tree_.set_leaves(first, *computed);
  if (!kept) base::log_warning("leaves are not kept: {}", kept.error().message());
  return std::move(*verified);
}

void LocalBlob::load_small_leaves() const {
  {
    base::MutexLock lock(mutex_);
    if (has_small_leaves_) return;
    has_small_leaves_ = true;
    if (base::block_count(shape_.content.size) > kSmallBlocks) return;
  }
  if (table_->index() == nullptr) return;
  auto leaves = table_->index()->leaves(inode_);
  if (!leaves.empty()) tree_.load_small(std::move(leaves));
}

std::shared_ptr<const std::vector<Digest>> LocalBlob::leaves_for_index(std::uint64_t blocks) const {
  if (blocks <= 1 || blocks > kSmallBlocks) return nullptr;  // a single leaf is the root
  return std::make_shared<const std::vector<Digest>>(tree_.small_leaves());
}

std::optional<VerifiedLeaves> LocalBlob::leaves(std::uint64_t chunk) const {
  SharedLock io(io_);
  Shape shape;
  bool may_compute = false;
  {
    base::MutexLock lock(mutex_);
    if (is_broken_) return std::nullopt;
    shape = shape_;
    const std::uint64_t per_chunk = base::blocks_per_chunk(shape.chunk_bytes);
    may_compute = state_ != BlobState::working && absent(chunk * per_chunk, per_chunk).empty();
  }
  return leaves_of(shape, chunk, may_compute);
}

std::optional<std::vector<Digest>> LocalBlob::layer() const {
  SharedLock io(io_);
  Shape shape;
  bool is_sealed = false;
  {
    base::MutexLock lock(mutex_);
    shape = shape_;
    is_sealed = state_ == BlobState::sealed;
  }
  auto layer = tree_.layer(shape);
  if (layer || !is_sealed) return layer;
  // The file with it is gone or damaged; the bytes still lead to the root.
  if (!rebuild_tree(*data_, tree_, shape)) return std::nullopt;
  return tree_.layer(shape);
}

Result<Served> LocalBlob::serve(const Shape& shape, std::uint64_t chunk, std::uint32_t first_block,
                                std::uint32_t block_count, bool with_leaves) {
  SharedLock io(io_);
  const std::uint64_t per_chunk = base::blocks_per_chunk(shape.chunk_bytes);
  const std::uint64_t start = chunk * per_chunk;
  bool may_compute = false;
  {
    base::MutexLock lock(mutex_);
    auto ok = holds(shape);
    if (!ok || state_ == BlobState::working) {
      return fail(Errc::not_found, "content {} is not here", shape.content.root.hex());
    }
    const std::uint64_t blocks = base::block_count(size_);
    if (chunk >= base::chunk_count(size_, shape.chunk_bytes) || first_block > per_chunk ||
        block_count > per_chunk - first_block || start + first_block + block_count > blocks ||
        !has(start + first_block, block_count)) {
      return fail(Errc::not_found, "blocks of chunk {} are absent", chunk);
    }
    may_compute = has(start, std::min(per_chunk, blocks - start));
  }
  Served served;
  if (with_leaves) {
    auto known = leaves_of(shape, chunk, may_compute);
    if (!known) return fail(Errc::not_found, "leaves of chunk {} are unknown", chunk);
    served.leaves.assign(known->leaves().begin(), known->leaves().end());
  }
  if (block_count == 0) return served;
  const std::uint64_t offset = (start + first_block) * kBlockBytes;
  const std::uint64_t length = std::min<std::uint64_t>(std::uint64_t{block_count} * kBlockBytes,
                                                       shape.content.size - offset);
  served.data.resize(static_cast<std::size_t>(length));
  auto got = data_->read(offset, served.data);
  if (!got || *got != length) {
    io.unlock();
    const Error cause = lose(got ? Error(Errc::io, "the file is too short") : got.error());
    return fail(Errc::not_found, "chunk {} cannot be read: {}", chunk, cause.context());
  }
  return served;
}

std::optional<Bytes> LocalBlob::chunk_map(const ContentId& content) const {
  base::MutexLock lock(mutex_);
  if (is_broken_ || state_ == BlobState::working || content != shape_.content) return std::nullopt;
  const std::uint64_t chunks = base::chunk_count(size_, shape_.chunk_bytes);
  const std::uint64_t per_chunk = base::blocks_per_chunk(shape_.chunk_bytes);
  const std::uint64_t blocks = base::block_count(size_);
  Bytes map(static_cast<std::size_t>((chunks + 7) / 8));
  for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) {
    const std::uint64_t first = chunk * per_chunk;
    if (!has(first, std::min(per_chunk, blocks - first))) continue;
    map[chunk / 8] |= std::byte{0x80} >> (chunk % 8);
  }
  return map;
}

}  // namespace shoal::cache
