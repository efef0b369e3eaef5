// SPDX-License-Identifier: MIT
#include "fs/publish.h"

#include "base/log.h"
#include "fs/blobs.h"
#include "fs/names.h"
#include "fs/write_path.h"
#include "wire/limits.h"

namespace shoal::fs {
namespace {

constexpr std::chrono::seconds kHousekeepInterval{3};

/// For what the tracker has to do at a publish; the bytes have their own time.
Deadline publish_deadline(const Core& core) { return core.metadata_deadline(); }

std::vector<wire::Operation> publish_operations(const OpenFile& file, const FileState& state,
                                                const cache::Sealed& sealed, bool release) {
  std::vector<wire::Operation> operations;
  if (state.atime || state.is_mtime_explicit) {
    wire::SetAttributes times;
    times.inode = file.inode();
    times.atime = state.atime;
    if (state.is_mtime_explicit) times.mtime = state.mtime;
    operations.push_back({std::move(times), state.change_time});
  }
  wire::Publish publish;
  publish.inode = file.inode();
  publish.version = state.version;
  publish.content = {sealed.shape.content, sealed.shape.chunk_bytes};
  publish.layer = sealed.layer;
  publish.allocated_bytes = sealed.allocated_bytes;
  if (!state.is_mtime_explicit) publish.mtime = state.mtime;
  publish.release = release;
  // The time of the last change, which programs here have seen as ctime already.
  operations.push_back({std::move(publish), state.change_time});
  return operations;
}

/// Fetches what is absent until nothing is, then excludes writes.
Task<Result<OpenFile::Exclusion>> complete_and_exclude(Core* core, std::shared_ptr<OpenFile> file) {
  for (;;) {
    const FileState state = file->state();
    Result<void> fetched = co_await fetch_missing(
        core, state.blob, state.blob->missing(0, state.size), cache::Urgency::reader);
    if (!fetched) co_return pass(std::move(fetched));
    auto exclusion = co_await file->exclude(OpenFile::Excluded::writes);
    if (!exclusion) co_return pass(std::move(exclusion));
    const FileState now = file->state();
    if (now.blob->missing(0, now.size).empty()) co_return std::move(*exclusion);
  }
}

/// Nothing changed: flush what was published before to the disk, give the delegation back.
Task<Result<void>> publish_nothing(Core* core, std::shared_ptr<OpenFile> file,
                                   PublishOptions options) {
  const FileState state = file->state();
  if (options.durable && state.blob) {
    const std::shared_ptr<cache::Blob> blob = state.blob;
    Result<void> synced = co_await core->env.pool.run([blob] { return blob->sync(); });
    if (!synced) co_return synced;
  }
  if (!options.release || !state.is_delegated) co_return Result<void>{};
  {
    auto exclusion = co_await file->exclude(OpenFile::Excluded::writes);
    if (!exclusion) co_return pass(std::move(exclusion));
    const bool is_clean = file->update([](FileState& changed) {
      if (changed.is_dirty) return false;
      changed.is_delegated = false;
      changed.is_working = false;
      return true;
    });
    if (!is_clean) co_return fail(Errc::busy, "written meanwhile");  // the caller goes on
    // Opened for change, but not changed: whole again.
    if (state.is_working && state.blob) co_await end_working(core, file, state.blob);
  }
  auto returned =
      co_await core->tracker.ask(wire::ReturnDelegation{file->inode()}, publish_deadline(*core));
  // If it did not arrive, the tracker recalls it and hears that it is not held.
  (void)returned;
  co_return Result<void>{};
}

Task<Result<void>> send_publish(Core* core, std::shared_ptr<OpenFile> file, FileState state,
                                cache::Sealed sealed, bool release) {
  auto operations = publish_operations(*file, state, sealed, release);
  Touches touches;
  touches.inodes.push_back(file->inode());
  auto replies = co_await core->volume.mutate(std::move(operations), std::move(touches), {},
                                              publish_deadline(*core));
  if (!replies) co_return pass(std::move(replies));
  const wire::InodeRecord* record =
      replies->empty() ? nullptr : record_in(replies->back(), file->inode());
  if (record == nullptr) co_return fail(Errc::internal, "the tracker's answer lacks the inode");
  file->update([&](FileState& changed) {
    changed.content = record->content;
    changed.version = record->version;
    changed.is_working = false;
    changed.is_dirty = false;
    changed.is_delegated = changed.is_delegated && !release;
    changed.atime.reset();
    changed.sealed_as.reset();
    changed.write_error.reset();
  });
  // Times and allocated size as the tracker has them may differ from what was shown meanwhile.
  const auto known = core->table.known(file->inode(), core->clock().steady());
  if (known.has_attributes) {
    (void)core->notifier.submit({Notifier::Job::Kind::attributes, file->inode(), {}, {}});
  }
  co_return Result<void>{};
}

/// Until now nobody but this peer may have known of the blob's bytes; from here on the tracker
/// counts on them as on any other copy, and may order that they make place for a newer content.
Task<void> note_published(Core* core, InodeId inode) {
  cache::BlobStore& store = core->env.store;
  const Result<void> noted = co_await core->env.pool.run(
      [&store, inode] { return store.set_role(inode, cache::Role::replica); });
  if (!noted) {
    base::log_warning("a published blob keeps its role inode={} reason={}", inode,
                      noted.error().message());
  }
}

}  // namespace

Task<Result<void>> publish_locked(Core* core, std::shared_ptr<OpenFile> file,
                                  PublishOptions options) {
  if (!file->state().is_dirty) {
    Result<void> nothing = co_await publish_nothing(core, file, options);
    const bool is_busy = !nothing && nothing.error().code() == Errc::busy;
    if (!is_busy) co_return nothing;
  }
  if (!core->may_write(file->state())) {
    co_return fail(Errc::stale, "inode {} is not ours to publish at this moment", file->inode());
  }
  auto exclusion = co_await complete_and_exclude(core, file);
  if (!exclusion) co_return pass(std::move(exclusion));
  const FileState state = file->state();
  const std::shared_ptr<cache::Blob> blob = state.blob;
  const bool durable = options.durable;
  auto sealed = co_await core->env.pool.run([blob, durable] { return blob->seal(durable); });
  if (!sealed) co_return pass(std::move(sealed));
  file->update([&](FileState& changed) {
    changed.sealed_as = wire::ContentRef{sealed->shape.content, sealed->shape.chunk_bytes};
    changed.is_changed_since_seal = false;
  });
  Result<void> sent = co_await send_publish(core, file, state, *sealed, options.release);
  if (sent) {
    co_await note_published(core, file->inode());
  } else {
    // Open again, so that the store lists it as unpublished should the daemon end before the next
    // attempt.
    Result<void> reopened = co_await core->env.pool.run([blob] { return blob->begin_working(); });
    if (!reopened) {
      base::log_error("a working copy cannot be kept inode={} reason={}", file->inode(),
                      reopened.error().message());
    }
  }
  co_return sent;
}

Task<Result<void>> publish(Core* core, std::shared_ptr<OpenFile> file, PublishOptions options) {
  const Deadline deadline = publish_deadline(*core);
  for (;;) {
    if (file->state().is_dirty) {
      Result<void> acquired = co_await acquire(core, file, deadline);
      if (!acquired) co_return acquired;
    }
    auto guard = co_await file->serial().lock();
    if (!guard) co_return pass(std::move(guard));
    Result<void> published = co_await publish_locked(core, file, options);
    const bool is_lost = !published && published.error().code() == Errc::stale;
    if (!is_lost || deadline.has_passed(core->clock())) co_return published;
  }
}

namespace {

/// A file that never had a content but the empty one: nobody else can have read what is here.
bool is_private(const FileState& state) {
  return state.is_dirty && state.content.id.is_empty() && !state.sealed_as;
}

/// Somebody has opened it again, by way of /proc or by a name that was on its way out: whoever
/// closes it last lets it go.
bool is_kept_after_all(Core& core, InodeId inode) {
  if (!core.table.is_in_use(inode)) return false;
  core.table.set_orphan(inode);
  return true;
}

/// The last handle on an unlinked file is closed. Other peers may have it open: then what it holds
/// is published for them, and what was published before stays until the tracker releases it.
Task<void> let_orphan_go(Core* core, std::shared_ptr<OpenFile> file) {
  if (is_kept_after_all(*core, file->inode())) co_return;
  Result<void> published{};
  const FileState before = file->state();
  if (before.is_dirty && !is_private(before)) {
    published = co_await publish(core, file, {false, true});
  }
  auto guard = co_await file->serial().lock();
  if (!guard) co_return;
  cache::BlobStore& store = core->env.store;
  const InodeId inode = file->inode();
  const FileState state = file->state();
  if (!state.is_dirty && state.is_working && state.blob) {
    co_await end_working(core, file, state.blob);
  } else if (!published || is_private(state)) {
    const Result<void> removed =
        co_await core->env.pool.run([&store, inode] { return store.remove(inode); });
    if (!removed) {
      base::log_warning("an unlinked file's blob stays inode={} reason={}", inode,
                        removed.error().message());
    }
  }
  file->update([](FileState& changed) { changed = FileState{}; });
  if (is_kept_after_all(*core, inode)) co_return;
  auto closed = co_await core->tracker.ask(wire::CloseOrphan{inode}, core->metadata_deadline());
  (void)closed;  // otherwise the tracker lets it go with the session
}

}  // namespace

Task<void> after_close(Core* core, std::shared_ptr<OpenFile> file, InodeTable::Closed closed) {
  const FileState state = file->state();
  if (closed.was_orphan) {
    co_await let_orphan_go(core, file);
  } else if (closed.was_last_writer && (state.is_dirty || state.is_delegated)) {
    Result<void> published = co_await publish(core, file, {core->options.sync, true});
    if (!published) {
      base::log_warning("closing a file did not publish it; trying again inode={} reason={}",
                        file->inode(), published.error().message());
    }
  }
  if (!file->state().is_dirty) core->table.release_file(std::move(file));
}

Task<Result<void>> publish_all(Core* core) {
  Result<void> outcome{};
  for (const std::shared_ptr<OpenFile>& file : core->table.files()) {
    if (!file->state().is_dirty) continue;
    Result<void> published = co_await publish(core, file, {true, true});
    if (!published && outcome) outcome = std::move(published);
  }
  co_return outcome;
}

Task<void> recover_unpublished(Core* core) {
  cache::BlobStore& store = core->env.store;
  const auto inodes = co_await core->env.pool.run([&store] { return store.unpublished(); });
  for (const InodeId inode : inodes) {
    const auto blob = co_await core->env.pool.run([&store, inode] { return store.find(inode); });
    if (!blob) continue;
    const cache::BlobInfo info = blob->info();
    if (info.state != cache::BlobState::working) continue;
    const std::int64_t now = core->wall_nanoseconds();
    const std::shared_ptr<OpenFile> file = core->file_for(inode);
    file->update([&](FileState& state) {
      if (state.blob) return;  // in use already
      state.blob = blob;
      state.content = {info.shape.content, info.shape.chunk_bytes};
      state.has_content = true;
      state.is_working = true;
      state.is_dirty = true;
      state.size = info.size;
      state.mtime = now;
      state.change_time = now;
    });
    base::log_info("a working copy of an earlier run is published now inode={} bytes={}", inode,
                   info.size);
  }
}

namespace {

/// The file was removed by others while its bytes were unpublished: nobody can ask for them.
Task<bool> drop_if_gone(Core* core, std::shared_ptr<OpenFile> file, const Error& error) {
  if (error.code() != Errc::not_found || core->table.opens(file->inode()) > 0) co_return false;
  base::log_warning("an unpublished file was removed meanwhile inode={}", file->inode());
  co_await let_orphan_go(core, file);
  co_return true;
}

Task<void> tend(Core* core, std::shared_ptr<OpenFile> file) {
  if (core->table.opens(file->inode()) > 0) co_return;
  const FileState state = file->state();
  if (state.is_dirty || (state.is_delegated && core->may_write(state))) {
    Result<void> published = co_await publish(core, file, {false, true});
    if (!published) {
      const Error error = published.error();
      const bool is_gone = co_await drop_if_gone(core, file, error);
      if (!is_gone) {
        base::log_debug("still unpublished inode={} reason={}", file->inode(), error.message());
        co_return;
      }
    }
  }
  core->table.release_file(std::move(file));
}

}  // namespace

Task<void> housekeep(Core* core) {
  co_await recover_unpublished(core);
  for (;;) {
    auto files = core->table.files();
    while (!files.empty()) {
      std::shared_ptr<OpenFile> file = std::move(files.back());
      files.pop_back();
      co_await tend(core, std::move(file));
    }
    const Result<void> waited = co_await core->env.timer.wait_for(kHousekeepInterval);
    if (!waited) co_return;
  }
}

}  // namespace shoal::fs
