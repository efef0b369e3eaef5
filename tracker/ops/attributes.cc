// SPDX-License-Identifier: MIT
#include "tracker/ops/names.h"
#include "tracker/ops/privileges.h"

namespace shoal::tracker {
namespace {

constexpr std::uint32_t kModeBits = 07777;

Applied apply_set_attributes(OpContext& context, const wire::SetAttributes& change,
                             InodeRow inode) {
  // Privileges go first: a mode that is set together with an owner is meant as it stands.
  if (change.drop_privileges) drop_privileges(context.store, inode);
  if (change.mode) inode.mode = *change.mode;
  if (change.uid) inode.uid = *change.uid;
  if (change.gid) inode.gid = *change.gid;
  if (change.atime) inode.atime = *change.atime;
  if (change.mtime) inode.mtime = *change.mtime;
  inode.ctime = context.time;
  context.store.update_inode(inode);
  Applied applied;
  applied.records.push_back(std::move(inode));
  return applied;
}

}  // namespace

void drop_privileges(Store& store, InodeRow& inode) {
  constexpr std::uint32_t kSetUid = 04000;
  constexpr std::uint32_t kSetGid = 02000;
  constexpr std::uint32_t kGroupExecute = 010;
  constexpr std::string_view kCapability = "security.capability";
  if (inode.is_directory()) return;
  inode.mode &= ~kSetUid;
  if ((inode.mode & kGroupExecute) != 0) inode.mode &= ~kSetGid;  // else it marks mandatory locks
  if (!inode.has_xattrs) return;
  store.remove_xattr(inode.inode, kCapability);
  inode.has_xattrs = !store.xattrs(inode.inode).empty();
}

Result<Plan> plan_set_attributes(OpContext& context, const wire::SetAttributes& change) {
  auto inode = context.store.inode(change.inode);
  if (!inode) return fail(Errc::not_found, "no inode {}", change.inode);
  if (change.mode && *change.mode > kModeBits)
    return fail(Errc::invalid, "mode {:o}", *change.mode);

  Plan plan;
  // What the delegate has not published yet happened before this: it must not come after it.
  plan.needs_release = context.delegate && context.delegate != context.session;
  TouchedInode touched = touched_attributes(*inode);
  touched.xattrs = change.drop_privileges && inode->has_xattrs;
  plan.footprint.inodes.push_back(touched);
  plan.apply = [&change, row = std::move(*inode)](OpContext& at) mutable {
    return apply_set_attributes(at, change, std::move(row));
  };
  return plan;
}

}  // namespace shoal::tracker
