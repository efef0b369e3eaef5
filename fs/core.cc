// SPDX-License-Identifier: MIT
#include "fs/core.h"

#include <asio/post.hpp>

#include "fs/interrupts.h"
#include "wire/limits.h"

namespace shoal::fs {
Core::Core(Parts parts, MountOptions mount_options, TrackerPort& port)
    : env(parts),
      options(std::move(mount_options)),
      tracker(port),
      volume(port, parts.timer.clock()),
      notifier(parts.loop.get_executor(), parts.timer),
      group(parts.loop.get_executor()),
      interrupts(std::make_unique<Interrupts>()),
      allocating_(parts.loop.get_executor()) {}

Core::~Core() = default;

std::int64_t Core::wall_nanoseconds() const { return clock().wall().time_since_epoch().count(); }

Deadline Core::metadata_deadline() const { return Deadline::after(clock(), wire::kCallTime); }

Deadline Core::read_deadline() const { return Deadline::after(clock(), options.read_budget); }

void Core::launch(Task<void> task) {
  asio::post(env.loop, [this, task = std::move(task)]() mutable {
    if (group.is_stopping()) return;
    spawn(group, std::move(task));
  });
}

Task<Result<InodeId>> Core::allocate_inode(Deadline deadline) {
  auto guard = co_await allocating_.lock();
  if (!guard) co_return pass(std::move(guard));
  if (inodes_left_ == 0) {
    auto range = co_await tracker.ask(wire::AllocateInodes{}, deadline);
    if (!range) co_return pass(std::move(range));
    if (range->count == 0) co_return fail(Errc::no_space, "the tracker gave no inode numbers");
    next_inode_ = range->first;
    inodes_left_ = range->count;
  }
  const InodeId inode = next_inode_;
  next_inode_ = InodeId(inode.value() + 1);
  --inodes_left_;
  co_return inode;
}

std::shared_ptr<OpenFile> Core::file_for(InodeId inode) {
  return table.file_for(inode, [this](InodeId made) {
    return std::make_shared<OpenFile>(made, env.loop.get_executor());
  });
}

std::shared_ptr<OpenFile> Core::open_file(InodeId inode, bool for_writing) {
  return table.open_file(inode, for_writing, [this](InodeId made) {
    return std::make_shared<OpenFile>(made, env.loop.get_executor());
  });
}

bool Core::may_write(const FileState& state) const {
  return state.is_delegated && state.generation == tracker.session_generation() &&
         volume.has_lease();
}

void Core::apply_local(wire::InodeRecord& record) const {
  if (record.attributes.kind != wire::FileKind::regular) return;
  const std::shared_ptr<OpenFile> file = table.find_file(record.inode);
  if (!file) return;
  const FileState state = file->state();
  if (!state.is_dirty) return;
  wire::Attributes& attributes = record.attributes;
  attributes.size = state.size;
  attributes.mtime = state.mtime;
  attributes.ctime = std::max(attributes.ctime, state.change_time);
  if (state.atime) attributes.atime = *state.atime;
  attributes.allocated_bytes = state.blob ? state.blob->info().allocated_bytes : 0;
}

}  // namespace shoal::fs
