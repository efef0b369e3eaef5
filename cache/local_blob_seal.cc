// SPDX-License-Identifier: MIT
// Publishing: hashing what changed, and making things durable.
#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "cache/local_blob.h"

namespace shoal::cache {
namespace {

/// Below so many bytes to hash another thread costs more than it gains.
constexpr std::uint64_t kParallelBytes = 16 * 1024 * 1024;
constexpr unsigned kHashThreadsMax = 4;
/// Blocks read and hashed at once: one default chunk, which fills the lanes four times over.
constexpr std::uint64_t kBatchBlocks = 64;

std::uint64_t whole_pages(std::uint64_t bytes) { return (bytes + 4095) / 4096 * 4096; }

}  // namespace

/// One seal() under way.
struct LocalBlob::Sealing {
  std::uint64_t size = 0;
  std::uint64_t blocks = 0;
  Shape shape;  // root is filled in at the end
  Shape base;
  BlockBitmap clean;
  std::vector<Digest> base_layer;
  std::vector<Digest> layer;  // of all chunks, one too
  bool may_have_holes = false;

  BlockRun run_of(std::uint64_t chunk) const {
    const std::uint64_t per_chunk = base::blocks_per_chunk(shape.chunk_bytes);
    return {chunk * per_chunk, std::min(per_chunk, blocks - chunk * per_chunk)};
  }
  /// Whether chunk is as it was in the content that the copy started from.
  bool is_unchanged(std::uint64_t chunk) const {
    const BlockRun run = run_of(chunk);
    const std::uint64_t base_blocks = base::block_count(base.content.size);
    const bool ends_alike = run.first + run.count == base_blocks ||
                            run.count == base::blocks_per_chunk(shape.chunk_bytes);
    return base.chunk_bytes == shape.chunk_bytes && ends_alike &&
           clean.all(run.first, run.count, true);
  }
};

Result<Sealed> LocalBlob::seal(bool durable) {
  SharedLock reading(io_);
  auto sealing = start_sealing();
  if (!sealing) return pass(sealing);
  auto ready = sealing->blocks == 0 ? Result<void>() : hash_chunks(*sealing);
  if (ready && durable) ready = make_durable();
  if (!ready) return pass(ready);
  reading.unlock();
  UniqueLock io(io_);
  return become_sealed(*sealing, durable);
}

Result<LocalBlob::Sealing> LocalBlob::start_sealing() {
  Sealing sealing;
  {
    base::MutexLock lock(mutex_);
    auto ok = working();
    if (!ok) return pass(ok);
    if (!is_whole_ && !present_.is_full()) {
      return fail(Errc::not_found, "{} blocks of blob {:016x} are absent",
                  present_.size() - present_.count(), inode_.value());
    }
    sealing.size = size_;
    sealing.blocks = base::block_count(size_);
    sealing.base = shape_;
    sealing.shape.content.size = size_;
    sealing.shape.chunk_bytes = base::chunk_bytes_for(size_);
    sealing.clean.resize(clean_.size(), false);
    for (const BlockRun& run : clean_.runs(0, clean_.size(), true)) {
      sealing.clean.set(run.first, run.count, true);
    }
    sealing.may_have_holes = !is_dense_;
  }
  if (sealing.base.content.size != 0) {
    load_small_leaves();
    sealing.base_layer = tree_.layer(sealing.base).value_or(std::vector<Digest>{});
  }
  auto shaped = tree_.reshape(sealing.blocks);
  if (!shaped) return pass(shaped);
  sealing.layer.resize(base::chunk_count(sealing.size, sealing.shape.chunk_bytes));
  return sealing;
}

/// Chunks are independent of each other: threads take the next one that nobody has.
Result<void> LocalBlob::hash_chunks(Sealing& sealing) {
  std::atomic<std::uint64_t> next{0};
  base::Mutex mutex;
  Result<void> result;
  const auto work = [&] {
    Bytes buffer;
    for (std::uint64_t chunk = next++; chunk < sealing.layer.size(); chunk = next++) {
      auto hashed = hash_chunk(sealing, chunk, buffer);
      if (hashed) continue;
      base::MutexLock lock(mutex);
      if (result) result = hashed;
      next = sealing.layer.size();
    }
  };
  const std::uint64_t dirty_bytes =
      (sealing.blocks - std::min(sealing.blocks, sealing.clean.count())) * kBlockBytes;
  std::vector<std::jthread> helpers;
  if (dirty_bytes >= kParallelBytes) {
    const unsigned threads = std::min(kHashThreadsMax, std::thread::hardware_concurrency());
    for (unsigned i = 1; i < threads; ++i) helpers.emplace_back(work);
  }
  work();
  helpers.clear();  // joins
  return result;
}

Result<void> LocalBlob::hash_chunk(Sealing& sealing, std::uint64_t chunk, Bytes& buffer) {
  const BlockRun run = sealing.run_of(chunk);
  const bool is_unchanged = sealing.is_unchanged(chunk);
  if (is_unchanged && chunk < sealing.base_layer.size() && sealing.layer.size() > 1) {
    sealing.layer[chunk] = sealing.base_layer[chunk];
    return {};
  }
  if (is_hole(sealing, chunk)) {
    sealing.layer[chunk] = zero_chunk(sealing.shape.chunk_bytes);
    return {};  // its leaves are known without being kept; see leaves_of()
  }
  std::vector<Digest> leaves(run.count);
  const bool has_clean = sealing.base.chunk_bytes == sealing.shape.chunk_bytes &&
                         sealing.clean.find(run.first, true) < run.first + run.count;
  const auto known = has_clean ? leaves_of(sealing.base, chunk, false) : std::nullopt;
  std::vector<BlockRun> to_hash{run};
  if (known) {
    to_hash.clear();
    for (std::uint64_t i = 0; i < run.count; ++i) {
      if (sealing.clean.test(run.first + i)) {
        leaves[i] = known->leaves()[i];
      } else if (!to_hash.empty() && to_hash.back().first + to_hash.back().count == run.first + i) {
        ++to_hash.back().count;
      } else {
        to_hash.push_back({run.first + i, 1});
      }
    }
  }
  for (const BlockRun& part : to_hash) {
    auto hashed = hash_blocks(
        sealing, part, std::span(leaves).subspan(part.first - run.first, part.count), buffer);
    if (!hashed) return hashed;
  }
  const bool is_one = sealing.layer.size() == 1;
  sealing.layer[chunk] =
      is_one ? base::root_of_leaves(leaves) : base::chunk_hash(leaves, sealing.shape.chunk_bytes);
  return tree_.set_leaves(run.first, leaves);
}

/// A full chunk, not the only one, of which the file has nothing.
bool LocalBlob::is_hole(const Sealing& sealing, std::uint64_t chunk) const {
  const BlockRun run = sealing.run_of(chunk);
  const bool is_full = (run.first + run.count) * kBlockBytes <= sealing.size &&
                       run.count == base::blocks_per_chunk(sealing.shape.chunk_bytes);
  if (!sealing.may_have_holes || !is_full || sealing.layer.size() == 1) return false;
  const auto data = data_->seek(run.first * kBlockBytes, true);
  if (!data) return data.error().code() == Errc::out_of_range;
  return *data >= (run.first + run.count) * kBlockBytes;
}

Result<void> LocalBlob::hash_blocks(const Sealing& sealing, BlockRun run, std::span<Digest> leaves,
                                    Bytes& buffer) {
  for (std::uint64_t done = 0; done < run.count; done += kBatchBlocks) {
    const std::uint64_t first = run.first + done;
    const std::uint64_t count = std::min(kBatchBlocks, run.count - done);
    const std::uint64_t offset = first * kBlockBytes;
    const std::uint64_t length =
        std::min<std::uint64_t>(count * kBlockBytes, sealing.size - offset);
    if (sealing.may_have_holes && sealing.blocks > 1) {
      auto data = data_->seek(offset, true);
      if (!data && data.error().code() != Errc::out_of_range) return pass(data);
      if (!data || *data >= offset + length) {
        std::ranges::copy(zero_leaves(sealing.size, first, count),
                          leaves.begin() + static_cast<std::ptrdiff_t>(done));
        continue;
      }
    }
    buffer.resize(static_cast<std::size_t>(length));
    auto got = data_->read(offset, buffer);
    if (!got) return fail(Errc::io, "{}", got.error().context());
    if (*got != length) {
      return fail(Errc::io, "the file of blob {:016x} is too short", inode_.value());
    }
    std::vector<ByteView> blocks;
    std::vector<std::uint64_t> places;
    for (std::uint64_t i = 0; i < count; ++i) {
      const ByteView block =
          ByteView(buffer).subspan(i * kBlockBytes, block_bytes(sealing.size, first + i));
      Digest& leaf = leaves[done + i];
      if (block.size() == kBlockBytes && is_all_zero(block)) {
        leaf = zero_leaf();
        continue;
      }
      blocks.push_back(block);
      places.push_back(done + i);
    }
    std::vector<Digest> digests(blocks.size());
    base::thread_leaf_hasher().hash(blocks, digests);
    for (std::size_t i = 0; i < places.size(); ++i) leaves[places[i]] = digests[i];
  }
  return {};
}

/// Everything that the blob's row will speak of reaches the disk.
Result<void> LocalBlob::make_durable() {
  bool has_new_name = false;
  {
    base::MutexLock lock(mutex_);
    if (sync_failed_) {
      return fail(Errc::io, "blob {:016x} could not be synced once", inode_.value());
    }
    has_new_name = has_new_name_ && !is_detached_;
  }
  auto synced = data_->sync();
  if (!synced) {
    // The kernel may have dropped the pages: a later success would prove nothing.
    base::MutexLock lock(mutex_);
    sync_failed_ = true;
    return fail(Errc::io, "{}", synced.error().context());
  }
  if (!has_new_name) return {};
  synced = table_->files().sync_name(inode_);
  if (!synced) return synced;
  base::MutexLock lock(mutex_);
  has_new_name_ = false;
  return {};
}

Result<void> LocalBlob::sync() {
  SharedLock io(io_);
  auto synced = make_durable();
  if (!synced) return synced;
  BlobRecord now;
  std::shared_ptr<SparseFile> map;
  {
    base::MutexLock lock(mutex_);
    now = record();
    if (!is_whole_ && has_map_) map = map_;
  }
  if (map) {
    synced = map->sync();
    if (!synced) return synced;
  }
  return table_->save(*this, now, {.persist = Persist::durable});
}

/// What did not change needs no publishing, and is kept for the reasons it was kept for before.
Role LocalBlob::role_when_sealed(const Shape& shape) const {
  const Role before = table_->kept(*this).role;
  base::MutexLock lock(mutex_);
  if (shape != base_) return Role::origin;
  return before == Role::origin ? Role::cached : before;
}

Result<Sealed> LocalBlob::become_sealed(Sealing& sealing, bool durable) {
  Sealed sealed;
  sealing.shape.content.root = sealing.layer.size() == 1 ? sealing.layer.front()
                               : sealing.layer.empty()
                                   ? Digest{}
                                   : base::root_of_layer(sealing.layer, sealing.shape.chunk_bytes);
  if (sealing.layer.size() > 1) sealed.layer = std::move(sealing.layer);
  sealed.shape = sealing.shape;
  auto kept = tree_.set_layer(sealed.shape, sealed.layer);
  if (!kept) return pass(kept);

  BlobRecord now;
  Shape base_shape;
  bool is_dense = false;
  {
    base::MutexLock lock(mutex_);
    auto ok = working();
    if (!ok) return pass(ok);
    base_shape = std::exchange(shape_, sealed.shape);
    state_ = BlobState::sealed;
    is_whole_ = true;
    present_ = BlockBitmap();
    has_small_leaves_ = true;
    is_dense = is_dense_;
    now = record();
  }
  if (is_dense) {
    table_->set_allocated(*this, whole_pages(sealing.size));
  } else {
    refresh_allocated();
  }
  auto saved = table_->save(*this, now,
                            {.leaves = leaves_for_index(sealing.blocks),
                             .role = role_when_sealed(sealed.shape),
                             .persist = durable ? Persist::durable : Persist::queued});
  base::MutexLock lock(mutex_);
  if (!saved) {  // still unpublished; what was hashed is hashed again
    state_ = BlobState::working;
    shape_ = base_shape;
    clean_ = BlockBitmap(base::block_count(base_shape.content.size));
    return pass(saved);
  }
  clean_ = BlockBitmap();
  sealed.allocated_bytes =
      is_dense ? whole_pages(sealing.size) : table_->kept(*this).allocated_bytes;
  return sealed;
}

}  // namespace shoal::cache
