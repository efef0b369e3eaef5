// SPDX-License-Identifier: MIT
#include "fs/write_path.h"

#include <fcntl.h>
#include <linux/falloc.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "fs/blobs.h"
#include "fs/conflict.h"
#include "fs/names.h"
#include "fs/pages.h"

namespace shoal::fs {

void note_change(const Core& core, OpenFile& file, std::uint64_t end) {
  const std::int64_t now = core.wall_nanoseconds();
  file.update([&](FileState& state) {
    if (!state.is_dirty) state.size = state.content.id.size;
    state.is_dirty = true;
    state.is_flushed = false;
    state.is_changed_since_seal = true;
    state.size = std::max(state.size, end);
    state.mtime = now;
    state.change_time = now;
    state.is_mtime_explicit = false;
  });
}

namespace {

/// Takes over what the tracker granted. Shape: the caller holds serial().
Task<Result<void>> take_grant(Core* core, std::shared_ptr<OpenFile> file, wire::InodeRecord record,
                              std::uint64_t generation) {
  const FileState before = file->state();
  const bool moved_on = before.has_content && before.content.id != record.content.id;
  if (before.is_dirty && moved_on && !before.is_published_as(record.content)) {
    const Result<bool> kept = co_await set_aside(core, file);
    if (!kept) co_return pass(kept);
    if (*kept) co_return fail(Errc::conflict, "another peer changed inode {} first", file->inode());
  }
  if (moved_on && !before.is_dirty && before.is_working && before.blob) {
    co_await end_working(core, file, before.blob);
  }
  file->update([&](FileState& state) {
    if (moved_on && !state.is_dirty) {
      state.blob.reset();
      state.is_working = false;
    }
    state.content = record.content;
    state.version = record.version;
    state.has_content = true;
    state.is_delegated = true;
    state.generation = generation;
  });
  co_return Result<void>{};
}

/// The delegation of a file that lies in a directory of ours.
Result<wire::InodeRecord> take_here(Core& core, InodeId inode) {
  auto taken = core.volume.change_here(operation_now(core, wire::TakeDelegation{inode}));
  if (!taken) return fail(Errc::not_found, "its directory is not delegated");
  if (!*taken) return pass(std::move(*taken));
  return (*taken)->records.front();
}

/// One request. Without a guard: what was granted has been recalled already.
Task<Result<Turn::Guard>> ask_once(Core* core, std::shared_ptr<OpenFile> file, Deadline deadline,
                                   bool* is_granted) {
  const std::uint64_t generation = core->tracker.session_generation();
  file->begin_acquiring();
  auto record = take_here(*core, file->inode());
  if (!record) record = co_await core->volume.delegate(file->inode(), deadline);
  if (!record) {
    (void)file->end_acquiring();
    co_return pass(std::move(record));
  }
  auto guard = co_await file->serial().lock();
  const bool stands = file->end_acquiring();
  if (!guard) co_return guard;
  *is_granted = stands && record->delegated;
  if (!*is_granted) co_return guard;
  Result<void> taken = co_await take_grant(core, file, std::move(*record), generation);
  if (!taken) co_return pass(std::move(taken));
  co_return guard;
}

}  // namespace

Task<Result<Turn::Guard>> lock_to_write(Core* core, std::shared_ptr<OpenFile> file,
                                        Deadline deadline) {
  while (!deadline.has_passed(core->clock())) {
    {
      auto guard = co_await base::with_deadline(core->env.timer, deadline, file->serial().lock());
      if (!guard || core->may_write(file->state())) co_return guard;
    }
    auto turn = co_await base::with_deadline(core->env.timer, deadline, file->acquiring().lock());
    if (!turn) co_return pass(std::move(turn));
    if (core->may_write(file->state())) continue;  // whoever was before us has got it
    bool is_granted = false;
    auto guard = co_await ask_once(core, file, deadline, &is_granted);
    if (!guard || is_granted) co_return guard;
  }
  co_return fail(Errc::timed_out, "the right to write inode {} did not come", file->inode());
}

Task<Result<void>> acquire(Core* core, std::shared_ptr<OpenFile> file, Deadline deadline) {
  auto guard = co_await lock_to_write(core, file, deadline);
  if (!guard) co_return pass(std::move(guard));
  co_return Result<void>{};
}

Task<Result<void>> begin_working(Core* core, std::shared_ptr<OpenFile> file) {
  FileState state = file->state();
  if (state.is_working) co_return Result<void>{};
  auto exclusion = co_await file->exclude(OpenFile::Excluded::everything);
  if (!exclusion) co_return pass(std::move(exclusion));
  cache::BlobStore& store = core->env.store;
  const InodeId inode = file->inode();
  Result<std::shared_ptr<cache::Blob>> blob = state.blob;
  const std::shared_ptr<Passage> passage = file->passage();
  if (passage && !state.is_dirty && state.content.id.is_empty()) {
    // Programs write to just this file: it stays.
    const std::shared_ptr<cache::Blob> kept = passage->blob();
    const Result<void> emptied =
        co_await core->env.pool.run([kept, &store, inode]() -> Result<void> {
          if (store.find(inode) != kept) return fail(Errc::io, "the blob was replaced");
          Result<void> begun = kept->begin_working();
          return begun ? kept->resize(0) : begun;
        });
    if (!emptied) co_return emptied;
    blob = kept;
  } else if (!state.is_dirty && state.content.id.is_empty()) {
    blob = co_await core->env.pool.run([&store, inode] { return store.create_working(inode); });
  } else if (!state.blob) {
    blob = co_await obtain_blob(core, inode, state.content);
  }
  if (!blob) co_return pass(std::move(blob));
  const std::shared_ptr<cache::Blob> working = *blob;
  Result<void> begun = co_await core->env.pool.run([working] { return working->begin_working(); });
  if (!begun) co_return begun;
  file->update([&](FileState& changed) {
    changed.blob = working;
    changed.is_working = true;
  });
  co_return Result<void>{};
}

std::optional<Result<Written>> write_in_place(Core& core, OpenFile& file, bool appending,
                                              std::uint64_t offset, ByteView data) {
  if (!file.begin_write()) return std::nullopt;
  const SharedUse use(file, SharedUse::Kind::write);
  const FileState state = file.state();
  if (!state.is_working || !core.may_write(state)) return std::nullopt;
  const std::uint64_t at = appending ? size_of(state) : offset;
  if (!state.blob->missing_for_write(at, data.size()).empty()) return std::nullopt;
  Result<void> written = state.blob->write_at(at, data);
  if (!written) return Result<Written>(pass(std::move(written)));
  note_change(core, file, at + data.size());
  return Result<Written>(Written{at, data.size(), appending});
}

void answer_write(Core& core, Reply& reply, InodeId inode, std::uint64_t offset,
                  const Result<Written>& written) {
  if (!written) {
    reply.fail(written.error());
    return;
  }
  const std::shared_ptr<OpenFile> file = core.table.find_file(inode);
  if (file && written->is_append) file->appended(offset + written->count, core.clock().steady());
  reply.written(written->count);
  if (written->offset != offset) {
    base::log_debug("appended elsewhere than the kernel thought inode={} at={} thought={}", inode,
                    written->offset, offset);
    (void)core.notifier.submit({Notifier::Job::Kind::pages, inode, {}, {0, 0}});
  }
}

namespace {

/// Sees to everything that writing [offset, offset + length) needs. Shape: the caller has the guard
/// of lock_to_write(), and keeps it until the bytes are written.
Task<Result<void>> prepare_write(Core* core, std::shared_ptr<OpenFile> file, bool appending,
                                 std::uint64_t offset, std::uint64_t length) {
  Result<void> working = co_await begin_working(core, file);
  if (!working) co_return working;
  const FileState state = file->state();
  const std::uint64_t at = appending ? size_of(state) : offset;
  Result<void> fetched = co_await fetch_missing(
      core, state.blob, state.blob->missing_for_write(at, length), cache::Urgency::reader);
  co_return fetched;
}

/// Between two attempts to write over a content whose blocks could not be had.
constexpr std::chrono::milliseconds kStalePause{5};

/// After a failed prepare_write: true when it is worth another attempt, after a pause.
Task<bool> may_repeat(Core* core, Error error) {
  if (error.code() != Errc::stale) co_return false;
  const Result<void> waited = co_await core->env.timer.wait_for(kStalePause);
  co_return waited.has_value();
}

/// Tells the invalidation of pages which page may be locked by a write that waits.
class WaitingWrite {
 public:
  WaitingWrite(OpenFile& file, ByteRange range) : file_(file) { file_.set_waiting_write(range); }
  ~WaitingWrite() { file_.set_waiting_write(std::nullopt); }
  WaitingWrite(const WaitingWrite&) = delete;
  WaitingWrite& operator=(const WaitingWrite&) = delete;

 private:
  OpenFile& file_;
};

}  // namespace

Task<void> write_task(Core* core, Reply reply, std::shared_ptr<FileHandle> handle, bool appending,
                      std::uint64_t offset, Bytes data) {
  const std::shared_ptr<OpenFile> file = handle->file();
  const Deadline deadline = core->metadata_deadline();
  const WaitingWrite waiting(*file, {offset, offset + data.size()});
  while (reply.is_open()) {
    auto guard = co_await lock_to_write(core, file, deadline);
    if (!guard) {
      reply.fail(guard.error());
      co_return;
    }
    if (handle->has_lost_locks()) {
      reply.error(EIO);
      co_return;
    }
    Result<void> ready = co_await prepare_write(core, file, appending, offset, data.size());
    if (!ready) {
      guard = Turn::Guard();
      const bool again = co_await may_repeat(core, ready.error());
      if (again) continue;
      reply.fail(ready.error());
      co_return;
    }
    OpenFile* const raw = file.get();
    auto written = co_await core->env.pool.run([core, raw, appending, offset, &data] {
      return write_in_place(*core, *raw, appending, offset, data);
    });
    if (!written) continue;  // the lease ended
    finish_write(*core, std::move(reply), file, offset, *written);
    co_return;
  }
}

Task<Result<void>> truncate(Core* core, std::shared_ptr<OpenFile> file, std::uint64_t size,
                            Deadline deadline) {
  if (size > base::kMaxFileBytes) co_return fail(Errc::too_large, "files end at 2^53 bytes");
  auto guard = co_await lock_to_write(core, file, deadline);
  if (!guard) co_return pass(std::move(guard));
  Result<void> working = co_await begin_working(core, file);
  if (!working) co_return working;
  const FileState state = file->state();
  const std::uint64_t cut = size % kBlockBytes;
  if (size < size_of(state) && cut != 0) {
    Result<void> fetched = co_await fetch_missing(
        core, state.blob, state.blob->missing(size - cut, cut), cache::Urgency::reader);
    if (!fetched) co_return fetched;
  }
  auto exclusion = co_await file->exclude(OpenFile::Excluded::everything);
  if (!exclusion) co_return pass(std::move(exclusion));
  const std::shared_ptr<cache::Blob> blob = state.blob;
  Result<void> resized = co_await core->env.pool.run([blob, size] { return blob->resize(size); });
  if (!resized) co_return resized;
  note_change(*core, *file, 0);
  file->update([&](FileState& changed) { changed.size = size; });
  co_return Result<void>{};
}

namespace {

struct FallocateKind {
  bool is_known = true;
  bool zeroes = false;
  bool punches = false;
  bool keeps_size = false;
};

FallocateKind kind_of_fallocate(int mode) {
  FallocateKind kind;
  kind.keeps_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
  const int rest = mode & ~FALLOC_FL_KEEP_SIZE;
  kind.punches = rest == FALLOC_FL_PUNCH_HOLE;
  kind.zeroes = kind.punches || rest == FALLOC_FL_ZERO_RANGE;
  kind.is_known = kind.zeroes || rest == 0;
  return kind;
}

/// The change itself. Thread: pool, within a begin_write().
Result<void> carry_out(const FileState& state, FallocateKind kind, std::uint64_t offset,
                       std::uint64_t length) {
  const std::uint64_t size = size_of(state);
  if (!kind.zeroes) return state.blob->allocate(offset, length, kind.keeps_size);
  const std::uint64_t end = std::min(offset + length, std::max(size, offset));
  if (offset < size && end > offset) {
    Result<void> zeroed = state.blob->zero(offset, end - offset, kind.punches);
    if (!zeroed) return zeroed;
  }
  if (!kind.keeps_size && offset + length > size) return state.blob->resize(offset + length);
  return {};
}

std::optional<Result<void>> fallocate_in_place(Core& core, OpenFile& file, FallocateKind kind,
                                               std::uint64_t offset, std::uint64_t length) {
  if (!file.begin_write()) return std::nullopt;
  const SharedUse use(file, SharedUse::Kind::write);
  const FileState state = file.state();
  if (!state.is_working || !core.may_write(state)) return std::nullopt;
  if (kind.zeroes && !state.blob->missing_for_write(offset, length).empty()) return std::nullopt;
  Result<void> done = carry_out(state, kind, offset, length);
  if (done) note_change(core, file, kind.keeps_size ? 0 : offset + length);
  return done;
}

}  // namespace

Task<void> fallocate_task(Core* core, Reply reply, std::shared_ptr<FileHandle> handle, int mode,
                          std::uint64_t offset, std::uint64_t length) {
  const FallocateKind kind = kind_of_fallocate(mode);
  if (!kind.is_known) {
    reply.fail(Error(Errc::unsupported, "fallocate mode"));
    co_return;
  }
  if (offset + length > base::kMaxFileBytes) {
    reply.fail(Error(Errc::too_large, "files end at 2^53 bytes"));
    co_return;
  }
  const std::shared_ptr<OpenFile> file = handle->file();
  const KernelLock lock(file, reply);
  const Deadline deadline = core->metadata_deadline();
  while (reply.is_open()) {
    auto guard = co_await lock_to_write(core, file, deadline);
    if (!guard) {
      reply.fail(guard.error());
      co_return;
    }
    Result<void> ready = co_await prepare_write(core, file, false, offset, length);
    if (!ready) {
      guard = Turn::Guard();
      const bool again = co_await may_repeat(core, ready.error());
      if (again) continue;
      reply.fail(ready.error());
      co_return;
    }
    OpenFile* const raw = file.get();
    auto done = co_await core->env.pool.run([core, raw, kind, offset, length] {
      return fallocate_in_place(*core, *raw, kind, offset, length);
    });
    if (!done) continue;  // the lease ended
    if (*done) {
      reply.ok();
    } else {
      reply.fail(done->error());
    }
    co_return;
  }
}

}  // namespace shoal::fs
