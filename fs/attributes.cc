// SPDX-License-Identifier: MIT
#include "fs/attributes.h"

#include <cerrno>
#include <optional>

#include "fs/answers.h"
#include "fs/publish.h"
#include "fs/write_path.h"

namespace shoal::fs {
namespace {

/// The kernel looks a path up again after ESTALE, which is what is wanted for an inode that has
/// gone under a name that was good a moment ago.
void fail_for_inode(Reply& reply, const Error& error) {
  if (error.code() == Errc::not_found) {
    reply.error(ESTALE);
  } else {
    reply.fail(error);
  }
}

bool is_empty(const AttributeChange& change) {
  return !change.mode && !change.uid && !change.gid && !change.atime && !change.mtime;
}

/// Times of a file with unpublished bytes stay here and go out with them. True when that was all.
bool keep_times_here(Core& core, OpenFile& file, AttributeChange& change) {
  if (!change.atime && !change.mtime) return is_empty(change);
  const std::int64_t now = core.wall_nanoseconds();
  const bool kept = file.update([&](FileState& state) {
    if (!state.is_dirty) return false;
    if (change.atime) state.atime = change.atime;
    if (change.mtime) {
      state.mtime = *change.mtime;
      state.is_mtime_explicit = true;
    }
    state.change_time = now;
    return true;
  });
  if (!kept) return false;
  change.atime.reset();
  change.mtime.reset();
  return is_empty(change);
}

wire::SetAttributes operation_of(InodeId inode, const AttributeChange& change) {
  wire::SetAttributes set;
  set.inode = inode;
  set.mode = change.mode;
  set.uid = change.uid;
  set.gid = change.gid;
  set.atime = change.atime;
  set.mtime = change.mtime;
  return set;
}

Task<Result<void>> send_attributes(Core* core, InodeId inode, AttributeChange change,
                                   Deadline deadline) {
  auto reply = co_await core->volume.change(operation_now(*core, operation_of(inode, change)),
                                            Touches{{}, {inode}}, {}, deadline);
  if (!reply) co_return pass(std::move(reply));
  co_return Result<void>{};
}

/// The part of a change that concerns bytes: cut or grow, publish unless somebody here goes on
/// writing.
Task<Result<void>> change_size(Core* core, InodeId inode, std::uint64_t size, Deadline deadline) {
  const std::shared_ptr<OpenFile> file = core->file_for(inode);
  Result<void> outcome = co_await truncate(core, file, size, deadline);
  if (outcome && core->table.writers(inode) == 0) {
    outcome = co_await publish(core, file, {core->options.sync, true});
  }
  if (!file->state().is_dirty) core->table.release_file(file);
  co_return outcome;
}

}  // namespace

Task<void> get_attributes_task(Core* core, Reply reply, InodeId inode) {
  auto record = co_await core->volume.get_inode(inode, false, core->metadata_deadline());
  if (record) {
    answer_attributes(*core, reply, *record);
    co_return;
  }
  const bool is_gone = record.error().code() == Errc::not_found;
  if (is_gone && answer_removed_directory(*core, reply, inode)) co_return;
  fail_for_inode(reply, record.error());
}

bool set_attributes_here(Core& core, Reply& reply, InodeId inode, const AttributeChange& change) {
  if (change.size || is_empty(change)) return false;
  AttributeChange left = change;
  if (const std::shared_ptr<OpenFile> file = core.table.find_file(inode)) {
    // A file in use may have times of its own, and a publish that is under way takes those along
    // that it has seen.
    const auto turn = file->serial().try_lock();
    if (!turn || !core.volume.find_inode(inode)) return false;
    if (keep_times_here(core, *file, left))
      return answer_attributes_from_memory(core, reply, inode);
  }
  const auto outcome = core.volume.change_here(operation_now(core, operation_of(inode, left)));
  if (!outcome) return false;
  if (!*outcome) {
    fail_for_inode(reply, outcome->error());
  } else if (!answer_attributes_from_memory(core, reply, inode)) {
    answer_attributes(core, reply, (*outcome)->records.front());
  }
  return true;
}

Task<void> set_attributes_task(Core* core, Reply reply, InodeId inode, AttributeChange change) {
  const Deadline deadline = core->metadata_deadline();
  std::optional<KernelLock> lock;
  if (auto used = core->table.find_file(inode); used && used->passage()) {
    lock.emplace(std::move(used), reply);
  }
  if (change.size) {
    Result<void> resized = co_await change_size(core, inode, *change.size, deadline);
    if (!resized) {
      fail_for_inode(reply, resized.error());
      co_return;
    }
  }
  if (!is_empty(change)) {
    bool is_done = false;
    const std::shared_ptr<OpenFile> file = core->table.find_file(inode);
    if (file) {
      // A publish that is under way takes the times along that it has seen.
      auto guard = co_await file->serial().lock();
      is_done = keep_times_here(*core, *file, change);
    }
    Result<void> sent{};
    if (!is_done) sent = co_await send_attributes(core, inode, change, deadline);
    if (!sent) {
      fail_for_inode(reply, sent.error());
      co_return;
    }
  }
  lock.reset();
  if (answer_attributes_from_memory(*core, reply, inode)) co_return;
  co_await get_attributes_task(core, std::move(reply), inode);
}

Task<void> readlink_task(Core* core, Reply reply, InodeId inode) {
  auto record = co_await core->volume.get_inode(inode, false, core->metadata_deadline());
  if (!record) {
    fail_for_inode(reply, record.error());
  } else if (record->attributes.kind != wire::FileKind::symlink) {
    reply.error(EINVAL);
  } else {
    reply.target(record->target);
  }
}

}  // namespace shoal::fs
