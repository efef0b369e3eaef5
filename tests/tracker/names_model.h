// SPDX-License-Identifier: MIT
// What POSIX says about names, as plainly as possible, to compare the tracker with.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/error.h"
#include "wire/operations.h"

namespace shoal::tracker {

struct ModelInode {
  wire::FileKind kind = wire::FileKind::regular;
  std::uint32_t mode = 0;
  std::uint32_t nlink = 0;
  std::uint64_t version = 0;
  std::map<std::string, InodeId> children;
};

/// Names as POSIX has them, written down as plainly as possible. nullopt: it worked.
class Model {
 public:
  Model() { inodes[kRootInode] = ModelInode{wire::FileKind::directory, 0755, 2, 0, {}}; }

  std::optional<Errc> create(const wire::Create& c) {
    ModelInode* parent = find(c.parent);
    if (parent == nullptr) return Errc::not_found;
    if (parent->kind != wire::FileKind::directory) return Errc::not_directory;
    if (parent->children.contains(c.name)) return Errc::exists;
    parent->children[c.name] = c.inode;
    const bool is_directory = c.kind == wire::FileKind::directory;
    if (is_directory) parent->nlink += 1;
    inodes[c.inode] = ModelInode{c.kind, c.mode, is_directory ? 2U : 1U, 0, {}};
    return std::nullopt;
  }

  std::optional<Errc> link(const wire::Link& l) {
    ModelInode* inode = find(l.inode);
    if (inode == nullptr) return Errc::not_found;
    ModelInode* parent = find(l.parent);
    if (parent == nullptr) return Errc::not_found;
    if (parent->kind != wire::FileKind::directory) return Errc::not_directory;
    if (parent->children.contains(l.name)) return Errc::exists;
    if (inode->kind == wire::FileKind::directory) return Errc::not_permitted;
    parent->children[l.name] = l.inode;
    inode->nlink += 1;
    return std::nullopt;
  }

  std::optional<Errc> remove(InodeId in, const std::string& name, bool directory) {
    ModelInode* parent = find(in);
    if (parent == nullptr) return Errc::not_found;
    if (parent->kind != wire::FileKind::directory) return Errc::not_directory;
    if (!parent->children.contains(name)) return Errc::not_found;
    ModelInode& inode = inodes[parent->children[name]];
    const bool is_directory = inode.kind == wire::FileKind::directory;
    if (directory && !is_directory) return Errc::not_directory;
    if (!directory && is_directory) return Errc::is_directory;
    if (directory && !inode.children.empty()) return Errc::not_empty;
    if (directory) parent->nlink -= 1;
    drop(parent->children[name]);
    parent->children.erase(name);
    return std::nullopt;
  }

  std::optional<Errc> rename(const wire::Rename& r) {
    ModelInode* from = find(r.parent);
    if (from == nullptr) return Errc::not_found;
    if (from->kind != wire::FileKind::directory) return Errc::not_directory;
    ModelInode* to = find(r.new_parent);
    if (to == nullptr) return Errc::not_found;
    if (to->kind != wire::FileKind::directory) return Errc::not_directory;
    if (!from->children.contains(r.name)) return Errc::not_found;
    const InodeId moved = from->children[r.name];
    const bool has_target = to->children.contains(r.new_name);
    const InodeId target = has_target ? to->children[r.new_name] : InodeId();
    const bool exchange = r.flags == wire::Rename::kExchange;
    if (r.flags == wire::Rename::kNoReplace && has_target) return Errc::exists;
    if (exchange && !has_target) return Errc::not_found;
    if (from != to && is_below(r.new_parent, moved)) return Errc::invalid;
    if (from != to && has_target && is_below(r.parent, target)) {
      return exchange ? Errc::invalid : Errc::not_empty;
    }
    if (moved == target) return std::nullopt;
    const bool is_directory = inodes[moved].kind == wire::FileKind::directory;
    if (exchange) {
      const bool other_is = inodes[target].kind == wire::FileKind::directory;
      from->nlink += (other_is ? 1U : 0U) - (is_directory ? 1U : 0U);
      to->nlink += (is_directory ? 1U : 0U) - (other_is ? 1U : 0U);
      from->children[r.name] = target;
      to->children[r.new_name] = moved;
      return std::nullopt;
    }
    if (has_target) {
      const bool other_is = inodes[target].kind == wire::FileKind::directory;
      if (is_directory && !other_is) return Errc::not_directory;
      if (!is_directory && other_is) return Errc::is_directory;
      if (other_is && !inodes[target].children.empty()) return Errc::not_empty;
      if (other_is) to->nlink -= 1;
      drop(target);
    }
    from->children.erase(r.name);
    to->children[r.new_name] = moved;
    if (is_directory) {
      from->nlink -= 1;
      to->nlink += 1;
    }
    return std::nullopt;
  }

  /// A directory in which it is linked; 0: none.
  InodeId parent_of(InodeId inode) const {
    for (const auto& [directory, row] : inodes) {
      for (const auto& [name, child] : row.children) {
        if (child == inode) return directory;
      }
    }
    return {};
  }

  /// 0: there is no such name.
  InodeId child(InodeId in, const std::string& name) {
    const ModelInode* parent = find(in);
    if (parent == nullptr) return {};
    auto found = parent->children.find(name);
    return found == parent->children.end() ? InodeId() : found->second;
  }

  ModelInode* find(InodeId inode) {
    auto found = inodes.find(inode);
    return found == inodes.end() ? nullptr : &found->second;
  }

  std::map<InodeId, ModelInode> inodes;

 private:
  void drop(InodeId inode) {
    ModelInode& gone = inodes[inode];
    gone.nlink -= 1;
    if (gone.nlink == 0 || gone.kind == wire::FileKind::directory) inodes.erase(inode);
  }
  bool is_below(InodeId inode, InodeId ancestor) {
    if (inode == ancestor) return true;
    const ModelInode* above = find(ancestor);
    if (above == nullptr) return false;
    for (const auto& [name, child] : above->children) {
      if (is_below(inode, child)) return true;
    }
    return false;
  }
};

}  // namespace shoal::tracker
