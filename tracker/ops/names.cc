// SPDX-License-Identifier: MIT
#include "tracker/ops/names.h"

#include "wire/codec.h"

namespace shoal::tracker {

Result<InodeRow> open_parent(OpContext& context, InodeId parent, std::string_view name) {
  auto valid = wire::check_name(name);
  if (!valid) return pass(valid);
  auto row = context.store.inode(parent);
  if (!row) return fail(Errc::not_found, "no directory {}", parent);
  if (!row->is_directory()) return fail(Errc::not_directory, "inode {}", parent);
  return *row;
}

void touch_directory(OpContext& context, InodeRow& directory, int subdirectories) {
  directory.nlink = static_cast<std::uint32_t>(static_cast<int>(directory.nlink) + subdirectories);
  directory.mtime = context.time;
  directory.ctime = context.time;
  context.store.update_inode(directory);
}

void remove_inode(OpContext& context, const InodeRow& inode, Applied& applied) {
  for (const SessionId session : context.store.orphan_sessions(inode.inode)) {
    context.store.remove_orphan(inode.inode, session);
  }
  context.store.remove_inode(inode.inode);
  if (inode.is_directory()) context.census.count_directories(-1);
  if (inode.kind == wire::FileKind::regular) {
    context.census.count_files(-1);
    context.census.count_bytes(inode.content_ref.id.size, 0);
    context.contents.unrefer(inode.content, inode.inode);
  }
  applied.removed.push_back(inode.inode);
}

void note_lost_link(OpContext& context, const InodeRow& inode, const LinkRow& lost, Plan& plan) {
  if (inode.nlink < 2) return;
  for (const LinkRow& link : context.store.links(inode.inode, 2)) {
    if (link == lost) continue;
    if (link.parent != lost.parent) plan.moves.push_back({inode.inode, lost.parent, link.parent});
    return;
  }
}

Result<void> check_expected(const InodeRow& inode, InodeId expected) {
  if (!expected || inode.inode == expected) return {};
  return fail(Errc::conflict, "the name leads to inode {}, not {}", inode.inode, expected);
}

void drop_link(OpContext& context, InodeRow inode, bool keep_open, Applied& applied) {
  inode.nlink -= 1;
  inode.ctime = context.time;
  if (inode.nlink > 0) {
    context.store.update_inode(inode);
    applied.records.push_back(std::move(inode));
    return;
  }
  bool is_open = false;
  for (const auto& [open_inode, session] : context.still_open) {
    if (open_inode != inode.inode) continue;
    context.store.add_orphan(inode.inode, session);
    is_open = true;
  }
  if (keep_open) {
    context.store.add_orphan(inode.inode, context.session);
    is_open = true;
  }
  // A file without a name that was linked once may be open under its orphan's entry still.
  if (!is_open && context.store.orphan_sessions(inode.inode).empty()) {
    remove_inode(context, inode, applied);
    return;
  }
  context.store.update_inode(inode);
  applied.records.push_back(std::move(inode));
}

TouchedInode touched_by_unlink(const InodeRow& inode) {
  TouchedInode touched = touched_attributes(inode);
  touched.orphaned = inode.nlink == 1;
  return touched;
}

InodeId subject_of(const wire::Change& change) {
  if (const auto* set = std::get_if<wire::SetAttributes>(&change)) return set->inode;
  if (const auto* publish = std::get_if<wire::Publish>(&change)) return publish->inode;
  if (const auto* take = std::get_if<wire::TakeDelegation>(&change)) return take->inode;
  if (const auto* drop = std::get_if<wire::DropDelegation>(&change)) return drop->inode;
  if (const auto* xattr = std::get_if<wire::SetXattr>(&change)) return xattr->inode;
  if (const auto* xattr = std::get_if<wire::RemoveXattr>(&change)) return xattr->inode;
  return {};
}

namespace {

struct Planner {
  OpContext& context;
  Result<Plan> operator()(const wire::Create& c) { return plan_create(context, c); }
  Result<Plan> operator()(const wire::Link& c) { return plan_link(context, c); }
  Result<Plan> operator()(const wire::Unlink& c) { return plan_unlink(context, c); }
  Result<Plan> operator()(const wire::Rmdir& c) { return plan_rmdir(context, c); }
  Result<Plan> operator()(const wire::Rename& c) { return plan_rename(context, c); }
  Result<Plan> operator()(const wire::SetAttributes& c) { return plan_set_attributes(context, c); }
  Result<Plan> operator()(const wire::SetXattr& c) { return plan_set_xattr(context, c); }
  Result<Plan> operator()(const wire::RemoveXattr& c) { return plan_remove_xattr(context, c); }
  Result<Plan> operator()(const wire::Publish& c) { return plan_publish(context, c); }
  Result<Plan> operator()(const wire::TakeDelegation& c) {
    return plan_take_delegation(context, c);
  }
  Result<Plan> operator()(const wire::DropDelegation& c) {
    return plan_drop_delegation(context, c);
  }
};

}  // namespace

Result<Plan> plan_change(OpContext& context, const wire::Change& change) {
  return std::visit(Planner{context}, change);
}

}  // namespace shoal::tracker
