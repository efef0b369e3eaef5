// SPDX-License-Identifier: MIT
#include "cache/eviction.h"

#include <algorithm>

namespace shoal::cache {

void Eviction::link(InodeId inode, Node& node, Queue queue) {
  Ends& ends = ends_[queue];
  node.queue = queue;
  node.warmer = InodeId();
  node.colder = ends.warmest;
  if (node.colder) {
    nodes_.at(node.colder).warmer = inode;
  } else {
    ends.coldest = inode;
  }
  ends.warmest = inode;
  ends.bytes += node.bytes;
}

void Eviction::unlink(Node& node) {
  Ends& ends = ends_[node.queue];
  (node.colder ? nodes_.at(node.colder).warmer : ends.coldest) = node.warmer;
  (node.warmer ? nodes_.at(node.warmer).colder : ends.warmest) = node.colder;
  ends.bytes -= node.bytes;
}

void Eviction::put(InodeId inode, std::uint64_t bytes, Role role) {
  Queue queue = seen_once;
  if (role == Role::replica) queue = replicas;
  if (role == Role::origin) queue = origins;
  if (role == Role::pinned) queue = pinned;
  const auto [place, is_new] = nodes_.try_emplace(inode);
  Node& node = place->second;
  if (is_new) {
    if (last_used_ != inode) ++now_;
    last_used_ = inode;
    node.used = now_;
    node.bytes = bytes;
    link(inode, node, queue);
    return;
  }
  const bool stays = node.queue == queue || (queue == seen_once && node.queue == used_again);
  if (stays) {
    ends_[node.queue].bytes += bytes - node.bytes;  // wraps back for a smaller one
    node.bytes = bytes;
    return;
  }
  unlink(node);
  node.bytes = bytes;
  link(inode, node, queue);
}

void Eviction::use(InodeId inode) {
  const auto place = nodes_.find(inode);
  if (place == nodes_.end()) return;
  if (last_used_ != inode) ++now_;
  last_used_ = inode;
  Node& node = place->second;
  const bool again = now_ - node.used > limits_.correlated_uses;
  node.used = now_;
  Queue queue = node.queue;
  if (queue == seen_once) {
    if (!again) return;  // part of the first use: it keeps its place
    queue = used_again;
  }
  unlink(node);
  link(inode, node, queue);
  if (queue == used_again) limit_used_again();
}

void Eviction::limit_used_again() {
  while (ends_[used_again].bytes / 4 > ends_[seen_once].bytes &&
         ends_[used_again].coldest != ends_[used_again].warmest) {
    const InodeId inode = ends_[used_again].coldest;
    Node& node = nodes_.at(inode);
    unlink(node);
    link(inode, node, seen_once);
  }
}

void Eviction::erase(InodeId inode) {
  const auto place = nodes_.find(inode);
  if (place == nodes_.end()) return;
  unlink(place->second);
  nodes_.erase(place);
}

std::optional<Eviction::Victim> Eviction::choose(std::uint64_t wanted,
                                                 const std::function<bool(InodeId)>& in_use) const {
  std::optional<Victim> coldest;
  std::size_t looked_at = 0;
  for (const Queue queue : {seen_once, used_again}) {
    for (InodeId inode = ends_[queue].coldest; inode && looked_at < limits_.window;) {
      const Node& node = nodes_.at(inode);
      if (!in_use(inode)) {
        ++looked_at;
        if (node.bytes >= limits_.huge_bytes) {
          const bool whole = wanted > node.bytes / 2;  // little would be left
          return Victim{inode, whole ? 0 : std::max<std::uint64_t>(wanted, 1)};
        }
        if (!coldest) coldest = Victim{inode, 0};
      }
      inode = node.warmer;
    }
    if (coldest) break;  // what was used again is not worse for being huge
  }
  return coldest;
}

std::vector<InodeId> Eviction::ask(std::uint64_t wanted, std::size_t count_max) const {
  std::vector<InodeId> chosen;
  std::uint64_t bytes = 0;
  for (const Queue queue : {replicas, origins}) {
    for (InodeId inode = ends_[queue].coldest; inode; inode = nodes_.at(inode).warmer) {
      if (bytes >= wanted || chosen.size() >= count_max) return chosen;
      chosen.push_back(inode);
      bytes += nodes_.at(inode).bytes;
    }
  }
  return chosen;
}

std::uint64_t Eviction::last_use(InodeId inode) const {
  const auto place = nodes_.find(inode);
  return place == nodes_.end() ? 0 : place->second.used;
}

}  // namespace shoal::cache
