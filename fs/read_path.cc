// SPDX-License-Identifier: MIT
#include "fs/read_path.h"

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "base/metrics.h"
#include "fs/blobs.h"
#include "fs/read_aside.h"
#include "fs/write_path.h"

namespace shoal::fs {
namespace {

/// Readahead tasks of one mount; beyond it readers wait for their own chunks.
constexpr std::uint64_t kMaxPrefetches = 64;
constexpr std::chrono::seconds kPrefetchTime{30};
/// A read gives up when its blocks vanish again and again between fetching and reading.
constexpr int kMaxRounds = 50;

ReadView view_of(const FileState& state) {
  return {state.blob, size_of(state), state.content.chunk_bytes};
}

bool is_whole(const FileState& state) { return state.blob != nullptr || size_of(state) == 0; }

Task<void> prefetch(Core* core, std::shared_ptr<cache::Blob> blob, ByteRange range) {
  for (const cache::BlockRun run : blob->missing(range.begin, range.length())) {
    const Deadline deadline = Deadline::after(core->clock(), kPrefetchTime);
    const Result<void> fetched =
        co_await core->env.source.fetch(blob, run, cache::Urgency::readahead, deadline);
    if (!fetched && fetched.error().code() == Errc::no_space) note_full_store(*core);
    if (!fetched) break;  // the reader will find out itself
  }
  --core->prefetches;
}

void start_prefetch(Core& core, const ReadView& view, ByteRange ahead) {
  if (ahead.is_empty() || core.prefetches.load() >= kMaxPrefetches) return;
  if (is_store_full(core)) return;
  if (view.blob->missing(ahead.begin, ahead.length()).empty()) return;
  ++core.prefetches;
  core.launch(prefetch(&core, view.blob, ahead));
}

}  // namespace

std::optional<ReadView> view_in_memory(const Core& core, const OpenFile& file) {
  const FileState state = file.state();
  if (core.may_write(state)) {
    if (is_whole(state)) return view_of(state);
    return std::nullopt;
  }
  if (!state.has_content || state.is_working || state.is_dirty || !is_whole(state)) {
    return std::nullopt;
  }
  const auto record = core.volume.find_inode(file.inode());
  if (!record || record->content != state.content) return std::nullopt;
  return view_of(state);
}

Task<Result<ReadView>> make_view(Core* core, std::shared_ptr<OpenFile> file, bool with_refresh,
                                 Deadline deadline) {
  if (file->state().is_dirty && !core->may_write(file->state())) {
    // Our bytes are not published and the right to them is in doubt.
    Result<void> acquired = co_await acquire(core, file, deadline);
    if (!acquired && file->state().is_dirty) co_return pass(std::move(acquired));
  }
  auto guard = co_await base::with_deadline(core->env.timer, deadline, file->serial().lock());
  if (!guard) co_return pass(std::move(guard));
  if (!with_refresh) {
    auto view = view_in_memory(*core, *file);
    if (view) co_return std::move(*view);
  }
  wire::InodeRecord record;
  const FileState before = file->state();
  if (before.is_dirty && !core->may_write(before)) {
    co_return fail(Errc::not_found, "the right to inode {} was lost again", file->inode());
  }
  if (core->may_write(before)) {
    record.content = before.content;
    record.version = before.version;
  } else {
    auto asked = co_await core->volume.get_inode(file->inode(), true, deadline);
    if (!asked) co_return pass(std::move(asked));
    record = std::move(*asked);
  }
  const bool is_same = before.has_content && before.content == record.content;
  if (is_same && is_whole(before) && !before.is_working) co_return view_of(file->state());
  if (is_same && before.is_working && before.blob) co_return view_of(file->state());

  auto exclusion = co_await file->exclude(OpenFile::Excluded::everything);
  if (!exclusion) co_return pass(std::move(exclusion));
  if (before.is_working && before.blob) co_await end_working(core, file, before.blob);
  std::shared_ptr<cache::Blob> blob;
  if (!record.content.id.is_empty()) {
    auto obtained = co_await obtain_blob(core, file->inode(), record.content);
    if (!obtained) co_return pass(std::move(obtained));
    blob = std::move(*obtained);
  }
  file->update([&](FileState& state) {
    state.blob = blob;
    state.content = record.content;
    state.version = record.version;
    state.has_content = true;
    state.is_working = false;
  });
  co_return view_of(file->state());
}

std::optional<Result<std::size_t>> read_in_place(Core& core, FileHandle& handle,
                                                 std::uint64_t offset, MutableByteView out) {
  OpenFile& file = *handle.file();
  const auto view = view_in_memory(core, file);
  if (!view) return std::nullopt;
  if (offset >= view->size || out.empty()) return Result<std::size_t>(std::size_t{0});
  const std::size_t wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), view->size - offset));
  if (!file.begin_read()) return std::nullopt;
  const SharedUse use(file, SharedUse::Kind::read);
  auto got = view->blob->read_at(offset, out.first(wanted));
  if (!got && got.error().code() == Errc::not_found) return std::nullopt;
  if (got) {
    const Readahead::Plan plan = handle.on_read(offset, wanted, view->size, view->chunk_bytes);
    start_prefetch(core, *view, plan.ahead);
  }
  return got;
}

namespace {

/// One round of a read: the view, the fetch of what is absent, the bytes.
/// Errors: stale: the content has moved on; not_found: blocks vanished; begin again after either.
Task<Result<std::size_t>> read_round(Core* core, std::shared_ptr<FileHandle> handle,
                                     std::uint64_t offset, Bytes* out, bool with_refresh,
                                     Deadline deadline) {
  const std::shared_ptr<OpenFile> file = handle->file();
  auto view = co_await make_view(core, file, with_refresh, deadline);
  if (!view) co_return pass(std::move(view));
  if (offset >= view->size || out->empty()) co_return std::size_t{0};
  const std::uint64_t wanted = std::min<std::uint64_t>(out->size(), view->size - offset);
  const std::shared_ptr<cache::Blob> blob = view->blob;
  const MutableByteView place = MutableByteView(*out).first(static_cast<std::size_t>(wanted));
  if (!blob->missing(offset, wanted).empty()) {
    if (is_store_full(*core)) {
      auto aside = co_await read_aside(core, blob, offset, place, deadline);
      co_return aside;
    }
    const Readahead::Plan plan = handle->on_read(offset, wanted, view->size, view->chunk_bytes);
    start_prefetch(*core, *view, plan.ahead);
    for (const cache::BlockRun run : blob->missing(plan.urgent.begin, plan.urgent.length())) {
      Result<void> fetched =
          co_await core->env.source.fetch(blob, run, cache::Urgency::reader, deadline);
      if (!fetched && fetched.error().code() == Errc::no_space) {
        note_full_store(*core);
        auto aside = co_await read_aside(core, blob, offset, place, deadline);
        co_return aside;
      }
      if (!fetched) co_return pass(std::move(fetched));
    }
  }
  if (!file->begin_read()) {
    co_await file->wait_until_free();
    co_return fail(Errc::not_found, "the file is turning to another content");
  }
  OpenFile* const raw = file.get();
  auto got = co_await core->env.pool.run([blob, raw, offset, place] {
    const SharedUse use(*raw, SharedUse::Kind::read);
    return blob->read_at(offset, place);
  });
  co_return got;
}

void count_failed_read(InodeId inode, const Error& error) {
  static base::Counter& failures = base::counter("shoal_reads_failed_total");
  failures.add();
  base::log_warning("a read failed inode={} reason={}", inode, error.message());
}

}  // namespace

Task<void> read_task(Core* core, Reply reply, std::shared_ptr<FileHandle> handle,
                     std::uint64_t offset, std::size_t size) {
  if (handle->file()->holds_reads()) co_await handle->file()->wait_until_reads_released();
  const Deadline deadline = handle->read_deadline(core->clock(), core->options.read_budget);
  Bytes out(size);
  bool with_refresh = false;
  for (int round = 0; reply.is_open(); ++round) {
    auto got = co_await read_round(core, handle, offset, &out, with_refresh, deadline);
    if (handle->has_lost_locks()) {
      reply.error(EIO);
      co_return;
    }
    if (got) {
      reply.bytes(ByteView(out).first(*got));
      co_return;
    }
    const Errc code = got.error().code();
    const bool may_repeat = code == Errc::stale || code == Errc::not_found;
    if (!may_repeat || round >= kMaxRounds || deadline.has_passed(core->clock())) {
      count_failed_read(handle->inode(), got.error());
      if (code == Errc::unreachable) handle->set_unreachable(core->clock().steady());
      if (code == Errc::not_found) {
        reply.fail(Error(Errc::stale, "the file is gone"));
      } else {
        reply.fail(got.error());
      }
      co_return;
    }
    with_refresh = code == Errc::stale;
  }
}

Task<void> seek_task(Core* core, Reply reply, std::shared_ptr<FileHandle> handle,
                     std::uint64_t offset, bool data) {
  const KernelLock lock(handle->file(), reply);
  auto view = co_await make_view(core, handle->file(), false, core->metadata_deadline());
  if (!view) {
    reply.fail(view.error());
    co_return;
  }
  if (offset >= view->size) {
    reply.fail(Error(Errc::out_of_range, "behind the end"));
    co_return;
  }
  const std::shared_ptr<cache::Blob> blob = view->blob;
  auto found =
      co_await core->env.pool.run([blob, offset, data] { return blob->seek(offset, data); });
  if (found) {
    reply.offset(*found);
  } else {
    reply.fail(found.error());
  }
}

}  // namespace shoal::fs
