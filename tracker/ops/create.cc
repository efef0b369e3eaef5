// SPDX-License-Identifier: MIT
#include "tracker/ops/names.h"
#include "wire/limits.h"

namespace shoal::tracker {
namespace {

constexpr std::uint32_t kSetGid = 02000;
constexpr std::uint32_t kModeBits = 07777;

/// The number must come from a range of this peer and be free.
Result<void> check_number(OpContext& context, InodeId inode) {
  const auto owner = context.store.inode_range_owner(inode);
  if (!owner || *owner != context.peer) {
    return fail(Errc::invalid, "inode number {} was not handed to this peer", inode);
  }
  if (context.store.inode(inode)) return fail(Errc::invalid, "inode number {} is in use", inode);
  return {};
}

Result<void> check_shape(const wire::Create& change) {
  if (change.mode > kModeBits) return fail(Errc::invalid, "mode {:o}", change.mode);
  if (change.kind == wire::FileKind::symlink) {
    if (change.target.empty()) return fail(Errc::invalid, "a symlink to nothing");
    if (change.target.size() > wire::kMaxTargetBytes) {
      return fail(Errc::name_too_long, "a target of {} bytes", change.target.size());
    }
  } else if (!change.target.empty()) {
    return fail(Errc::invalid, "a target for something that is no symlink");
  }
  const bool is_regular = change.kind == wire::FileKind::regular;
  if (change.delegate && !is_regular && change.kind != wire::FileKind::directory) {
    return fail(Errc::invalid, "only files and directories are delegated");
  }
  if (change.orphan && !is_regular) return fail(Errc::invalid, "only files may lack a name");
  return {};
}

InodeRow make_row(const wire::Create& change, const InodeRow& parent, std::int64_t time) {
  InodeRow row;
  row.inode = change.inode;
  row.kind = change.kind;
  row.mode = change.mode;
  row.nlink = change.orphan ? 0 : row.is_directory() ? 2 : 1;
  row.uid = change.uid;
  row.gid = change.gid;
  const bool is_device =
      change.kind == wire::FileKind::char_device || change.kind == wire::FileKind::block_device;
  row.rdev = is_device ? change.rdev : 0;
  row.target = change.target;
  row.atime = row.mtime = row.ctime = time;
  // As in a setgid directory anywhere: its group is inherited, by directories the bit as well.
  if ((parent.mode & kSetGid) != 0) {
    row.gid = parent.gid;
    if (row.is_directory()) row.mode |= kSetGid;
  }
  return row;
}

Applied apply_create(OpContext& context, const wire::Create& change, InodeRow parent) {
  const InodeRow row = make_row(change, parent, context.time);
  Applied applied;
  context.store.insert_inode(row);
  if (row.is_directory()) context.census.count_directories(1);
  if (row.kind == wire::FileKind::regular) context.census.count_files(1);
  applied.records.push_back(row);
  if (change.delegate) applied.granted = row.inode;
  if (change.orphan) {
    context.store.add_orphan(row.inode, context.session);
    return applied;
  }
  context.store.add_entry(parent.inode, change.name, row.inode);
  touch_directory(context, parent, row.is_directory() ? 1 : 0);
  applied.records.push_back(std::move(parent));
  applied.watch.push_back(change.parent);
  applied.home = change.parent;
  return applied;
}

}  // namespace

Result<Plan> plan_create(OpContext& context, const wire::Create& change) {
  auto parent = open_parent(context, change.parent, change.orphan ? "orphan" : change.name);
  if (!parent) return pass(parent);
  if (!change.orphan && context.store.child(change.parent, change.name)) {
    return fail(Errc::exists, "a name in directory {}", change.parent);
  }
  auto shape = check_shape(change);
  if (!shape) return pass(shape);
  if (change.kind == wire::FileKind::directory && parent->nlink >= wire::kMaxLinks) {
    return fail(Errc::too_many_links, "directory {}", change.parent);
  }
  auto number = check_number(context, change.inode);
  if (!number) return pass(number);

  Plan plan;
  if (!change.orphan) {
    plan.footprint.names.push_back({change.parent, change.name});
    plan.footprint.inodes.push_back(touched_directory(change.parent));
  }
  plan.apply = [&change, row = std::move(*parent)](OpContext& at) mutable {
    return apply_create(at, change, std::move(row));
  };
  return plan;
}

}  // namespace shoal::tracker
