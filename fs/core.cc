// SPDX-License-Identifier: MIT
#include "fs/core.h"

#include <asio/post.hpp>

#include "base/check.h"
#include "base/log.h"
#include "base/metrics.h"
#include "fs/blobs.h"
#include "fs/events.h"
#include "fs/interrupts.h"
#include "wire/limits.h"

namespace shoal::fs {
namespace {

std::unique_ptr<Journal> memory_journal() {
  auto journal = Journal::open("");
  CHECK(journal.has_value());
  return std::move(*journal);
}

}  // namespace

void UnsentPublishes::add(InodeId inode, std::uint64_t version, Told told) {
  const base::MutexLock lock(mutex_);
  Unsent& unsent = by_inode_.try_emplace(inode, Unsent{version, 0, nullptr}).first->second;
  ++unsent.count;
  unsent.told = std::move(told);
}

void UnsentPublishes::remove(InodeId inode, bool was_applied) {
  const base::MutexLock lock(mutex_);
  const auto found = by_inode_.find(inode);
  if (found == by_inode_.end()) return;
  if (was_applied) ++found->second.version;
  if (--found->second.count == 0) by_inode_.erase(found);
}

bool UnsentPublishes::contains(InodeId inode) const {
  const base::MutexLock lock(mutex_);
  return by_inode_.contains(inode);
}

UnsentPublishes::Told UnsentPublishes::last_told(InodeId inode) const {
  const base::MutexLock lock(mutex_);
  const auto found = by_inode_.find(inode);
  return found == by_inode_.end() ? nullptr : found->second.told;
}

std::vector<wire::Reclaim> UnsentPublishes::all() const {
  std::vector<wire::Reclaim> all;
  const base::MutexLock lock(mutex_);
  for (const auto& [inode, unsent] : by_inode_) all.push_back({inode, unsent.version});
  return all;
}

Core::Core(Parts parts, MountOptions mount_options, TrackerPort& port,
           std::unique_ptr<Journal> journal)
    : env(parts),
      options(std::move(mount_options)),
      tracker(port),
      group(parts.loop.get_executor()),
      outbox(parts.loop, parts.timer, parts.pool, port,
             journal ? std::move(journal) : memory_journal()),
      volume(port, options.delegation ? &outbox : nullptr, parts.timer.clock()),
      locks(parts.loop.get_executor()),
      notifier(parts.loop.get_executor(), parts.timer),
      interrupts(std::make_unique<Interrupts>()),
      removal_ended(parts.loop.get_executor()),
      allocating_(parts.loop.get_executor()) {
  outbox.on_refused = [this](const wire::Operation& operation, const wire::OperationReply& reply) {
    on_refused(operation, reply);
  };
  volume.on_located = env.on_located;
  launch(outbox.run());
}

Core::~Core() = default;

/// A program was told of a change that did not take place, or not under the name it gave.
void Core::on_refused(const wire::Operation& operation, const wire::OperationReply& reply) {
  static base::Counter& conflicts = base::counter("shoal_journal_conflicts_total");
  conflicts.add();
  if (!reply.renamed_to.empty()) {
    base::log_warning("others used a name meanwhile; what was made here is kept as name={}",
                      base::printable(reply.renamed_to));
    return;
  }
  base::log_error("the tracker did not take a change that was made here number={} reason=\"{}\"",
                  operation.journal, Error(*reply.error, reply.context).message());
  if (!operation.detached) void_caches(*this, false);
}

std::int64_t Core::wall_nanoseconds() const { return clock().wall().time_since_epoch().count(); }

Deadline Core::metadata_deadline() const { return Deadline::after(clock(), wire::kCallTime); }

Deadline Core::read_deadline() const { return Deadline::after(clock(), options.read_budget); }

void Core::launch(Task<void> task) {
  asio::post(env.loop, [this, task = std::move(task)]() mutable {
    if (group.is_stopping()) return;
    spawn(group, std::move(task));
  });
}

std::optional<InodeId> Core::take_inode() {
  constexpr std::uint64_t kFew = wire::kInodeRange / 4;
  std::optional<InodeId> taken;
  bool refills = false;
  {
    const base::MutexLock lock(inodes_mutex_);
    if (inodes_.left == 0) inodes_ = std::exchange(spare_inodes_, {});
    if (inodes_.left > 0) {
      taken = InodeId(inodes_.next++);
      --inodes_.left;
    }
    refills = inodes_.left < kFew && spare_inodes_.left == 0 && !is_refilling_;
    if (refills) is_refilling_ = true;
  }
  if (refills) launch(refill_inodes());
  return taken;
}

Task<void> Core::refill_inodes() {
  const Result<void> fetched = co_await fetch_inodes(metadata_deadline());
  if (!fetched) base::log_debug("no inode numbers yet reason={}", fetched.error().message());
  const base::MutexLock lock(inodes_mutex_);
  is_refilling_ = false;
}

Task<Result<void>> Core::fetch_inodes(Deadline deadline) {
  auto guard = co_await allocating_.lock();
  if (!guard) co_return pass(std::move(guard));
  {
    const base::MutexLock lock(inodes_mutex_);
    if (spare_inodes_.left > 0) co_return Result<void>{};
  }
  auto range = co_await tracker.ask(wire::AllocateInodes{}, deadline);
  if (!range) co_return pass(std::move(range));
  if (range->count == 0) co_return fail(Errc::no_space, "the tracker gave no inode numbers");
  const base::MutexLock lock(inodes_mutex_);
  spare_inodes_ = {range->first.value(), range->count};
  co_return Result<void>{};
}

Task<Result<InodeId>> Core::allocate_inode(Deadline deadline) {
  for (;;) {
    if (const auto taken = take_inode()) co_return *taken;
    const Result<void> fetched = co_await fetch_inodes(deadline);
    if (!fetched) co_return pass(fetched);
  }
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

void Core::end_removal(InodeId inode, bool was_in_use) {
  if (!table.end_removal(inode, was_in_use)) return;
  asio::post(env.loop, [this] { removal_ended.pulse(); });
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
  // An answer that was on its way may be older than what was published here since.
  const bool is_newer = state.has_content && state.version > record.version;
  if (!state.is_dirty && !is_newer) return;
  wire::Attributes& attributes = record.attributes;
  attributes.size = size_of(state);
  attributes.mtime = state.is_dirty ? state.mtime : std::max(attributes.mtime, state.mtime);
  attributes.ctime = std::max(attributes.ctime, state.change_time);
  if (state.atime) attributes.atime = *state.atime;
  attributes.allocated_bytes = state.blob ? state.blob->info().allocated_bytes : 0;
}

}  // namespace shoal::fs
