// SPDX-License-Identifier: MIT
#include "cache/blob_tree.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/hash_tree.h"

namespace shoal::cache {
namespace {

/// Digests and their bytes on disk are the same memory.
static_assert(sizeof(Digest) == Digest::kBytes);

ByteView bytes_of(std::span<const Digest> digests) { return std::as_bytes(digests); }

}  // namespace

const Digest& zero_leaf() {
  static const Digest digest = base::sha256(Bytes(kBlockBytes));
  return digest;
}

std::vector<Digest> zero_leaves(std::uint64_t size, std::uint64_t first, std::uint64_t count) {
  std::vector<Digest> leaves(count, zero_leaf());
  if (count != 0) {
    const std::uint32_t last = block_bytes(size, first + count - 1);
    if (last != kBlockBytes) leaves.back() = base::sha256(Bytes(last));
  }
  return leaves;
}

const Digest& zero_chunk(std::uint32_t chunk_bytes) {
  // One for each power of two from a block on.
  static const auto digests = [] {
    std::vector<Digest> rows{zero_leaf()};
    for (std::uint64_t width = 2; width <= base::kMaxChunkBytes / kBlockBytes; width *= 2) {
      rows.push_back(base::sha256_pair(rows.back(), rows.back()));
    }
    return rows;
  }();
  return digests[static_cast<std::size_t>(std::countr_zero(chunk_bytes / kBlockBytes))];
}

bool is_all_zero(ByteView data) {
  if (data.empty() || data.front() != std::byte{0}) return data.empty();
  return std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0;
}

std::shared_ptr<SparseFile> BlobTree::open(FileKind kind) {
  base::MutexLock lock(mutex_);
  return files_->open(inode_, kind);
}

std::shared_ptr<SparseFile> BlobTree::leaves_file() {
  base::MutexLock lock(mutex_);
  if (!is_small_ && !leaves_file_) leaves_file_ = files_->open(inode_, FileKind::leaves);
  return leaves_file_;
}

Result<std::vector<Digest>> BlobTree::leaves(std::uint64_t first_block, std::uint64_t count) {
  std::vector<Digest> result(count);
  if (const auto file = leaves_file()) {
    // What lies behind the end of the file stays zero: unknown.
    auto got = file->read(first_block * Digest::kBytes, std::as_writable_bytes(std::span(result)));
    if (!got) return pass(got);
    return result;
  }
  base::MutexLock lock(mutex_);
  for (std::uint64_t i = 0; i < count && first_block + i < small_.size(); ++i) {
    result[i] = small_[first_block + i];
  }
  return result;
}

Result<void> BlobTree::set_leaves(std::uint64_t first_block, std::span<const Digest> leaves) {
  if (const auto file = leaves_file()) {
    return file->write(first_block * Digest::kBytes, bytes_of(leaves));
  }
  base::MutexLock lock(mutex_);
  const std::size_t end = first_block + leaves.size();
  if (small_.size() < end) small_.resize(end);
  std::ranges::copy(leaves, small_.begin() + static_cast<std::ptrdiff_t>(first_block));
  return {};
}

Result<void> BlobTree::reshape(std::uint64_t blocks) {
  base::MutexLock lock(mutex_);
  if ((blocks <= kSmallBlocks) == is_small_) {
    if (is_small_ && small_.size() > blocks) small_.resize(blocks);
    return {};
  }
  if (is_small_) {
    leaves_file_ = files_->open(inode_, FileKind::leaves);
    auto written = small_.empty() ? Result<void>() : leaves_file_->write(0, bytes_of(small_));
    if (!written) {
      leaves_file_.reset();
      return written;
    }
    small_.clear();
    is_small_ = false;
    return {};
  }
  const auto file = files_->open(inode_, FileKind::leaves);
  small_.assign(blocks, Digest{});
  auto got = file->read(0, std::as_writable_bytes(std::span(small_)));
  if (!got) small_.clear();  // unknown leaves are computed again
  is_small_ = true;
  leaves_file_.reset();
  auto removed = files_->remove(inode_, FileKind::leaves);
  if (removed) removed = files_->remove(inode_, FileKind::layer);
  return removed;
}

std::vector<Digest> BlobTree::small_leaves() const {
  base::MutexLock lock(mutex_);
  return small_;
}

void BlobTree::load_small(std::vector<Digest> leaves) {
  base::MutexLock lock(mutex_);
  small_ = std::move(leaves);
}

std::optional<std::vector<Digest>> BlobTree::layer(const Shape& shape) {
  const std::uint64_t chunks = base::chunk_count(shape.content.size, shape.chunk_bytes);
  if (chunks <= 1) return std::vector<Digest>{};
  {
    base::MutexLock lock(mutex_);
    if (layer_ && layer_of_ == shape.content && layer_->size() == chunks) return *layer_;
  }
  auto read = read_layer(shape);
  if (!read) return std::nullopt;
  base::MutexLock lock(mutex_);
  layer_ = std::make_shared<const std::vector<Digest>>(*read);
  layer_of_ = shape.content;
  return read;
}

std::optional<std::vector<Digest>> BlobTree::read_layer(const Shape& shape) {
  std::vector<Digest> layer(base::chunk_count(shape.content.size, shape.chunk_bytes));
  auto got = open(FileKind::layer)->read(0, std::as_writable_bytes(std::span(layer)));
  if (!got || *got != layer.size() * Digest::kBytes) return std::nullopt;
  if (!base::verify_layer(shape.content, shape.chunk_bytes, layer)) return std::nullopt;
  return layer;
}

Result<void> BlobTree::set_layer(const Shape& shape, std::vector<Digest> layer) {
  if (layer.empty()) return {};
  {
    base::MutexLock lock(mutex_);
    if (layer_ && layer_of_ == shape.content && layer_->size() == layer.size()) return {};
  }
  auto written = open(FileKind::layer)->write(0, bytes_of(layer));
  if (!written) return written;
  base::MutexLock lock(mutex_);
  layer_ = std::make_shared<const std::vector<Digest>>(std::move(layer));
  layer_of_ = shape.content;
  return {};
}

void BlobTree::detach() {
  base::MutexLock lock(mutex_);
  own_files_ = make_memory_files();
  files_ = own_files_.get();
  if (!is_small_) leaves_file_ = files_->open(inode_, FileKind::leaves);
}

}  // namespace shoal::cache
