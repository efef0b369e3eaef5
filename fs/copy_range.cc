// SPDX-License-Identifier: MIT
#include "fs/copy_range.h"

#include <cerrno>

#include "base/hash_tree.h"
#include "base/log.h"
#include "fs/blobs.h"
#include "fs/names.h"
#include "fs/read_path.h"
#include "fs/write_path.h"

namespace shoal::fs {
namespace {

// For copying the bytes of one local blob into another: what a slow disk needs.
constexpr std::chrono::seconds kCopyTime{10};
constexpr std::chrono::milliseconds kCopyTimePerMiB{100};

/// The source's content when it is unchanged and whole on this peer, who by publishing it says that
/// it is a complete holder.
Task<std::optional<wire::ContentRef>> shareable(Core* core, std::shared_ptr<OpenFile> source,
                                                Deadline deadline) {
  auto view = co_await make_view(core, source, false, deadline);
  const FileState state = source->state();
  if (!view || state.is_dirty || state.is_working || state.content.id.is_empty()) {
    co_return std::nullopt;
  }
  const std::shared_ptr<cache::Blob> blob = view->blob;
  const bool is_whole = co_await core->env.pool.run(
      [blob] { return blob->info().state == cache::BlobState::sealed; });
  if (!is_whole) co_return std::nullopt;
  co_return state.content;
}

Task<Result<void>> publish_shared(Core* core, std::shared_ptr<OpenFile> target,
                                  wire::ContentRef content, std::vector<Digest> layer,
                                  std::uint64_t allocated_bytes, Deadline deadline) {
  auto guard = co_await lock_to_write(core, target, deadline);
  if (!guard) co_return pass(std::move(guard));
  auto exclusion = co_await target->exclude(OpenFile::Excluded::everything);
  if (!exclusion) co_return pass(std::move(exclusion));
  const FileState state = target->state();
  if (state.is_dirty || !state.content.id.is_empty()) {
    co_return fail(Errc::unsupported, "the target has bytes already");
  }
  wire::Publish publish;
  publish.inode = target->inode();
  publish.version = state.version;
  publish.content = content;
  publish.layer = std::move(layer);
  publish.allocated_bytes = allocated_bytes;
  publish.mtime = core->wall_nanoseconds();
  std::vector<wire::Operation> operations;
  operations.push_back(operation_now(*core, std::move(publish)));
  auto replies = co_await core->volume.mutate(std::move(operations), Touches{{}, {target->inode()}},
                                              {}, deadline);
  if (!replies) co_return pass(std::move(replies));
  const wire::InodeRecord* record =
      replies->empty() ? nullptr : record_in(replies->front(), target->inode());
  if (record == nullptr) co_return fail(Errc::internal, "the tracker's answer lacks the inode");
  if (state.is_working && target->passage()) {
    co_await end_working(core, target, state.blob);  // programs write to just this file
  } else if (state.is_working) {                     // an empty one
    cache::BlobStore& store = core->env.store;
    const InodeId inode = target->inode();
    const Result<void> removed =
        co_await core->env.pool.run([&store, inode] { return store.remove(inode); });
    if (!removed) co_return removed;
  }
  target->update([&](FileState& changed) {
    changed.blob.reset();
    changed.is_working = false;
    changed.content = record->content;
    changed.version = record->version;
    changed.has_content = true;
  });
  co_return Result<void>{};
}

/// Gives the target a blob of its own, out of the source's: the source's may be written to next,
/// and then this peer, which says that it holds the content, would no longer have it.
Task<Result<void>> keep_copy(Core* core, InodeId inode, cache::Shape shape,
                             std::vector<Digest> layer) {
  cache::BlobStore& store = core->env.store;
  auto make = [&store, inode, shape, layer = std::move(layer)] {
    return store.obtain(inode, shape, layer, cache::Role::replica);
  };
  auto blob = co_await core->env.pool.run(std::move(make));
  if (!blob) co_return pass(std::move(blob));
  const std::shared_ptr<cache::Blob> own = *blob;
  const Deadline deadline =
      Deadline::after(core->clock(), kCopyTime + kCopyTimePerMiB * (shape.content.size >> 20));
  const cache::BlockRun all{0, base::block_count(shape.content.size)};
  Result<void> copied =
      co_await core->env.source.fetch(own, all, cache::Urgency::readahead, deadline);
  co_return copied;
}

}  // namespace

Task<void> copy_range_task(Core* core, Reply reply, std::shared_ptr<FileHandle> from,
                           std::shared_ptr<FileHandle> to, CopyRange range) {
  const Deadline deadline = core->metadata_deadline();
  const KernelLock lock(to->file(), reply);
  const bool from_start = range.from_offset == 0 && range.to_offset == 0;
  if (!from_start || from->inode() == to->inode()) {
    reply.error(EOPNOTSUPP);
    co_return;
  }
  auto content = co_await shareable(core, from->file(), deadline);
  if (!content || range.length < content->id.size) {
    reply.error(EOPNOTSUPP);
    co_return;
  }
  const std::shared_ptr<cache::Blob> blob = from->file()->state().blob;
  if (!blob) {
    reply.error(EOPNOTSUPP);
    co_return;
  }
  auto known = co_await core->env.pool.run([blob] { return blob->layer(); });
  std::vector<Digest> layer;
  if (known) layer = std::move(*known);
  if (content->id.size > content->chunk_bytes && layer.empty()) {
    reply.error(EOPNOTSUPP);
    co_return;
  }
  const std::uint64_t allocated = blob->info().allocated_bytes;
  Result<void> published =
      co_await publish_shared(core, to->file(), *content, layer, allocated, deadline);
  if (!published) {
    reply.error(EOPNOTSUPP);
    co_return;
  }
  Result<void> kept =
      co_await keep_copy(core, to->inode(), {content->id, content->chunk_bytes}, std::move(layer));
  if (!kept) {
    base::log_warning("a copied file has no bytes of its own here yet inode={} reason={}",
                      to->inode(), kept.error().message());
  }
  reply.written(static_cast<std::size_t>(content->id.size));
}

}  // namespace shoal::fs
