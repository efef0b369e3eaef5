// SPDX-License-Identifier: MIT
#include "fs/files.h"

#include <fcntl.h>

#include <cerrno>

#include "fs/publish.h"
#include "fs/write_path.h"

namespace shoal::fs {
namespace {

bool is_for_writing(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

}  // namespace

std::shared_ptr<FileHandle> make_handle(Core& core, InodeId inode, int flags) {
  std::shared_ptr<OpenFile> file = core.open_file(inode, is_for_writing(flags));
  if (!file) return nullptr;
  return std::make_shared<FileHandle>(std::move(file), flags);
}

OpenOut open_out(Core& core, std::shared_ptr<FileHandle> handle) {
  OpenOut out;
  // Pages are dropped by events, so what the kernel has is good.
  out.keep_pages = true;
  if (core.passthrough) core.passthrough->choose(*handle, out);
  out.handle = reinterpret_cast<std::uintptr_t>(new std::shared_ptr(std::move(handle)));
  return out;
}

std::shared_ptr<FileHandle>& handle_of(std::uint64_t number) {
  return *reinterpret_cast<std::shared_ptr<FileHandle>*>(static_cast<std::uintptr_t>(number));
}

std::shared_ptr<FileHandle> take_handle(std::uint64_t number) {
  const std::unique_ptr<std::shared_ptr<FileHandle>> box(&handle_of(number));
  return std::move(*box);
}

namespace {

/// Takes a handle out of all books. nullopt: others are left, and there is nothing more to do.
std::optional<InodeTable::Closed> end_handle(Core& core, std::shared_ptr<FileHandle> handle) {
  if (core.passthrough) core.passthrough->leave(*handle);
  const InodeTable::Closed closed = core.table.remove_open(handle->inode(), handle->is_writable());
  if (!closed.was_last && !closed.was_last_writer) return std::nullopt;
  return closed;
}

}  // namespace

void close_handle(Core& core, std::shared_ptr<FileHandle> handle) {
  const std::shared_ptr<OpenFile> file = handle->file();
  const auto closed = end_handle(core, std::move(handle));
  if (closed) core.launch(after_close(&core, file, *closed));
}

void close_handle_here(Core& core, std::shared_ptr<FileHandle> handle) {
  std::shared_ptr<OpenFile> file = handle->file();
  const auto closed = end_handle(core, std::move(handle));
  if (!closed || settle_closed(core, file, *closed)) return;
  core.launch(after_close(&core, file, *closed));
}

InodeHold::~InodeHold() {
  if (!core_.table.end_hold(inode_)) return;
  core_.launch(after_close(&core_, core_.file_for(inode_), {true, false, true}));
}

namespace {

/// A removal of our own that began before the inode was held says that nobody has it open here; it
/// may not even have been sent.
Task<Result<void>> wait_until_removed(Core* core, InodeId inode) {
  while (core->table.is_being_removed(inode)) {
    Result<void> waited = co_await core->removal_ended.wait();
    if (!waited) co_return waited;
  }
  co_return base::ok();
}

}  // namespace

Task<Result<wire::InodeRecord>> get_held_inode(Core* core, InodeId inode, Deadline deadline) {
  if (core->table.is_being_removed(inode)) {
    Result<void> ended =
        co_await base::with_deadline(core->env.timer, deadline, wait_until_removed(core, inode));
    if (!ended) co_return pass(std::move(ended));
  }
  const bool was_doomed = core->table.is_doomed(inode);
  // Twice: the first question may have overtaken our answer, and then is told of the inode as it
  // was before.
  for (int questions = was_doomed ? 2 : 1;; --questions) {
    const std::uint64_t seen = core->table.dooms(inode);
    const bool was_kept = core->table.is_orphan(inode);
    auto record = co_await core->volume.get_inode(inode, true, deadline);
    if (!record) co_return record;
    if (questions > 1) continue;
    const bool is_linked = record->attributes.nlink > 0;
    core->table.clear_doom(inode, is_linked, seen);
    if (is_linked) co_return record;
    if (!core->table.is_orphan(inode)) {
      co_return fail(Errc::not_found, "only others have inode {} open", inode);
    }
    // What we have said behind the question may have come too late: others may have let it go.
    if (was_kept) co_return record;
  }
}

Task<Result<void>> make_ready(Core* core, std::shared_ptr<FileHandle> handle, int flags,
                              Deadline deadline) {
  Result<void> ready{};
  if (is_for_writing(flags) && (flags & O_TRUNC) != 0) {
    ready = co_await truncate(core, handle->file(), 0, deadline);
  } else if ((flags & O_ACCMODE) == O_WRONLY) {
    ready = co_await acquire(core, handle->file(), deadline);
  }
  co_return ready;
}

namespace {

/// Whether a file that is empty may be passed through.
bool may_pass(const Core& core, int flags) {
  if (!core.passthrough) return false;
  const bool can_be_mapped = (flags & O_ACCMODE) == O_RDWR;
  return is_for_writing(flags) &&
         (!can_be_mapped || core.options.passthrough == PassthroughOption::on);
}

/// close(2) returns before RELEASE has arrived: a reader who comes right behind the writer waits
/// for that, rather than read past the kernel's pages as long as it has the file open.
Task<void> wait_for_passage_end(Core* core, std::shared_ptr<OpenFile> file) {
  constexpr std::chrono::milliseconds kPause{1};
  constexpr int kTries = 20;
  for (int i = 0; i < kTries && file->passage(); ++i) {
    const Result<void> waited = co_await core->env.timer.wait_for(kPause);
    if (!waited) co_return;
  }
}

}  // namespace

Task<void> open_task(Core* core, Reply reply, InodeId inode, int flags) {
  const Deadline deadline = core->metadata_deadline();
  // Counts as open from here on, for those who ask. Waits until a removal that we have answered
  // already is through, so that a doomed inode is gone or safe.
  const InodeHold hold(*core, inode);
  Result<wire::InodeRecord> record = fail(Errc::not_found, "not in memory");
  if (!core->table.is_being_removed(inode) && core->volume.covers(inode)) {
    const std::uint64_t seen = core->table.dooms(inode);
    auto known = core->volume.find_inode(inode);
    if (known && known->attributes.nlink > 0) {
      core->table.clear_doom(inode, true, seen);
      record = std::move(*known);
    }
  }
  if (!record) record = co_await get_held_inode(core, inode, deadline);
  if (!record) {
    // Not ENOENT: with ESTALE the kernel looks the path up again, and finds what is there now.
    const bool is_gone = record.error().code() == Errc::not_found;
    if (is_gone) {
      reply.error(ESTALE);
    } else {
      reply.fail(record.error());
    }
    co_return;
  }
  std::shared_ptr<FileHandle> handle = make_handle(*core, inode, flags);
  if (!handle) {
    reply.error(ESTALE);
    co_return;
  }
  Result<void> ready = co_await make_ready(core, handle, flags, deadline);
  if (ready && record->content.id.is_empty() && may_pass(*core, flags)) {
    // A working copy before the open is answered, so that the kernel can write into it.
    auto guard = co_await lock_to_write(core, handle->file(), deadline);
    if (guard) {
      const Result<void> begun = co_await begin_working(core, handle->file());
      (void)begun;  // else the first write tries again, and tells why
    }
  }
  if (!ready) {
    close_handle(*core, std::move(handle));
    reply.fail(ready.error());
    co_return;
  }
  if ((flags & O_ACCMODE) != O_WRONLY) co_await wait_for_passage_end(core, handle->file());
  const OpenOut out = open_out(*core, handle);
  if (!reply.opened(out)) close_handle(*core, take_handle(out.handle));
}

namespace {

/// What failed in the background since the last close or fsync; told once.
Result<void> take_write_error(OpenFile& file) {
  auto error = file.update([](FileState& state) { return std::exchange(state.write_error, {}); });
  if (error) return std::unexpected(std::move(*error));
  return {};
}

void answer(Reply& reply, const Result<void>& outcome) {
  if (outcome) {
    reply.ok();
  } else {
    reply.fail(outcome.error());
  }
}

}  // namespace

Task<void> flush_task(Core* core, Reply reply, std::shared_ptr<FileHandle> handle,
                      LockTable::Key owner) {
  const std::shared_ptr<OpenFile> file = handle->file();
  Result<void> outcome = take_write_error(*file);
  // An orphan's bytes are for those who have it open here; a recall would publish them.
  if (outcome && !core->table.is_orphan(file->inode())) {
    const bool is_only_writer = core->table.writers(file->inode()) == 1;
    outcome = co_await publish(core, file, {core->options.sync, is_only_writer});
  }
  const Result<void> unlocked = co_await base::with_deadline(
      core->env.timer, core->metadata_deadline(), core->locks.wait_unlocked(owner));
  if (outcome && !unlocked) outcome = unlocked;
  answer(reply, outcome);
}

Task<void> fsync_task(Core* core, Reply reply, std::shared_ptr<FileHandle> handle) {
  const std::shared_ptr<OpenFile> file = handle->file();
  const KernelLock lock(file, reply);
  Result<void> outcome = take_write_error(*file);
  if (outcome) {
    const bool is_orphan = co_await is_surely_orphan(core, file->inode());
    if (!is_orphan) outcome = co_await publish(core, file, {true, false});
  }
  answer(reply, outcome);
}

}  // namespace shoal::fs
