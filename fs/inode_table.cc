// SPDX-License-Identifier: MIT
#include "fs/inode_table.h"

#include <functional>

#include "base/log.h"
#include "fs/open_file.h"
#include "wire/limits.h"

namespace shoal::fs {
namespace {

/// Beyond it every name counts as given: 8 bytes and the set's own cost each.
constexpr std::size_t kMaxGivenNames = 500'000;

}  // namespace

const InodeTable::Node* InodeTable::find(InodeId inode) const {
  const auto found = nodes_.find(inode);
  return found == nodes_.end() ? nullptr : &found->second;
}

void InodeTable::drop_if_idle(Nodes::iterator node) {
  if (node->second.is_idle()) nodes_.erase(node);
}

void InodeTable::add_lookup(InodeId inode, SteadyTime attributes_until) {
  const base::MutexLock lock(mutex_);
  Node& node = nodes_[inode];
  ++node.lookups;
  node.attributes_until = std::max(node.attributes_until, attributes_until);
}

void InodeTable::forget(InodeId inode, std::uint64_t count) {
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(inode);
  if (found == nodes_.end()) return;
  Node& node = found->second;
  if (count > node.lookups) {
    base::log_warning("the kernel forgets more than it was given inode={} given={} forgotten={}",
                      inode, node.lookups, count);
  }
  node.lookups -= std::min(count, node.lookups);
  if (node.lookups == 0) {
    node.attributes_until = SteadyTime::min();
    if (node.opens == 0) node.may_have_pages = false;
    if (!node.is_in_use()) node.is_doomed = false;
  }
  drop_if_idle(found);
}

void InodeTable::directory_given(InodeId inode, const wire::Attributes& attributes) {
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(inode);
  if (found == nodes_.end()) return;
  std::unique_ptr<wire::Attributes>& kept = found->second.directory;
  if (kept) {
    *kept = attributes;
  } else {
    kept = std::make_unique<wire::Attributes>(attributes);
  }
}

std::optional<wire::Attributes> InodeTable::directory_last_given(InodeId inode) const {
  const base::MutexLock lock(mutex_);
  const Node* node = find(inode);
  if (node == nullptr || !node->directory) return std::nullopt;
  return *node->directory;
}

std::uint64_t InodeTable::lookups(InodeId inode) const {
  const base::MutexLock lock(mutex_);
  const Node* node = find(inode);
  return node == nullptr ? 0 : node->lookups;
}

void InodeTable::attributes_given(InodeId inode, SteadyTime until) {
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(inode);
  // The root is known to the kernel without a lookup.
  if (found == nodes_.end() && inode != kRootInode) return;
  Node& node = found == nodes_.end() ? nodes_[inode] : found->second;
  if (inode == kRootInode && node.lookups == 0) node.lookups = 1;
  node.attributes_until = std::max(node.attributes_until, until);
}

std::shared_ptr<OpenFile> InodeTable::find_file(InodeId inode) const {
  const base::MutexLock lock(mutex_);
  const Node* node = find(inode);
  return node == nullptr ? nullptr : node->file;
}

std::shared_ptr<OpenFile> InodeTable::file_for(InodeId inode, const MakeFile& make) {
  const base::MutexLock lock(mutex_);
  Node& node = nodes_[inode];
  if (!node.file) node.file = make(inode);
  return node.file;
}

void InodeTable::release_file(std::shared_ptr<OpenFile> file) {
  std::shared_ptr<OpenFile> dropped;  // destroyed without the lock
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(file->inode());
  if (found == nodes_.end() || found->second.file != file || found->second.opens > 0) return;
  // References come from here only, under this lock: ours and the caller's means no other user.
  if (file.use_count() > 2) return;
  dropped = std::move(found->second.file);
  drop_if_idle(found);
}

std::vector<std::shared_ptr<OpenFile>> InodeTable::files() const {
  std::vector<std::shared_ptr<OpenFile>> all;
  const base::MutexLock lock(mutex_);
  for (const auto& [inode, node] : nodes_) {
    if (node.file) all.push_back(node.file);
  }
  return all;
}

std::shared_ptr<OpenFile> InodeTable::open_file(InodeId inode, bool for_writing,
                                                const MakeFile& make) {
  const base::MutexLock lock(mutex_);
  Node& node = nodes_[inode];
  const bool is_going = node.is_doomed || node.removals_unkept > 0;
  if (is_going && node.opens == 0) return nullptr;
  if (!node.file) node.file = make(inode);
  ++node.opens;
  if (for_writing) ++node.writers;
  node.may_have_pages = true;
  return node.file;
}

InodeTable::Closed InodeTable::remove_open(InodeId inode, bool for_writing) {
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(inode);
  if (found == nodes_.end() || found->second.opens == 0) return {};
  Node& node = found->second;
  Closed closed;
  --node.opens;
  if (for_writing) closed.was_last_writer = --node.writers == 0;
  closed.was_last = node.opens == 0;
  closed.was_orphan = !node.is_in_use() && node.is_orphan;
  if (closed.was_last && node.lookups == 0) node.may_have_pages = false;
  if (closed.was_orphan) {
    node.is_orphan = false;
    ++node.holds;  // until the tracker is told
  }
  drop_if_idle(found);
  return closed;
}

std::uint32_t InodeTable::opens(InodeId inode) const {
  const base::MutexLock lock(mutex_);
  const Node* node = find(inode);
  return node == nullptr ? 0 : node->opens;
}

std::uint32_t InodeTable::writers(InodeId inode) const {
  const base::MutexLock lock(mutex_);
  const Node* node = find(inode);
  return node == nullptr ? 0 : node->writers;
}

bool InodeTable::doom(InodeId inode) {
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(inode);
  if (found == nodes_.end()) return false;
  found->second.doom_if_unused();
  if (!found->second.is_in_use()) return false;
  found->second.is_orphan = true;
  return true;
}

void InodeTable::doom_unused(InodeId inode) {
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(inode);
  if (found != nodes_.end()) found->second.doom_if_unused();
}

bool InodeTable::is_doomed(InodeId inode) const {
  const base::MutexLock lock(mutex_);
  const Node* node = find(inode);
  return node != nullptr && node->is_doomed;
}

std::uint64_t InodeTable::dooms(InodeId inode) const {
  const base::MutexLock lock(mutex_);
  const Node* node = find(inode);
  return node == nullptr ? 0 : node->dooms;
}

void InodeTable::clear_doom(InodeId inode, bool is_linked, std::uint64_t seen) {
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(inode);
  if (found == nodes_.end()) return;
  found->second.is_doomed = false;
  if (is_linked && found->second.dooms == seen) found->second.is_orphan = false;
  drop_if_idle(found);
}

bool InodeTable::begin_removal(InodeId inode) {
  const base::MutexLock lock(mutex_);
  Node& node = nodes_[inode];
  ++node.removals;
  const bool is_in_use = node.is_in_use();
  if (!is_in_use) ++node.removals_unkept;
  return is_in_use;
}

bool InodeTable::end_removal(InodeId inode, bool was_in_use) {
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(inode);
  if (found == nodes_.end() || found->second.removals == 0) return false;
  Node& node = found->second;
  --node.removals;
  if (!was_in_use) {
    --node.removals_unkept;
    // Whoever opens it next asks whether it is still there.
    node.is_doomed = node.lookups > 0;
  }
  const bool is_held = node.holds > 0;
  drop_if_idle(found);
  return is_held;
}

bool InodeTable::is_being_removed(InodeId inode) const {
  const base::MutexLock lock(mutex_);
  const Node* node = find(inode);
  return node != nullptr && node->removals > 0;
}

void InodeTable::hold(InodeId inode) {
  const base::MutexLock lock(mutex_);
  ++nodes_[inode].holds;
}

bool InodeTable::end_hold(InodeId inode) {
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(inode);
  if (found == nodes_.end() || found->second.holds == 0) return false;
  Node& node = found->second;
  --node.holds;
  const bool was_orphan = !node.is_in_use() && node.is_orphan;
  if (was_orphan) {
    node.is_orphan = false;
    ++node.holds;  // until the tracker is told
  }
  drop_if_idle(found);
  return was_orphan;
}

bool InodeTable::make_orphan(InodeId inode) {
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(inode);
  if (found == nodes_.end() || !found->second.is_in_use()) return false;
  found->second.is_orphan = true;
  ++found->second.dooms;  // an answer from before does not undo it
  return true;
}

std::vector<InodeId> InodeTable::in_use() const {
  std::vector<InodeId> all;
  const base::MutexLock lock(mutex_);
  for (const auto& [inode, node] : nodes_) {
    if (node.is_in_use() || node.file) all.push_back(inode);
  }
  return all;
}

void InodeTable::set_orphan(InodeId inode) {
  const base::MutexLock lock(mutex_);
  nodes_[inode].is_orphan = true;
}

void InodeTable::end_orphan(InodeId inode) {
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(inode);
  if (found != nodes_.end()) found->second.is_orphan = false;
}

bool InodeTable::is_orphan(InodeId inode) const {
  const base::MutexLock lock(mutex_);
  const Node* node = find(inode);
  return node != nullptr && node->is_orphan;
}

std::uint64_t InodeTable::name_key(InodeId directory, std::string_view name) {
  return std::hash<std::string_view>{}(name) ^ (directory.value() * 0x9e3779b97f4a7c15u);
}

void InodeTable::note_use(InodeId directory, SteadyTime now) {
  const auto found = nodes_.find(directory);
  if (found != nodes_.end()) {
    found->second.used = now;
  } else if (directory == kRootInode) {
    nodes_[directory].used = now;  // known to the kernel without a lookup
  }
}

void InodeTable::directory_used(InodeId directory, SteadyTime now) {
  const base::MutexLock lock(mutex_);
  note_use(directory, now);
}

SteadyTime InodeTable::last_used(InodeId directory) const {
  const base::MutexLock lock(mutex_);
  const Node* node = find(directory);
  return node == nullptr ? SteadyTime::min() : node->used;
}

void InodeTable::name_given(InodeId directory, std::string_view name, SteadyTime now) {
  const base::MutexLock lock(mutex_);
  note_use(directory, now);
  if (now - wire::kLeaseTerm > names_turned_) {
    names_old_ = std::move(names_young_);
    all_names_old_ = all_names_young_;
    names_young_ = {};
    all_names_young_ = false;
    names_turned_ = now;
  }
  if (all_names_young_) return;
  names_young_.insert(name_key(directory, name));
  if (names_young_.size() > kMaxGivenNames) {
    all_names_young_ = true;
    names_young_ = {};
  }
}

bool InodeTable::may_know_name(InodeId directory, std::string_view name) const {
  const base::MutexLock lock(mutex_);
  if (all_names_young_ || all_names_old_) return true;
  const std::uint64_t key = name_key(directory, name);
  return names_young_.contains(key) || names_old_.contains(key);
}

void InodeTable::begin_change(InodeId directory) {
  const base::MutexLock lock(mutex_);
  ++nodes_[directory].changes;
}

void InodeTable::end_change(InodeId directory) {
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(directory);
  if (found == nodes_.end() || found->second.changes == 0) return;
  --found->second.changes;
  drop_if_idle(found);
}

bool InodeTable::is_changing(InodeId directory) const {
  const base::MutexLock lock(mutex_);
  const Node* node = find(directory);
  return node != nullptr && node->changes > 0;
}

InodeId InodeTable::parent(InodeId directory) const {
  const base::MutexLock lock(mutex_);
  const Node* node = find(directory);
  return node == nullptr ? InodeId{} : node->parent;
}

void InodeTable::set_parent(InodeId directory, InodeId parent) {
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(directory);
  if (found != nodes_.end()) found->second.parent = parent;
}

InodeTable::Known InodeTable::known_of(const Node& node, SteadyTime now) {
  Known known;
  known.is_known = node.lookups > 0 || node.opens > 0;
  known.has_attributes = known.is_known && node.attributes_until > now;
  known.may_have_pages = node.may_have_pages;
  return known;
}

InodeTable::Known InodeTable::known(InodeId inode, SteadyTime now) const {
  const base::MutexLock lock(mutex_);
  const Node* node = find(inode);
  return node == nullptr ? Known{} : known_of(*node, now);
}

std::vector<std::pair<InodeId, InodeTable::Known>> InodeTable::all_known(SteadyTime now) const {
  std::vector<std::pair<InodeId, Known>> all;
  const base::MutexLock lock(mutex_);
  for (const auto& [inode, node] : nodes_) {
    const Known known = known_of(node, now);
    if (known.has_attributes || known.may_have_pages) all.emplace_back(inode, known);
  }
  return all;
}

void InodeTable::pages_dropped(InodeId inode) {
  const base::MutexLock lock(mutex_);
  const auto found = nodes_.find(inode);
  if (found != nodes_.end() && found->second.opens == 0) found->second.may_have_pages = false;
}

std::size_t InodeTable::size() const {
  const base::MutexLock lock(mutex_);
  return nodes_.size();
}

}  // namespace shoal::fs
