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
};

/// nullopt: not known here.
std::optional<Target> known_target(const Core& core, const NameRef& ref) {
  const auto known = core.volume.find_name(ref.directory, ref.name);
  if (!known) return std::nullopt;
  Target target;
  if (!known->inode) return target;
  target.inode = known->inode;
  target.kind = known->kind;
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
  co_return target;
}

/// Marks a file that loses a name for the time of the request, so that an open that comes in
/// between waits for the outcome, and sees to it that it lives on while it is open here.
class Removal {
 public:
  Removal(Core& core, const Target& target) : core_(core), inode_(target.inode) {
    if (target.kind == wire::FileKind::directory) inode_ = InodeId{};
    if (inode_) keeps_open_ = core.table.begin_removal(inode_);
  }
  Removal(const Removal&) = delete;
  Removal& operator=(const Removal&) = delete;
  ~Removal() { end(); }

  /// What the operation says of the file; true also when it is not known which one that will be.
  bool keeps_open() const { return keeps_open_ || !inode_; }

  /// After the answer: nullptr when it failed.
  void settle(const wire::OperationReply* reply) {
    const InodeId marked = inode_;
    end();
    if (reply == nullptr) return;
    if (marked && !keeps_open_) {
      // What was not published yet need not be.
      const auto file =
          record_in(*reply, marked) == nullptr ? core_.table.find_file(marked) : nullptr;
      if (file) file->update([](FileState& state) { state.is_removed = true; });
      return;
    }
    for (const wire::InodeRecord& record : reply->records) {
      if (record.attributes.kind != wire::FileKind::directory && record.attributes.nlink == 0) {
        keep(record.inode);
      }
    }
  }

 private:
  void end() {
    if (inode_) core_.end_removal(inode_, keeps_open_);
    inode_ = InodeId{};
  }

  /// The tracker keeps it for us. Its last handle may have been closed while the answer was on the
  /// way, or it was never open here.
  void keep(InodeId inode) {
    if (core_.table.make_orphan(inode)) return;
    core_.table.hold(inode);
    core_.launch(after_close(&core_, core_.file_for(inode), {true, false, true}));
  }

  Core& core_;
  InodeId inode_;  ///< 0 from the outcome on, and when there is nothing to be marked
  bool keeps_open_ = false;
};

/// A name led elsewhere when the tracker came to the change: once more, whatever it leads to then.
bool is_outdated(const Result<wire::OperationReply>& outcome) {
  return !outcome && outcome.error().code() == Errc::conflict;
}

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

namespace {

/// expected: what the name leads to; 0: whatever it does, and it is kept until it is known here.
Task<Result<wire::OperationReply>> remove_file(Core* core, NameRef ref, InodeId expected,
                                               std::vector<InodeId> touched, Deadline deadline) {
  Removal removal(*core, Target{.inode = expected});
  wire::Unlink unlink{ref.directory, ref.name, removal.keeps_open(), expected};
  auto outcome = co_await core->volume.change(operation_now(*core, std::move(unlink)),
                                              Touches{{ref}, std::move(touched)},
                                              {{ref, InodeId{}}}, deadline);
  removal.settle(outcome ? &*outcome : nullptr);
  co_return outcome;
}

}  // namespace

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
  const std::vector<InodeId> touched{directory, target->inode};
  auto outcome = co_await remove_file(core, ref, target->inode, touched, deadline);
  if (is_outdated(outcome)) {
    outcome = co_await remove_file(core, ref, InodeId{}, touched, deadline);
  }
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

namespace {

/// A rename as it is to be, by what the names led to a moment ago.
struct Renaming {
  Target moved;
  Target replaced;  ///< of inode 0: nothing
  bool exchanges = false;
  bool is_same = false;  ///< two names of one file: nothing happens
  bool removes = false;
};

Task<Result<Renaming>> look_at(Core* core, Move move, Deadline deadline) {
  auto moved = co_await find_target(core, move.from, deadline);
  if (!moved) co_return pass(std::move(moved));
  auto replaced = co_await find_target(core, move.to, deadline);
  if (!replaced) co_return pass(std::move(replaced));
  Renaming renaming{*moved, *replaced};
  renaming.exchanges = (move.flags & wire::Rename::kExchange) != 0;
  renaming.is_same = moved->inode == replaced->inode;
  renaming.removes = replaced->inode && !renaming.exchanges && !renaming.is_same &&
                     (move.flags & wire::Rename::kNoReplace) == 0;
  co_return renaming;
}

std::vector<Volume::Outcome> outcomes_of(const Move& move, const Renaming& renaming) {
  if (renaming.is_same) return {};
  Volume::Outcome left{move.from, InodeId{}};
  if (renaming.exchanges) left = {move.from, renaming.replaced.inode, renaming.replaced.kind};
  return {left, {move.to, renaming.moved.inode, renaming.moved.kind}};
}

/// as_seen: only when the names lead to what they led to (conflict otherwise); else whatever they
/// lead to now.
Task<Result<wire::OperationReply>> carry_out(Core* core, Move move, Renaming renaming, bool as_seen,
                                             Deadline deadline) {
  Touches touches{{move.from, move.to}, {move.from.directory, move.to.directory}};
  for (const Target& target : {renaming.moved, renaming.replaced}) {
    if (target.inode) touches.inodes.push_back(target.inode);
  }
  const Target victim = as_seen && renaming.removes ? renaming.replaced : Target{};
  Removal removal(*core, victim);
  wire::Rename rename{move.from.directory,
                      move.from.name,
                      move.to.directory,
                      move.to.name,
                      move.flags,
                      removal.keeps_open(),
                      as_seen ? renaming.moved.inode : InodeId{},
                      victim.inode};
  std::vector<Volume::Outcome> outcomes;
  if (as_seen) outcomes = outcomes_of(move, renaming);
  auto outcome = co_await core->volume.change(operation_now(*core, std::move(rename)),
                                              std::move(touches), std::move(outcomes), deadline);
  removal.settle(outcome ? &*outcome : nullptr);
  if (outcome && as_seen) {
    core->table.set_parent(renaming.moved.inode, move.to.directory);
    if (renaming.exchanges) core->table.set_parent(renaming.replaced.inode, move.from.directory);
  }
  co_return outcome;
}

}  // namespace

Task<void> rename_task(Core* core, Reply reply, DirectoryChange, Move move) {
  constexpr int kTries = 3;
  const Deadline deadline = core->metadata_deadline();
  for (int tries = 1;; ++tries) {
    auto renaming = co_await look_at(core, move, deadline);
    if (!renaming) {
      reply.fail(renaming.error());
      co_return;
    }
    auto outcome = co_await carry_out(core, move, *renaming, tries < kTries, deadline);
    if (tries < kTries && is_outdated(outcome)) continue;
    answer(reply, outcome);
    co_return;
  }
}

}  // namespace shoal::fs
