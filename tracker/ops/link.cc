// SPDX-License-Identifier: MIT
#include <algorithm>

#include "tracker/ops/names.h"
#include "wire/limits.h"

namespace shoal::tracker {
namespace {

Applied apply_link(OpContext& context, const wire::Link& change, InodeRow inode, InodeRow parent) {
  Applied applied;
  context.store.add_entry(parent.inode, change.name, inode.inode);
  inode.nlink += 1;
  inode.ctime = context.time;
  context.store.update_inode(inode);
  touch_directory(context, parent, 0);
  applied.records = {std::move(inode), std::move(parent)};
  applied.watch.push_back(change.parent);
  applied.home = change.parent;
  return applied;
}

}  // namespace

Result<Plan> plan_link(OpContext& context, const wire::Link& change) {
  auto inode = context.store.inode(change.inode);
  if (!inode) return fail(Errc::not_found, "no inode {}", change.inode);
  auto parent = open_parent(context, change.parent, change.name);
  if (!parent) return pass(parent);
  if (context.store.child(change.parent, change.name)) {
    return fail(Errc::exists, "a name in directory {}", change.parent);
  }
  if (inode->is_directory()) return fail(Errc::not_permitted, "a hard link to a directory");
  if (inode->nlink == 0) {
    // Only whoever has it open can give an unlinked file a name.
    const auto open = context.store.orphan_sessions(change.inode);
    if (std::find(open.begin(), open.end(), context.session) == open.end()) {
      return fail(Errc::not_found, "inode {} was unlinked", change.inode);
    }
  }
  if (inode->nlink >= wire::kMaxLinks) return fail(Errc::too_many_links, "inode {}", change.inode);

  Plan plan;
  plan.footprint.names.push_back({change.parent, change.name});
  plan.footprint.inodes = {touched_attributes(*inode), touched_directory(change.parent)};
  if (inode->nlink == 0) plan.moves.push_back({change.inode, {}, change.parent});
  plan.apply = [&change, row = std::move(*inode), in = std::move(*parent)](OpContext& at) mutable {
    return apply_link(at, change, std::move(row), std::move(in));
  };
  return plan;
}

}  // namespace shoal::tracker
