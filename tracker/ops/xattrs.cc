// SPDX-License-Identifier: MIT
#include <algorithm>

#include "tracker/ops/names.h"
#include "wire/limits.h"

namespace shoal::tracker {
namespace {

TouchedInode touched_xattrs(const InodeRow& inode) {
  TouchedInode touched = touched_attributes(inode);
  touched.xattrs = true;
  return touched;
}

Result<void> check_value(const wire::SetXattr& change) {
  if (change.name.empty() || change.name.find('\0') != std::string::npos) {
    return fail(Errc::invalid, "the name of an attribute");
  }
  if (change.name.size() > wire::kMaxXattrNameBytes) {
    return fail(Errc::out_of_range, "an attribute's name of {} bytes", change.name.size());
  }
  if (change.value.size() > wire::kMaxXattrValueBytes) {
    return fail(Errc::too_large, "an attribute of {} bytes", change.value.size());
  }
  constexpr std::uint32_t kBoth = wire::SetXattr::kCreate | wire::SetXattr::kReplace;
  if (change.flags > kBoth) return fail(Errc::invalid, "setxattr flags {}", change.flags);
  return {};
}

/// All attributes of an inode together are bounded.
Result<void> check_room(const wire::SetXattr& change, const std::vector<wire::Xattr>& present) {
  std::size_t count = 1;
  std::size_t bytes = change.name.size() + change.value.size();
  for (const auto& xattr : present) {
    if (xattr.name == change.name) continue;
    count += 1;
    bytes += xattr.name.size() + xattr.value.size();
  }
  if (count > wire::kMaxXattrsPerInode || bytes > wire::kMaxXattrBytesPerInode) {
    return fail(Errc::no_space, "inode {} has too many attributes", change.inode);
  }
  return {};
}

Applied apply_set(OpContext& context, const wire::SetXattr& change, InodeRow inode) {
  context.store.put_xattr(inode.inode, change.name, change.value);
  inode.has_xattrs = true;
  inode.ctime = context.time;
  context.store.update_inode(inode);
  Applied applied;
  applied.records.push_back(std::move(inode));
  return applied;
}

Applied apply_remove(OpContext& context, const wire::RemoveXattr& change, InodeRow inode) {
  context.store.remove_xattr(inode.inode, change.name);
  inode.has_xattrs = !context.store.xattrs(inode.inode).empty();
  inode.ctime = context.time;
  context.store.update_inode(inode);
  Applied applied;
  applied.records.push_back(std::move(inode));
  return applied;
}

}  // namespace

Result<Plan> plan_set_xattr(OpContext& context, const wire::SetXattr& change) {
  auto inode = context.store.inode(change.inode);
  if (!inode) return fail(Errc::not_found, "no inode {}", change.inode);
  auto value = check_value(change);
  if (!value) return pass(value);
  const auto present = context.store.xattrs(change.inode);
  const bool exists = std::any_of(present.begin(), present.end(),
                                  [&](const auto& xattr) { return xattr.name == change.name; });
  if ((change.flags & wire::SetXattr::kCreate) != 0 && exists) {
    return fail(Errc::exists, "an attribute of inode {}", change.inode);
  }
  if ((change.flags & wire::SetXattr::kReplace) != 0 && !exists) {
    return fail(Errc::no_attribute, "inode {}", change.inode);
  }
  auto room = check_room(change, present);
  if (!room) return pass(room);

  Plan plan;
  plan.footprint.inodes.push_back(touched_xattrs(*inode));
  plan.apply = [&change, row = std::move(*inode)](OpContext& at) mutable {
    return apply_set(at, change, std::move(row));
  };
  return plan;
}

Result<Plan> plan_remove_xattr(OpContext& context, const wire::RemoveXattr& change) {
  auto inode = context.store.inode(change.inode);
  if (!inode) return fail(Errc::not_found, "no inode {}", change.inode);
  const auto present = context.store.xattrs(change.inode);
  const bool exists = std::any_of(present.begin(), present.end(),
                                  [&](const auto& xattr) { return xattr.name == change.name; });
  if (!exists) return fail(Errc::no_attribute, "inode {}", change.inode);

  Plan plan;
  plan.footprint.inodes.push_back(touched_xattrs(*inode));
  plan.apply = [&change, row = std::move(*inode)](OpContext& at) mutable {
    return apply_remove(at, change, std::move(row));
  };
  return plan;
}

}  // namespace shoal::tracker
