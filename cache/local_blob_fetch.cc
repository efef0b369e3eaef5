// SPDX-License-Identifier: MIT
// What comes in from other peers: layers, leaves, blocks, and the turn to another content.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "cache/local_blob.h"

namespace shoal::cache {
namespace {

constexpr std::uint64_t kPageBytes = 4096;  // what a filesystem allocates at least

std::uint64_t whole_pages(std::uint64_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

BlockRun blocks_of_chunk(const Shape& shape, std::uint64_t chunk) {
  const std::uint64_t per_chunk = base::blocks_per_chunk(shape.chunk_bytes);
  const std::uint64_t first = chunk * per_chunk;
  return {first, std::min(per_chunk, base::block_count(shape.content.size) - first)};
}

bool is_known(const std::vector<Digest>& leaves) {
  return !leaves.empty() && std::ranges::none_of(leaves, &Digest::is_zero);
}

}  // namespace

Result<void> LocalBlob::put_layer(const Shape& shape, std::vector<Digest> layer) {
  SharedLock io(io_);
  {
    base::MutexLock lock(mutex_);
    auto ok = holds(shape);
    if (!ok) return ok;
  }
  if (!base::verify_layer(shape.content, shape.chunk_bytes, layer)) {
    return fail(Errc::corrupt, "the piece layer does not lead to the root {}",
                shape.content.root.hex());
  }
  return tree_.set_layer(shape, std::move(layer));
}

Result<void> LocalBlob::put_leaves(const VerifiedLeaves& leaves) {
  UniqueLock io(io_);
  const BlockRun run = blocks_of_chunk(leaves.shape(), leaves.chunk());
  std::vector<BlockRun> gone;
  bool may_be_stale = false;
  {
    base::MutexLock lock(mutex_);
    auto ok = holds(leaves.shape());
    if (!ok) return ok;
    if (state_ == BlobState::sealed) return {};
    gone = absent(run.first, run.count);
    may_be_stale = may_be_stale_;
  }
  auto ready = set_length();
  if (!ready) return ready;
  load_small_leaves();
  auto before = tree_.leaves(run.first, run.count);
  auto kept = tree_.set_leaves(run.first, leaves.leaves());
  if (!kept) return kept;

  const std::vector<Digest> zeroes = zero_leaves(leaves.shape().content.size, run.first, run.count);
  std::vector<BlockRun> found;
  for (const BlockRun& part : gone) {
    for (std::uint64_t block = part.first; block < part.first + part.count; ++block) {
      const std::size_t i = block - run.first;
      bool is_candidate = false;
      {
        base::MutexLock lock(mutex_);
        is_candidate = candidates_.test(block);
        candidates_.set(block, 1, false);
      }
      if (is_candidate && before && (*before)[i] == leaves.leaves()[i]) {
        found.push_back({block, 1});
      } else if (leaves.leaves()[i] == zeroes[i]) {
        if (may_be_stale) {
          auto punched = data_->zero(block * kBlockBytes, kBlockBytes, true);
          if (!punched) return punched;
        }
        found.push_back({block, 1});
      }
    }
  }
  auto noted = note_stored(found);
  if (!noted) return noted;
  return finish_if_complete();
}

Result<void> LocalBlob::put(const VerifiedBlocks& blocks) {
  {
    SharedLock io(io_);
    bool alone = false;
    {
      base::MutexLock lock(mutex_);
      auto ok = holds(blocks.shape());
      if (!ok) return ok;
      alone = state_ == BlobState::working || !is_unsettled_ || !is_length_right_;
    }
    if (!alone) return put_absent(blocks);
  }
  UniqueLock io(io_);
  bool is_unsettled = false;
  {
    base::MutexLock lock(mutex_);
    auto ok = holds(blocks.shape());
    if (!ok) return ok;
    if (absent(blocks.run().first, blocks.run().count).empty()) return {};
    is_unsettled = is_unsettled_;
  }
  if (!is_unsettled) {
    auto unsettled = table_->unsettle(*this);
    if (!unsettled) return unsettled;
    base::MutexLock lock(mutex_);
    is_unsettled_ = true;
  }
  auto ready = set_length();
  return ready ? put_absent(blocks) : ready;
}

Result<void> LocalBlob::set_length() {
  std::uint64_t size = 0;
  {
    base::MutexLock lock(mutex_);
    if (is_length_right_) return {};
    size = size_;
  }
  auto resized = data_->resize(size);
  if (!resized) return resized;
  base::MutexLock lock(mutex_);
  is_length_right_ = true;
  return {};
}

Result<void> LocalBlob::put_absent(const VerifiedBlocks& blocks) {
  std::vector<BlockRun> runs;
  bool may_be_stale = false;
  {
    base::MutexLock lock(mutex_);
    runs = absent(blocks.run().first, blocks.run().count);
    may_be_stale = may_be_stale_;
  }
  if (runs.empty()) return {};
  for (const BlockRun& run : runs) {
    auto stored = store_run(run, blocks, may_be_stale);
    if (!stored) return stored;
  }
  auto noted = note_stored(runs);
  if (!noted) return noted;
  return finish_if_complete();
}

/// Writes what is not zero, in as few calls as there are runs of it; zeroes stay holes.
Result<void> LocalBlob::store_run(BlockRun run, const VerifiedBlocks& blocks, bool may_be_stale) {
  const std::uint64_t origin = blocks.run().first * kBlockBytes;
  const std::uint64_t start = run.first * kBlockBytes - origin;
  const auto length =
      std::min<std::uint64_t>(run.count * kBlockBytes, blocks.data().size() - start);
  const ByteView data = blocks.data().subspan(start, length);
  for (std::size_t at = 0; at < data.size();) {
    const auto is_zero = [&](std::size_t block_at) {
      return is_all_zero(
          data.subspan(block_at, std::min<std::size_t>(kBlockBytes, data.size() - block_at)));
    };
    const bool zero_here = is_zero(at);
    std::size_t end = at + kBlockBytes;
    while (end < data.size() && is_zero(end) == zero_here) end += kBlockBytes;
    end = std::min(end, data.size());
    const std::uint64_t offset = origin + start + at;
    if (zero_here) {
      auto punched = may_be_stale ? data_->zero(offset, end - at, true) : Result<void>();
      if (!punched) return punched;
    } else {
      auto room = table_->reserve(end - at);
      if (!room) return room;
      auto written = data_->write(offset, data.subspan(at, end - at));
      if (!written) {
        base::MutexLock lock(mutex_);
        may_be_stale_ = true;
        return written;
      }
      table_->add_allocated(*this, whole_pages(end - at));
    }
    at = end;
  }
  return {};
}

/// The bytes of runs are in the file: they are present from now on.
Result<void> LocalBlob::note_stored(const std::vector<BlockRun>& runs) {
  if (runs.empty()) return {};
  bool is_working = false;
  {
    base::MutexLock lock(mutex_);
    is_working = state_ == BlobState::working;
    for (const BlockRun& run : runs) {
      present_.set(run.first, run.count, true);
      candidates_.set(run.first, run.count, false);
      if (!is_working) continue;
      // The last block of the content is not clean when the file has grown over it.
      const std::uint64_t base_size = shape_.content.size;
      const std::uint64_t last = run.first + run.count - 1;
      clean_.set(run.first, run.count, true);
      if (block_bytes(base_size, last) != block_bytes(size_, last)) clean_.set(last, 1, false);
    }
  }
  if (!is_working) {
    note_unsaved();
    return {};
  }
  for (const BlockRun& run : runs) {
    auto marked = mark(run.first, run.count, BlockMark::fetched);
    if (!marked) return marked;
  }
  return {};
}

void LocalBlob::note_unsaved() {
  bool is_small = false;
  {
    base::MutexLock lock(mutex_);
    if (present_.is_full()) return;  // becomes sealed in a moment
    is_small = present_.size() <= kSmallBlocks;
    if (!is_small && std::exchange(is_unsaved_, true)) return;
  }
  if (!is_small) {
    table_->keep_until_saved(shared_from_this());
    return;
  }
  BlobRecord now;
  {
    base::MutexLock lock(mutex_);
    now = record();
  }
  (void)table_->save(*this, now, {.leaves = leaves_for_index(base::block_count(now.size))})
      .has_value();  // queued rows do not fail
}

Result<void> LocalBlob::finish_if_complete() {
  BlobRecord now;
  {
    base::MutexLock lock(mutex_);
    if (is_whole_ || !present_.is_full()) return {};
    if (state_ == BlobState::partial) {
      state_ = BlobState::sealed;
      is_whole_ = true;
      present_ = BlockBitmap();
      candidates_ = BlockBitmap();
      is_unsaved_ = false;
      now = record();
    }
  }
  if (now.state != BlobState::sealed) return become_whole();
  refresh_allocated();
  auto saved = table_->save(*this, now, {.leaves = leaves_for_index(base::block_count(now.size))});
  drop_map();
  return saved;
}

/// Presence of next's blocks: those of chunks that both contents have.
BlockBitmap LocalBlob::blocks_to_keep(const Shape& next, const std::vector<Digest>& layer) {
  BlockBitmap keep(base::block_count(next.content.size));
  Shape before;
  {
    base::MutexLock lock(mutex_);
    before = shape_;
  }
  if (layer.empty() || before.chunk_bytes != next.chunk_bytes) return keep;
  std::vector<Digest> old_layer = tree_.layer(before).value_or(std::vector<Digest>{});
  if (before.content.size != 0 && before.content.size <= before.chunk_bytes) {
    const auto leaves = tree_.leaves(0, base::block_count(before.content.size));
    if (leaves && is_known(*leaves)) {
      old_layer = {base::chunk_hash(*leaves, before.chunk_bytes)};
    } else if (before.content.size <= kBlockBytes) {
      old_layer = {base::chunk_hash(std::span(&before.content.root, 1), before.chunk_bytes)};
    }
  }
  for (std::uint64_t chunk = 0; chunk < std::min(old_layer.size(), layer.size()); ++chunk) {
    if (old_layer[chunk] != layer[chunk]) continue;
    const BlockRun run = blocks_of_chunk(next, chunk);
    base::MutexLock lock(mutex_);
    const std::vector<BlockRun> here =
        is_whole_ ? std::vector{run} : present_.runs(run.first, run.count, true);
    for (const BlockRun& part : here) keep.set(part.first, part.count, true);
  }
  return keep;
}

Result<void> LocalBlob::follow(const Shape& next, std::vector<Digest> layer) {
  UniqueLock io(io_);
  bool is_same = false;
  {
    base::MutexLock lock(mutex_);
    auto ok = usable();
    if (!ok) return ok;
    if (state_ == BlobState::working) {
      return fail(Errc::busy, "blob {:016x} is open for change", inode_.value());
    }
    is_same = shape_ == next;
  }
  if (!base::is_valid_chunk_bytes(next.chunk_bytes) || next.content.size > base::kMaxFileBytes ||
      (!layer.empty() && !base::verify_layer(next.content, next.chunk_bytes, layer))) {
    return fail(Errc::corrupt, "the piece layer does not lead to the root {}",
                next.content.root.hex());
  }
  if (is_same) return tree_.set_layer(next, std::move(layer));

  load_small_leaves();
  BlockBitmap keep = blocks_to_keep(next, layer);
  BlockBitmap candidates(keep.size());
  {
    base::MutexLock lock(mutex_);
    const std::uint64_t blocks = std::min(keep.size(), base::block_count(size_));
    for (const BlockRun& run : keep.runs(0, blocks, false)) {
      const std::vector<BlockRun> here =
          is_whole_ ? std::vector{run} : present_.runs(run.first, run.count, true);
      for (const BlockRun& part : here) candidates.set(part.first, part.count, true);
    }
    // A single leaf is the root and is not kept elsewhere.
    if (shape_.content.size != 0 && shape_.content.size <= kBlockBytes) {
      tree_.load_small({shape_.content.root});
    }
  }
  auto turned = turn_to(next, std::move(keep), std::move(candidates));
  if (!turned) return turned;
  auto kept = tree_.set_layer(next, std::move(layer));
  if (!kept) return kept;
  return finish_if_complete();
}

/// The order matters to a crash: what was settled is not, the file is marked, the row says partial,
/// and only then bytes go.
Result<void> LocalBlob::turn_to(const Shape& next, BlockBitmap present, BlockBitmap candidates) {
  auto ready = table_->unsettle(*this);
  if (ready) ready = data_->set_refetchable(true);
  if (ready) ready = tree_.reshape(present.size());
  if (!ready) return ready;
  BlobRecord now;
  {
    base::MutexLock lock(mutex_);
    is_unsettled_ = is_refetchable_ = may_be_stale_ = true;
    state_ = BlobState::partial;
    shape_ = next;
    size_ = next.content.size;
    is_whole_ = is_length_right_ = false;
    present_ = std::move(present);
    candidates_ = std::move(candidates);
    has_small_leaves_ = true;
    now = record();
  }
  const BlobTable::Kept kept = table_->kept(*this);
  // Who only kept the former content because it was written here no longer has a reason to.
  const Role role = kept.role == Role::origin ? Role::cached : kept.role;
  auto done = table_->save(*this, now, {.role = role, .persist = Persist::committed});
  if (done) done = set_length();
  if (!done) {
    // Nothing of the blob can be relied on; its blocks are fetched again.
    base::MutexLock lock(mutex_);
    present_ = BlockBitmap(present_.size());
    candidates_ = BlockBitmap(present_.size());
    return done;
  }
  refresh_allocated();
  note_unsaved();
  return {};
}

Error LocalBlob::lose(Error cause) {
  UniqueLock io(io_);
  BlockBitmap present;
  Shape shape;
  {
    base::MutexLock lock(mutex_);
    shape = shape_;
    if (state_ == BlobState::working || is_detached_) return Error(Errc::io, cause.context());
    present = BlockBitmap(base::block_count(size_), is_whole_);
    for (const BlockRun& run : present_.runs(0, present_.size(), true)) {
      present.set(run.first, run.count, true);
    }
  }
  auto status = data_->status();
  if (!status && status.error().code() != Errc::not_found) return Error(Errc::io, cause.context());
  if (!status) {
    auto made = table_->files().create(inode_, true);
    if (!made) return std::move(made).error();
    status = FileStatus{};
  }
  if (status->size >= shape.content.size) return Error(Errc::io, cause.context());
  present.set(status->size / kBlockBytes, present.size(), false);
  base::log_error("the file of blob {:016x} has lost bytes, they are fetched again: {}",
                  inode_.value(), cause.context());
  auto turned = turn_to(shape, std::move(present), BlockBitmap());
  if (!turned) return std::move(turned).error();
  return Error(Errc::not_found, cause.context());
}

Result<std::uint64_t> LocalBlob::punch_tail(std::uint64_t bytes) {
  UniqueLock io(io_, std::try_to_lock);
  if (!io.owns_lock()) return std::uint64_t{0};
  BlockBitmap present;
  std::vector<BlockRun> gone;
  Shape shape;
  {
    base::MutexLock lock(mutex_);
    shape = shape_;
    if (is_broken_ || state_ == BlobState::working || size_ <= shape.chunk_bytes) {
      return std::uint64_t{0};
    }
    present = BlockBitmap(base::block_count(size_), is_whole_);
    for (const BlockRun& run : present_.runs(0, present_.size(), true)) {
      present.set(run.first, run.count, true);
    }
  }
  std::uint64_t freed = 0;
  for (std::uint64_t chunk = base::chunk_count(shape.content.size, shape.chunk_bytes);
       chunk > 0 && freed < bytes; --chunk) {
    const BlockRun run = blocks_of_chunk(shape, chunk - 1);
    if (present.set(run.first, run.count, false) == 0) continue;
    gone.push_back(run);
    freed += run.count * kBlockBytes;
  }
  if (gone.empty()) return std::uint64_t{0};
  auto turned = turn_to(shape, std::move(present), BlockBitmap());
  if (!turned) return pass(turned);
  for (const BlockRun& run : gone) {
    auto punched = data_->zero(run.first * kBlockBytes, run.count * kBlockBytes, true);
    if (!punched) return pass(punched);
  }
  refresh_allocated();
  return freed;
}

}  // namespace shoal::cache
