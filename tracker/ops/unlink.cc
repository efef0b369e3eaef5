// SPDX-License-Identifier: MIT
#include "tracker/ops/names.h"

namespace shoal::tracker {
namespace {

Applied apply_unlink(OpContext& context, const wire::Unlink& change, InodeRow inode,
                     InodeRow parent) {
  Applied applied;
  context.store.remove_entry(change.parent, change.name);
  drop_link(context, std::move(inode), change.keep_open, applied);
  touch_directory(context, parent, 0);
  applied.records.push_back(std::move(parent));
  applied.watch.push_back(change.parent);
  return applied;
}

Applied apply_rmdir(OpContext& context, const wire::Rmdir& change, const InodeRow& inode,
                    InodeRow parent) {
  Applied applied;
  context.store.remove_entry(change.parent, change.name);
  remove_inode(context, inode, applied);
  touch_directory(context, parent, -1);
  applied.records.push_back(std::move(parent));
  applied.watch.push_back(change.parent);
  return applied;
}

}  // namespace

Result<Plan> plan_unlink(OpContext& context, const wire::Unlink& change) {
  auto parent = open_parent(context, change.parent, change.name);
  if (!parent) return pass(parent);
  auto inode = context.store.child_inode(change.parent, change.name);
  if (!inode) return fail(Errc::not_found, "no such name in directory {}", change.parent);
  auto expected = check_expected(*inode, change.expected);
  if (!expected) return pass(expected);
  if (inode->is_directory()) return fail(Errc::is_directory, "inode {}", inode->inode);

  Plan plan;
  note_lost_link(context, *inode, {change.parent, change.name}, plan);
  plan.footprint.names.push_back({change.parent, change.name});
  plan.footprint.inodes = {touched_by_unlink(*inode), touched_directory(change.parent)};
  plan.apply = [&change, row = std::move(*inode), in = std::move(*parent)](OpContext& at) mutable {
    return apply_unlink(at, change, std::move(row), std::move(in));
  };
  return plan;
}

Result<Plan> plan_rmdir(OpContext& context, const wire::Rmdir& change) {
  auto parent = open_parent(context, change.parent, change.name);
  if (!parent) return pass(parent);
  auto inode = context.store.child_inode(change.parent, change.name);
  if (!inode) return fail(Errc::not_found, "no such name in directory {}", change.parent);
  auto expected = check_expected(*inode, change.expected);
  if (!expected) return pass(expected);
  if (!inode->is_directory()) return fail(Errc::not_directory, "inode {}", inode->inode);
  if (inode->inode == kRootInode) return fail(Errc::busy, "the root");
  if (context.store.has_children(inode->inode)) {
    return fail(Errc::not_empty, "directory {}", inode->inode);
  }

  Plan plan;
  plan.footprint.names.push_back({change.parent, change.name});
  plan.footprint.inodes = {touched_directory(inode->inode), touched_directory(change.parent)};
  plan.apply = [&change, row = std::move(*inode), in = std::move(*parent)](OpContext& at) mutable {
    return apply_rmdir(at, change, row, std::move(in));
  };
  return plan;
}

}  // namespace shoal::tracker
