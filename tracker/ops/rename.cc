// SPDX-License-Identifier: MIT
// rename(2) and renameat2(2), with the checks in the order of Linux's do_renameat2 and vfs_rename.
#include "tracker/ops/names.h"
#include "wire/limits.h"

namespace shoal::tracker {
namespace {

/// Both ends of a rename as they are now.
struct Ends {
  InodeRow from_dir;
  InodeRow to_dir;
  InodeRow moved;
  std::optional<InodeRow> replaced;

  bool is_same_directory() const { return from_dir.inode == to_dir.inode; }
};

/// Whether `ancestor` is `directory` or lies above it.
bool is_within(OpContext& context, InodeId directory, InodeId ancestor) {
  while (directory != ancestor) {
    if (directory == kRootInode) return false;
    const auto links = context.store.links(directory, 1);
    if (links.empty()) return false;
    directory = links.front().parent;
  }
  return true;
}

Result<Ends> open_ends(OpContext& context, const wire::Rename& change) {
  auto from_dir = open_parent(context, change.parent, change.name);
  if (!from_dir) return pass(from_dir);
  auto to_dir = open_parent(context, change.new_parent, change.new_name);
  if (!to_dir) return pass(to_dir);
  auto moved = context.store.child_inode(change.parent, change.name);
  if (!moved) return fail(Errc::not_found, "no such name in directory {}", change.parent);
  auto replaced = context.store.child_inode(change.new_parent, change.new_name);
  return Ends{std::move(*from_dir), std::move(*to_dir), std::move(*moved), std::move(replaced)};
}

Result<void> check_flags(const wire::Rename& change, const Ends& ends) {
  const bool no_replace = (change.flags & wire::Rename::kNoReplace) != 0;
  const bool exchange = (change.flags & wire::Rename::kExchange) != 0;
  if ((change.flags & ~(wire::Rename::kNoReplace | wire::Rename::kExchange)) != 0 ||
      (no_replace && exchange)) {
    return fail(Errc::invalid, "rename flags {}", change.flags);
  }
  if (no_replace && ends.replaced) {
    return fail(Errc::exists, "a name in directory {}", change.new_parent);
  }
  if (exchange && !ends.replaced) {
    return fail(Errc::not_found, "nothing to exchange in directory {}", change.new_parent);
  }
  return {};
}

/// No directory moves into itself, and none is replaced by what lies within it.
Result<void> check_loops(OpContext& context, const wire::Rename& change, const Ends& ends) {
  if (ends.is_same_directory()) return {};
  if (ends.moved.is_directory() && is_within(context, change.new_parent, ends.moved.inode)) {
    return fail(Errc::invalid, "directory {} into itself", ends.moved.inode);
  }
  if (ends.replaced && ends.replaced->is_directory() &&
      is_within(context, change.parent, ends.replaced->inode)) {
    if ((change.flags & wire::Rename::kExchange) != 0) {
      return fail(Errc::invalid, "directory {} into itself", ends.replaced->inode);
    }
    return fail(Errc::not_empty, "directory {}", ends.replaced->inode);
  }
  return {};
}

Result<void> check_replaced(OpContext& context, const Ends& ends) {
  if (!ends.replaced) return {};
  if (ends.moved.is_directory() && !ends.replaced->is_directory()) {
    return fail(Errc::not_directory, "inode {}", ends.replaced->inode);
  }
  if (!ends.moved.is_directory() && ends.replaced->is_directory()) {
    return fail(Errc::is_directory, "inode {}", ends.replaced->inode);
  }
  if (ends.replaced->is_directory() && context.store.has_children(ends.replaced->inode)) {
    return fail(Errc::not_empty, "directory {}", ends.replaced->inode);
  }
  return {};
}

/// nlink of the two directories after subdirectories came and went.
void touch_ends(OpContext& context, Ends& ends, int left, int arrived, Applied& applied) {
  if (ends.is_same_directory()) {
    touch_directory(context, ends.from_dir, left + arrived);
    applied.records.push_back(ends.from_dir);
    return;
  }
  touch_directory(context, ends.from_dir, left);
  touch_directory(context, ends.to_dir, arrived);
  applied.records.push_back(ends.from_dir);
  applied.records.push_back(ends.to_dir);
}

void note_move(const InodeRow& inode, InodeId from, InodeId to, Plan& plan) {
  if (!inode.is_directory() && from != to) plan.moves.push_back({inode.inode, from, to});
}

void note_moves(OpContext& context, const wire::Rename& change, const Ends& ends, Plan& plan) {
  note_move(ends.moved, change.parent, change.new_parent, plan);
  if (!ends.replaced) return;
  if ((change.flags & wire::Rename::kExchange) != 0) {
    note_move(*ends.replaced, change.new_parent, change.parent, plan);
  } else {
    note_lost_link(context, *ends.replaced, {change.new_parent, change.new_name}, plan);
  }
}

Applied apply_exchange(OpContext& context, const wire::Rename& change, Ends ends) {
  Applied applied;
  InodeRow& other = *ends.replaced;
  context.store.replace_entry(change.parent, change.name, other.inode);
  context.store.replace_entry(change.new_parent, change.new_name, ends.moved.inode);
  ends.moved.ctime = other.ctime = context.time;
  context.store.update_inode(ends.moved);
  context.store.update_inode(other);
  applied.records = {ends.moved, other};
  const int arrived = int{ends.moved.is_directory()} - int{other.is_directory()};
  touch_ends(context, ends, -arrived, arrived, applied);
  applied.watch = {change.parent, change.new_parent};
  applied.home = change.new_parent;
  return applied;
}

Applied apply_rename(OpContext& context, const wire::Rename& change, Ends ends) {
  Applied applied;
  const int is_directory = ends.moved.is_directory() ? 1 : 0;
  int arrived = is_directory;
  context.store.remove_entry(change.parent, change.name);
  ends.moved.ctime = context.time;
  context.store.update_inode(ends.moved);
  applied.records.push_back(ends.moved);
  if (!ends.replaced) {
    context.store.add_entry(change.new_parent, change.new_name, ends.moved.inode);
  } else {
    context.store.replace_entry(change.new_parent, change.new_name, ends.moved.inode);
    if (ends.replaced->is_directory()) {
      arrived -= 1;
      remove_inode(context, *ends.replaced, applied);
    } else {
      drop_link(context, *ends.replaced, change.keep_open, applied);
    }
  }
  touch_ends(context, ends, -is_directory, arrived, applied);
  applied.watch = {change.parent, change.new_parent};
  applied.home = change.new_parent;
  return applied;
}

Footprint footprint_of(const wire::Rename& change, const Ends& ends) {
  Footprint footprint;
  footprint.names = {{change.parent, change.name}, {change.new_parent, change.new_name}};
  footprint.inodes = {touched_attributes(ends.moved), touched_directory(change.parent)};
  if (!ends.is_same_directory()) footprint.inodes.push_back(touched_directory(change.new_parent));
  if (ends.replaced) {
    const bool exchange = (change.flags & wire::Rename::kExchange) != 0;
    footprint.inodes.push_back(exchange || ends.replaced->is_directory()
                                   ? touched_attributes(*ends.replaced)
                                   : touched_by_unlink(*ends.replaced));
  }
  return footprint;
}

/// Two names of the same file: rename(2) does nothing and succeeds.
Plan plan_nothing(Ends ends) {
  Plan plan;
  plan.apply = [ends = std::move(ends)](OpContext&) mutable {
    Applied applied;
    applied.records.push_back(std::move(ends.moved));
    return applied;
  };
  return plan;
}

}  // namespace

Result<Plan> plan_rename(OpContext& context, const wire::Rename& change) {
  auto ends = open_ends(context, change);
  if (!ends) return pass(ends);
  auto expected = check_expected(ends->moved, change.expected);
  if (!expected) return pass(expected);
  auto flags = check_flags(change, *ends);
  if (!flags) return pass(flags);
  auto loops = check_loops(context, change, *ends);
  if (!loops) return pass(loops);
  if (ends->replaced && ends->replaced->inode == ends->moved.inode) {
    return plan_nothing(std::move(*ends));
  }
  const bool exchange = (change.flags & wire::Rename::kExchange) != 0;
  if (ends->replaced && !exchange) {
    // What keep_open says is about that one only.
    auto known = check_expected(*ends->replaced, change.replaced);
    if (!known) return pass(known);
  }
  if (!exchange) {
    auto replaced = check_replaced(context, *ends);
    if (!replaced) return pass(replaced);
  }
  const bool gains_directory = !ends->is_same_directory() && ends->moved.is_directory() &&
                               (!ends->replaced || !ends->replaced->is_directory());
  if (gains_directory && ends->to_dir.nlink >= wire::kMaxLinks) {
    return fail(Errc::too_many_links, "directory {}", change.new_parent);
  }

  Plan plan;
  plan.footprint = footprint_of(change, *ends);
  note_moves(context, change, *ends, plan);
  plan.apply = [&change, exchange, at_ends = std::move(*ends)](OpContext& at) mutable {
    return exchange ? apply_exchange(at, change, std::move(at_ends))
                    : apply_rename(at, change, std::move(at_ends));
  };
  return plan;
}

}  // namespace shoal::tracker
