// SPDX-License-Identifier: MIT
#include "fs/blobs.h"

#include <algorithm>

namespace shoal::fs {
namespace {

/// One fetch at most: 4 MiB, so that each piece has the budget of a read.
constexpr std::uint64_t kBlocksPerFetch = 256;
constexpr std::size_t kFetchesAtOnce = 4;

Task<Result<void>> fetch_piece(Core* core, std::shared_ptr<cache::Blob> blob, cache::BlockRun run,
                               cache::Urgency urgency) {
  Result<void> fetched =
      co_await core->env.source.fetch(std::move(blob), run, urgency, core->read_deadline());
  co_return fetched;
}

}  // namespace

cache::Shape shape_of(const wire::ContentRef& content) { return {content.id, content.chunk_bytes}; }

std::uint64_t size_of(const FileState& state) {
  return state.is_dirty ? state.size : state.content.id.size;
}

Task<Result<std::shared_ptr<cache::Blob>>> obtain_blob(Core* core, InodeId inode,
                                                       wire::ContentRef content) {
  const cache::Shape shape = shape_of(content);
  cache::BlobStore& store = core->env.store;
  // Only a blob that turns from one large content to another needs the piece layer now.
  const bool needs_layer = co_await core->env.pool.run([&store, inode, shape] {
    const std::shared_ptr<cache::Blob> known = store.find(inode);
    if (!known || shape.content.size <= shape.chunk_bytes) return false;
    const cache::BlobInfo info = known->info();
    return info.state != cache::BlobState::working && info.shape != shape;
  });
  std::vector<Digest> layer;
  if (needs_layer) {
    auto found = co_await core->env.source.layer(shape, core->read_deadline());
    if (!found) co_return pass(std::move(found));
    layer = std::move(*found);
  }
  auto blob = co_await core->env.pool.run([&store, inode, shape, layer = std::move(layer)] {
    return store.obtain(inode, shape, layer, cache::Role::cached);
  });
  co_return blob;
}

Task<void> end_working(Core* core, std::shared_ptr<OpenFile> file,
                       std::shared_ptr<cache::Blob> blob) {
  cache::BlobStore& store = core->env.store;
  const InodeId inode = file->inode();
  const bool is_kept = co_await core->env.pool.run([&store, inode, blob] {
    if (blob->info().state != cache::BlobState::working) return true;
    if (blob->seal(false)) return true;
    (void)store.remove(inode);
    return false;
  });
  if (is_kept) co_return;
  // What is written to a blob that the store has forgotten, nobody could ever fetch.
  file->update([&](FileState& state) {
    if (state.blob == blob) state.blob.reset();
  });
}

Task<Result<void>> fetch_missing(Core* core, std::shared_ptr<cache::Blob> blob,
                                 std::vector<cache::BlockRun> runs, cache::Urgency urgency) {
  std::vector<Task<Result<void>>> pieces;
  for (cache::BlockRun run : runs) {
    while (run.count > 0) {
      const cache::BlockRun piece{run.first, std::min(run.count, kBlocksPerFetch)};
      pieces.push_back(fetch_piece(core, blob, piece, urgency));
      run.first += piece.count;
      run.count -= piece.count;
    }
  }
  if (pieces.empty()) co_return Result<void>{};
  if (pieces.size() == 1) {
    Result<void> only = co_await std::move(pieces.front());
    co_return only;
  }
  Result<void> all = co_await base::all_within(kFetchesAtOnce, std::move(pieces));
  co_return all;
}

}  // namespace shoal::fs
