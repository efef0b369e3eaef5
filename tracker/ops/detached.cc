// SPDX-License-Identifier: MIT
#include "tracker/ops/detached.h"

#include <algorithm>

#include "tracker/ops/names.h"
#include "wire/conflict_name.h"

namespace shoal::tracker {
namespace {

/// A conflict name that is taken makes way for that of the next millisecond, so often at most.
constexpr int kMaxTries = 10'000;
constexpr std::int64_t kStep = 1'000'000;

class Fitting {
 public:
  Fitting(OpContext& context, const wire::Operation& operation, std::string_view peer_name,
          const Delegations& delegations)
      : context_(context), time_(operation.time), peer_name_(peer_name), delegations_(delegations) {
    std::ranges::replace(peer_name_, '/', '_');
  }

  Result<void> operator()(wire::Create& change) {
    change.delegate = false;
    if (!change.orphan) return place(change.parent, change.name, {});
    if (is_gone(change.parent)) change.parent = kRootInode;
    return {};
  }
  Result<void> operator()(wire::Link& change) { return place(change.parent, change.name, {}); }
  Result<void> operator()(wire::Unlink& change) {
    const auto row = context_.store.child_inode(change.parent, change.name);
    if (!row || !is_changed(*row)) return {};
    return fail(Errc::conflict, "inode {} was changed since", row->inode);
  }
  Result<void> operator()(wire::Rename& change) {
    if ((change.flags & wire::Rename::kExchange) == 0) {
      return place(change.new_parent, change.new_name, change.replaced);
    }
    const auto other = context_.store.child(change.new_parent, change.new_name);
    if (other && *other == change.replaced) return {};
    return fail(Errc::conflict, "the other name does not lead to inode {}", change.replaced);
  }
  Result<void> operator()(auto&) { return {}; }

  std::string take_new_name() { return std::move(new_name_); }

 private:
  bool is_gone(InodeId directory) {
    const auto row = context_.store.inode(directory);
    return !row || !row->is_directory();
  }

  bool is_changed(const InodeRow& row) const {
    const SessionId writer = delegations_.holder(row.inode);
    return row.ctime > time_ || (writer && writer != context_.session);
  }

  /// Whether the name is free, or leads to what the peer has replaced and nobody changed.
  bool is_free(InodeId parent, const std::string& name, InodeId replaced) {
    const auto taken = context_.store.child_inode(parent, name);
    if (!taken) return true;
    if (!replaced || taken->inode != replaced || is_changed(*taken)) return false;
    return !taken->is_directory() || !context_.store.has_children(replaced);
  }

  Result<void> place(InodeId& parent, std::string& name, InodeId replaced) {
    if (is_gone(parent)) {
      parent = kRootInode;
    } else if (is_free(parent, name, replaced)) {
      return {};
    }
    for (int tries = 0; tries < kMaxTries; ++tries) {
      new_name_ = wire::conflict_name(name, peer_name_, time_ + tries * kStep);
      if (context_.store.child(parent, new_name_)) continue;
      name = new_name_;
      return {};
    }
    return fail(Errc::conflict, "no name is free in directory {}", parent);
  }

  OpContext& context_;
  std::int64_t time_;
  std::string peer_name_;
  const Delegations& delegations_;
  std::string new_name_;
};

}  // namespace

Result<Detached> fit_detached(OpContext& context, const wire::Operation& operation,
                              std::string_view peer_name, const Delegations& delegations) {
  Detached detached{operation.change, {}};
  Fitting fitting(context, operation, peer_name, delegations);
  auto fits = std::visit(fitting, detached.change);
  if (!fits) return pass(fits);
  detached.renamed_to = fitting.take_new_name();
  return detached;
}

}  // namespace shoal::tracker
