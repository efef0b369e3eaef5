// SPDX-License-Identifier: MIT
#include "fs/events.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/log.h"
#include "base/metrics.h"
#include "fs/blobs.h"
#include "fs/pages.h"
#include "fs/publish.h"
#include "wire/limits.h"

namespace shoal::fs {
namespace {

using Job = Notifier::Job;

/// A name's directory may be locked by a request that waits for us: then all names go instead.
constexpr std::chrono::milliseconds kNamePatience{100};
/// The same where the kernel cannot drop all names: then the event is answered all the same.
constexpr std::chrono::seconds kNamePatienceAtMost{3};

/// The answer to a request of ours that was sent before an event comes before it.
constexpr std::chrono::milliseconds kGrantPatience{50};
constexpr std::chrono::milliseconds kAppendPause{1};
/// A directory of which nothing was asked for so long is not needed here when somebody else would
/// like to have it.
constexpr std::chrono::seconds kDirectoryIdle{5};

void count_unclear(const char* what, InodeId inode) {
  static base::Counter& unclear = base::counter("shoal_kernel_caches_unclear_total");
  unclear.add();
  base::log_warning("the kernel did not let go of {} in time inode={}", what, inode);
}

Task<Result<void>> drop_name(Core* core, InodeId directory, std::string name) {
  const bool has_epoch = core->notifier.can_drop_all_names();
  if (!core->notifier.may_wait_for_names() || (has_epoch && core->table.is_changing(directory))) {
    core->notifier.drop_all_names();
    co_return Result<void>{};
  }
  const Duration patience = has_epoch ? Duration(kNamePatience) : Duration(kNamePatienceAtMost);
  auto pending = core->notifier.submit({Job::Kind::name, directory, std::move(name), {}});
  const bool done =
      co_await core->notifier.finished(pending, Deadline::after(core->clock(), patience));
  if (done) co_return Result<void>{};
  if (!core->notifier.drop_all_names()) count_unclear("a name", directory);
  co_return Result<void>{};
}

/// The kernel does not know an inode that it was given: its answer is still on the way to the
/// process that waits for it. Without its names nobody reaches it without asking.
bool is_on_the_way(const Core& core, InodeId inode, int result) {
  return result == ENOENT && core.table.known(inode, core.clock().steady()).is_known;
}

Task<Result<void>> drop_attributes(Core* core, InodeId inode) {
  constexpr int kTries = 20;
  constexpr std::chrono::milliseconds kPause{1};
  const Deadline deadline = Deadline::after(core->clock(), kNamePatienceAtMost);
  for (int i = 0; i < kTries; ++i) {
    auto pending = core->notifier.submit({Job::Kind::attributes, inode, {}, {}});
    const bool done = co_await core->notifier.finished(pending, deadline);
    if (!done) {
      count_unclear("attributes", inode);
      co_return Result<void>{};
    }
    if (!is_on_the_way(*core, inode, pending->result())) co_return Result<void>{};
    if (core->notifier.drop_all_names()) co_return Result<void>{};
    const Result<void> waited = co_await core->env.timer.wait_for(kPause);
    if (!waited) co_return waited;
  }
  co_return Result<void>{};
}

/// What has to leave the kernel for one stale thing; nullopt for nothing.
std::optional<Task<Result<void>>> kernel_work(Core* core, const wire::Stale& stale, SteadyTime now,
                                              std::vector<ReadHold>* holds) {
  if (!stale.name.empty()) {
    if (!core->table.may_know_name(stale.inode, stale.name)) return std::nullopt;
    return drop_name(core, stale.inode, stale.name);
  }
  const InodeTable::Known known = core->table.known(stale.inode, now);
  if (stale.data && known.may_have_pages) return drop_pages(core, stale.inode, holds);
  if (known.has_attributes) return drop_attributes(core, stale.inode);
  return std::nullopt;
}

}  // namespace

namespace {

/// Forgets directories that nothing here has to do with, for somebody who would like to have them;
/// those that are in use go into the reply. The inodes of which the kernel may keep something for
/// them. Called inside the gate.
std::vector<InodeId> let_go(Core& core, std::set<InodeId> directories,
                            wire::InvalidateReply* reply) {
  const SteadyTime now = core.clock().steady();
  // Where names cannot be dropped all at once, until the kernel has let them go by itself.
  const Duration idle =
      core.notifier.can_drop_all_names() ? Duration(kDirectoryIdle) : Duration(wire::kLeaseTerm);
  SteadyTime last_use = SteadyTime::min();
  const auto is_in_use = [&](InodeId directory) {
    const SteadyTime used = core.table.last_used(directory);
    const bool is_idle = used == SteadyTime::min() || now - used >= idle;
    if (is_idle) last_use = std::max(last_use, used);
    return !is_idle || core.table.is_changing(directory);
  };
  std::set<InodeId> unused = directories;
  std::erase_if(unused, is_in_use);
  Volume::Left left;
  if (!unused.empty()) {
    std::vector<InodeId> known;
    for (const auto& [inode, what] : core.table.all_known(now)) known.push_back(inode);
    left = core.volume.leave(std::move(unused), core.table.in_use(), known);
  }
  for (const InodeId directory : directories) {
    if (!left.directories.contains(directory)) reply->still_open.push_back(directory);
  }
  const bool may_have_names = last_use != SteadyTime::min() && now - last_use < wire::kLeaseTerm;
  if (!left.directories.empty() && may_have_names) core.notifier.drop_all_names();
  return left.inodes;
}

wire::Stale whole_inode(InodeId inode) {
  wire::Stale stale;
  stale.inode = inode;
  stale.attributes = stale.data = true;
  return stale;
}

}  // namespace

Task<Result<wire::InvalidateReply>> invalidate(Core* core, wire::Invalidate event) {
  wire::InvalidateReply reply;
  std::set<InodeId> wanted;      // directories that somebody would like to have
  std::vector<InodeId> leaving;  // what goes with those that are let go
  for (const wire::Stale& stale : event.stale) {
    if (stale.whole) wanted.insert(stale.inode);
  }
  core->gate.exclusively([&] {
    if (!wanted.empty()) leaving = let_go(*core, wanted, &reply);
    for (const wire::Stale& stale : event.stale) {
      if (stale.whole) continue;
      core->volume.invalidate(stale);
      // Whoever opens it from here on asks the tracker first.
      if (stale.orphaned) core->table.doom_unused(stale.inode);
    }
  });
  const SteadyTime now = core->clock().steady();
  std::vector<ReadHold> holds;  // until the answer is out
  std::vector<Task<Result<void>>> work;
  for (const InodeId inode : leaving) {
    auto task = kernel_work(core, whole_inode(inode), now, &holds);
    if (task) work.push_back(std::move(*task));
  }
  // Attributes after names: an inode that is on its way into the kernel is found by its name.
  for (const bool names : {true, false}) {
    for (const wire::Stale& stale : event.stale) {
      if (stale.name.empty() == names || stale.whole) continue;
      auto task = kernel_work(core, stale, now, &holds);
      if (task) work.push_back(std::move(*task));
    }
  }
  constexpr std::size_t kAtOnce = 4;
  if (work.size() == 1) {
    const Result<void> only = co_await std::move(work.front());
    (void)only;
  } else if (!work.empty()) {
    const Result<void> all = co_await base::all_within(kAtOnce, std::move(work));
    (void)all;
  }
  // An open that began meanwhile was told of the inode as it still was: it counts. One that begins
  // from here on asks behind this answer, and the tracker lets it wait for the outcome.
  for (const wire::Stale& stale : event.stale) {
    if (stale.orphaned && core->table.doom(stale.inode)) reply.still_open.push_back(stale.inode);
  }
  co_return reply;
}

namespace {

wire::RecallReply tell(const FileState& state) {
  wire::RecallReply reply;
  reply.held = state.is_delegated;
  reply.size = size_of(state);
  reply.allocated_bytes = state.blob ? state.blob->info().allocated_bytes : 0;
  reply.mtime = state.mtime;
  return reply;
}

Task<Result<wire::RecallReply>> recall_file(Core* core, wire::Recall event) {
  const std::shared_ptr<OpenFile> file = core->table.find_file(event.inode);
  if (!file) co_return wire::RecallReply{};
  FileState seen = file->state();
  if (!seen.is_delegated && file->is_acquiring()) {
    // Granted to a request of ours whose answer came just before: it is used first. Or what is
    // meant is an earlier delegation, which we gave back.
    const Result<void> acquired = co_await base::with_deadline(
        core->env.timer, Deadline::after(core->clock(), kGrantPatience),
        file->wait_until_acquired());
    if (!acquired) {
      file->void_acquisition();
      co_return wire::RecallReply{};
    }
    seen = file->state();
  }
  // Told from memory, without waiting for a publish that may be under way.
  if (!event.publish && seen.is_delegated && seen.is_dirty) co_return tell(seen);
  // Bytes written through a mapping are still with the kernel.
  if (event.publish) co_await flush_mapped_pages(core, file);
  while (file->expects_more(core->clock().steady())) {
    const Result<void> waited = co_await core->env.timer.wait_for(kAppendPause);
    if (!waited) co_return pass(waited);
  }
  auto guard = co_await file->serial().lock();
  if (!guard) co_return pass(std::move(guard));
  const FileState state = file->state();
  if (!state.is_delegated) co_return wire::RecallReply{};
  if (!event.publish && state.is_dirty) co_return tell(state);
  // A clean file has nothing to tell: the tracker knows all, and may have its delegation back.
  if (!state.is_dirty) {
    auto exclusion = co_await file->exclude(OpenFile::Excluded::writes);
    if (!exclusion) co_return pass(std::move(exclusion));
    const bool released = file->update([](FileState& changed) {
      if (changed.is_dirty) return false;
      changed.is_delegated = false;
      changed.is_working = false;
      return true;
    });
    if (released) {
      // Opened for change, but not changed: whole again, so that others can fetch it.
      if (state.is_working && state.blob) co_await end_working(core, file, state.blob);
      co_return wire::RecallReply{};
    }
  }
  if (!event.publish) co_return tell(file->state());
  Result<void> published = co_await publish_locked(core, file, {core->options.sync, true, true});
  if (!published) {
    base::log_warning("a recalled file could not be published inode={} reason={}", event.inode,
                      published.error().message());
    co_return pass(std::move(published));
  }
  co_return wire::RecallReply{};
}

}  // namespace

Task<Result<wire::RecallReply>> recall(Core* core, wire::Recall event) {
  if (core->volume.is_delegated(event.inode)) {
    wire::RecallReply reply;
    reply.held = !event.publish;
    if (event.publish) (void)core->volume.give_up(event.inode);
    Result<void> settled = co_await core->volume.settle(core->metadata_deadline());
    if (!settled) co_return pass(std::move(settled));
    co_return reply;
  }
  // A directory that is being granted is not: the answer that says so is on its way.
  if (event.publish) (void)core->volume.give_up(event.inode);
  auto reply = co_await recall_file(core, event);
  if (!reply) co_return reply;
  Result<void> settled = co_await core->volume.settle(core->metadata_deadline());
  if (!settled) co_return pass(std::move(settled));
  co_return reply;
}

std::vector<wire::Reclaim> reclaims(const Core& core) {
  std::vector<wire::Reclaim> all;
  for (const std::shared_ptr<OpenFile>& file : core.table.files()) {
    const FileState state = file->state();
    const bool is_ours = state.is_dirty && state.is_delegated;
    if (is_ours && !core.unsent_publishes.contains(file->inode())) {
      all.push_back({file->inode(), state.version});
    }
  }
  for (const wire::Reclaim& unsent : core.unsent_publishes.all()) all.push_back(unsent);
  for (const InodeId directory : core.volume.delegated_directories()) {
    all.push_back({directory, 0});
  }
  return all;
}

void void_caches(Core& core, bool session_lost) {
  core.gate.exclusively([&] { core.volume.drop_all(session_lost); });
  if (session_lost) {
    core.locks.lose_all();
    for (const std::shared_ptr<OpenFile>& file : core.table.files()) {
      file->update([](FileState& state) { state.is_delegated = false; });
    }
  }
  for (const std::shared_ptr<OpenFile>& file : core.table.files()) {
    if (const auto passage = file->passage()) passage->close_gate();
  }
  core.notifier.drop_all_names();
  for (const auto& [inode, known] : core.table.all_known(core.clock().steady())) {
    const Job::Kind kind = known.may_have_pages ? Job::Kind::pages : Job::Kind::attributes;
    (void)core.notifier.submit({kind, inode, {}, {0, 0}});
  }
}

Task<void> watch_lease(Core* core) {
  constexpr std::chrono::milliseconds kPause{500};
  bool was_held = true;
  for (;;) {
    const bool is_held = core->volume.has_lease();
    if (was_held && !is_held) {
      base::log_warning("the tracker has not answered for a lease term; nothing cached is used");
      void_caches(*core, false);
    } else if (!was_held && is_held) {
      base::log_info("the tracker is back");
    }
    was_held = is_held;
    const Result<void> waited = co_await core->env.timer.wait_for(kPause);
    if (!waited) co_return;
  }
}

}  // namespace shoal::fs
