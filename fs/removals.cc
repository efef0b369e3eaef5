// SPDX-License-Identifier: MIT
#include "fs/removals.h"

#include <cerrno>

#include "fs/publish.h"

namespace shoal::fs {
namespace {

/// A name's inode as far as it must be known before the name goes.
struct Target {
  InodeId inode;  ///< 0: there is no such name
  wire::FileKind kind = wire::FileKind::regular;
  bool may_be_last_name = false;
};

/// nullopt: not known here.
std::optional<Target> known_target(const Core& core, const NameRef& ref) {
  const auto known = core.volume.find_name(ref.directory, ref.name);
  if (!known) return std::nullopt;
  Target target;
  if (!known->inode) return target;
  const auto record = core.volume.find_inode(known->inode);
  target.inode = known->inode;
  target.kind = known->kind;
  target.may_be_last_name = !record || record->attributes.nlink <= 1;
  return target;
}

Task<Result<Target>> find_target(Core* core, NameRef ref, Deadline deadline) {
  if (const auto known = known_target(*core, ref)) co_return *known;
  Target target;
  auto found = co_await core->volume.lookup(ref.directory, ref.name, deadline);
  if (!found) co_return pass(std::move(found));
  if (!*found) co_return target;
  target.inode = (*found)->inode;
  target.kind = (*found)->attributes.kind;
  target.may_be_last_name = (*found)->attributes.nlink <= 1;
  co_return target;
}

/// Marks a file whose last name may go for the time of the request, so that an open that comes in
/// between waits for the outcome, and sees to it that it lives on while it is open here.
class Removal {
 public:
  Removal(Core& core, const Target& target) : core_(core), inode_(target.inode) {
    const bool is_file = target.inode && target.kind != wire::FileKind::directory;
    if (!is_file) return;
    keeps_open_ = core.table.is_in_use(inode_);
    if (target.may_be_last_name) {
      is_marked_ = true;
      keeps_open_ = core.table.doom(inode_);
    }
  }

  bool keeps_open() const { return keeps_open_; }

  /// After the answer: records are those of the operation's reply; nullptr when it failed.
  void settle(const wire::OperationReply* reply) {
    if (!inode_) return;
    const wire::InodeRecord* record = reply == nullptr ? nullptr : record_in(*reply, inode_);
    const bool lives = reply == nullptr || (record != nullptr && record->attributes.nlink > 0);
    if (lives) {
      if (is_marked_) core_.table.clear_doom(inode_, true);
      return;
    }
    if (!keeps_open_) {
      // What was not published yet need not be.
      const auto file = record == nullptr ? core_.table.find_file(inode_) : nullptr;
      if (file) file->update([](FileState& state) { state.is_removed = true; });
      return;
    }
    // Its last handle may have been closed while the answer was on the way.
    if (core_.table.is_in_use(inode_)) return;
    core_.launch(after_close(&core_, core_.file_for(inode_), {true, false, true}));
  }

 private:
  Core& core_;
  InodeId inode_;
  bool keeps_open_ = false;
  bool is_marked_ = false;
};

void answer(Reply& reply, const Result<wire::OperationReply>& outcome) {
  if (outcome) {
    reply.ok();
  } else {
    reply.fail(outcome.error());
  }
}

/// A change under our delegations, answered at once. False: it has to take the long way.
bool change_here(Core& core, Reply& reply, wire::Change change, Removal& removal) {
  const auto outcome = core.volume.change_here(operation_now(core, std::move(change)));
  if (!outcome) {
    removal.settle(nullptr);
    return false;
  }
  removal.settle(*outcome ? &**outcome : nullptr);
  answer(reply, *outcome);
  return true;
}

}  // namespace

bool unlink_here(Core& core, Reply& reply, const NameRef& ref) {
  if (!core.volume.is_delegated(ref.directory)) return false;
  const auto target = known_target(core, ref);
  if (!target || !target->inode) return false;
  Removal removal(core, *target);
  return change_here(core, reply, wire::Unlink{ref.directory, ref.name, removal.keeps_open(), {}},
                     removal);
}

bool rmdir_here(Core& core, Reply& reply, const NameRef& ref) {
  Removal removal(core, Target{});
  return change_here(core, reply, wire::Rmdir{ref.directory, ref.name, {}}, removal);
}

bool rename_here(Core& core, Reply& reply, const Move& move) {
  if (!core.volume.is_delegated(move.from.directory)) return false;
  const auto moved = known_target(core, move.from);
  const auto replaced = known_target(core, move.to);
  if (!moved || !moved->inode || !replaced || moved->inode == replaced->inode) return false;
  const bool removes = replaced->inode && move.flags == 0;
  Removal removal(core, removes ? *replaced : Target{});
  wire::Rename rename{move.from.directory,
                      move.from.name,
                      move.to.directory,
                      move.to.name,
                      move.flags,
                      removal.keeps_open(),
                      {},
                      {}};
  return change_here(core, reply, std::move(rename), removal);
}

Task<void> unlink_task(Core* core, Reply reply, DirectoryChange, InodeId directory,
                       std::string name) {
  const Deadline deadline = core->metadata_deadline();
  const NameRef ref{directory, name};
  auto target = co_await find_target(core, ref, deadline);
  if (!target) {
    reply.fail(target.error());
    co_return;
  }
  if (!target->inode) {
    reply.error(ENOENT);
    co_return;
  }
  Removal removal(*core, *target);
  wire::Unlink unlink{directory, name, removal.keeps_open(), {}};
  auto outcome = co_await core->volume.change(operation_now(*core, std::move(unlink)),
                                              Touches{{ref}, {directory, target->inode}},
                                              {{ref, InodeId{}}}, deadline);
  removal.settle(outcome ? &*outcome : nullptr);
  answer(reply, outcome);
}

Task<void> rmdir_task(Core* core, Reply reply, DirectoryChange, InodeId directory,
                      std::string name) {
  const Deadline deadline = core->metadata_deadline();
  const NameRef ref{directory, name};
  auto target = co_await find_target(core, ref, deadline);
  if (!target) {
    reply.fail(target.error());
    co_return;
  }
  Touches touches{{ref}, {directory}};
  if (target->inode) touches.inodes.push_back(target->inode);
  wire::Rmdir rmdir{directory, name, {}};
  auto outcome = co_await core->volume.change(operation_now(*core, std::move(rmdir)),
                                              std::move(touches), {{ref, InodeId{}}}, deadline);
  answer(reply, outcome);
}

Task<void> rename_task(Core* core, Reply reply, DirectoryChange, Move move) {
  const Deadline deadline = core->metadata_deadline();
  auto moved = co_await find_target(core, move.from, deadline);
  if (!moved) {
    reply.fail(moved.error());
    co_return;
  }
  auto replaced = co_await find_target(core, move.to, deadline);
  if (!replaced) {
    reply.fail(replaced.error());
    co_return;
  }
  const bool exchanges = (move.flags & wire::Rename::kExchange) != 0;
  const bool is_same = moved->inode == replaced->inode;  // two names of one file: nothing happens
  const bool removes =
      replaced->inode && !exchanges && !is_same && (move.flags & wire::Rename::kNoReplace) == 0;
  Touches touches{{move.from, move.to}, {move.from.directory, move.to.directory}};
  for (const Target& target : {*moved, *replaced}) {
    if (target.inode) touches.inodes.push_back(target.inode);
  }
  std::vector<Volume::Outcome> outcomes;
  if (exchanges) {
    outcomes.push_back({move.from, replaced->inode, replaced->kind});
    outcomes.push_back({move.to, moved->inode, moved->kind});
  } else if (!is_same) {
    outcomes.push_back({move.from, InodeId{}});
    outcomes.push_back({move.to, moved->inode, moved->kind});
  }
  Removal removal(*core, removes ? *replaced : Target{});
  wire::Rename rename{move.from.directory,
                      move.from.name,
                      move.to.directory,
                      move.to.name,
                      move.flags,
                      removal.keeps_open(),
                      {},
                      {}};
  auto outcome = co_await core->volume.change(operation_now(*core, std::move(rename)),
                                              std::move(touches), std::move(outcomes), deadline);
  removal.settle(outcome ? &*outcome : nullptr);
  if (outcome) {
    core->table.set_parent(moved->inode, move.to.directory);
    if (exchanges) core->table.set_parent(replaced->inode, move.from.directory);
  }
  answer(reply, outcome);
}

}  // namespace shoal::fs
