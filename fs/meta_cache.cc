// SPDX-License-Identifier: MIT
#include "fs/meta_cache.h"

#include <algorithm>

namespace shoal::fs {
namespace {

/// Beyond this many things of unknown state nothing is kept until the next drop_all().
constexpr std::size_t kMaxTainted = 10'000;
/// Beyond this many names in doubt a directory is read anew.
constexpr std::size_t kMaxUnsure = 1'000;

}  // namespace

void MetaCache::poison(Transit& transit, const Touches& touches) {
  if (transit.all) return;
  for (const InodeId inode : touches.inodes) transit.inodes.insert(inode);
  for (const NameRef& ref : touches.names) transit.names.insert(ref);
}

MetaCache::Ticket MetaCache::begin(Touches touches) {
  const Ticket ticket = ++last_ticket_;
  Transit fresh;
  for (auto& [other_ticket, other] : transits_) {
    poison(fresh, other.touches);
    poison(other, touches);
  }
  for (const InodeId inode : touches.inodes) drop_record(inode);
  for (const NameRef& ref : touches.names) drop_name(ref);
  fresh.touches = std::move(touches);
  transits_.emplace(ticket, std::move(fresh));
  return ticket;
}

void MetaCache::end(Ticket ticket) { transits_.erase(ticket); }

void MetaCache::end_unknown(Ticket ticket) {
  const auto found = transits_.find(ticket);
  if (found == transits_.end()) return;
  poison(tainted_, found->second.touches);
  if (tainted_.inodes.size() + tainted_.names.size() > kMaxTainted) {
    tainted_ = Transit{};
    tainted_.all = true;
  }
  transits_.erase(found);
}

bool MetaCache::is_poisoned(Ticket ticket, InodeId inode) const {
  if (tainted_.all || tainted_.inodes.contains(inode)) return true;
  const auto found = transits_.find(ticket);
  return found == transits_.end() || found->second.all || found->second.inodes.contains(inode);
}

bool MetaCache::is_poisoned(Ticket ticket, const NameRef& ref) const {
  if (tainted_.all || tainted_.names.contains(ref)) return true;
  const auto found = transits_.find(ticket);
  return found == transits_.end() || found->second.all || found->second.names.contains(ref);
}

bool MetaCache::put_record(Ticket ticket, const wire::InodeRecord& record) {
  if (!record.cacheable || is_poisoned(ticket, record.inode)) return false;
  if (pinned_inodes_.contains(record.inode)) return find_inode(record.inode) != nullptr;
  if (Inode* known = find_inode(record.inode)) {
    if (!record.has_xattrs) known->xattrs.reset();
    known->record = record;
    return true;
  }
  young_.emplace(record.inode, Inode{record, nullptr, {}});
  trim();
  return true;
}

void MetaCache::set_name(InodeId inode, Directory& directory, const std::string& name, Name value) {
  const auto [place, is_new] = directory.names.try_emplace(name);
  if (is_new) ++name_count_;
  if (place->second.inode) --directory.present;
  if (value.inode) ++directory.present;
  place->second = value;
  if (Inode* named = value.inode ? find_inode(value.inode) : nullptr) named->home = inode;
  directory.unsure.erase(name);
  directory.listing.reset();
}

void MetaCache::drop_name(const NameRef& ref) {
  Directory* directory = find_directory(ref.directory);
  if (directory == nullptr) return;
  if (const auto known = directory->names.find(ref.name); known != directory->names.end()) {
    if (known->second.inode) --directory->present;
    directory->names.erase(known);
    --name_count_;
  }
  directory->listing.reset();
  if (!directory->is_complete) return;
  directory->unsure.insert(ref.name);
  if (directory->unsure.size() > kMaxUnsure) {
    directory->is_complete = false;
    directory->unsure.clear();
  }
}

void MetaCache::put_name(Ticket ticket, const NameRef& ref, InodeId inode, wire::FileKind kind) {
  if (is_poisoned(ticket, ref)) return;
  set_name(ref.directory, directory_for(ref.directory), ref.name, {inode, kind});
  trim();
}

void MetaCache::put_own_name(Ticket ticket, const NameRef& ref, InodeId inode,
                             wire::FileKind kind) {
  Directory* directory = find_directory(ref.directory);
  if (directory == nullptr || is_poisoned(ticket, ref)) return;
  set_name(ref.directory, *directory, ref.name, {inode, kind});
  trim();
}

void MetaCache::put_listing(Ticket ticket, InodeId inode, const Listing& listing) {
  const auto found = transits_.find(ticket);
  if (found == transits_.end() || found->second.all || tainted_.all) return;
  Directory& directory = directory_for(inode);
  for (const NameEntry& entry : listing) {
    const NameRef ref{inode, entry.name};
    if (is_poisoned(ticket, ref)) continue;
    set_name(inode, directory, entry.name, {entry.inode, entry.kind});
  }
  directory.is_complete = true;
  directory.unsure.clear();
  const auto doubt = [&](const NameSet& poisoned) {
    for (const NameRef& ref : poisoned) {
      if (ref.directory != inode || directory.names.contains(ref.name)) continue;
      directory.unsure.insert(ref.name);
    }
  };
  doubt(found->second.names);
  doubt(tainted_.names);
  trim();
}

void MetaCache::put_xattrs(Ticket ticket, InodeId inode, std::shared_ptr<const XattrList> xattrs) {
  if (is_poisoned(ticket, inode)) return;
  if (Inode* known = find_inode(inode)) known->xattrs = std::move(xattrs);
}

void MetaCache::apply(const Effect& effect) {
  Touches touches{{}, effect.gone};
  for (const auto& [ref, name] : effect.names) touches.names.push_back(ref);
  for (const wire::InodeRecord& record : effect.records) touches.inodes.push_back(record.inode);
  for (auto& [ticket, transit] : transits_) poison(transit, touches);
  for (const InodeId inode : effect.gone) {
    drop_record(inode);
    drop_directory(inode);
  }
  for (const wire::InodeRecord& record : effect.records) {
    if (tainted_.all || tainted_.inodes.contains(record.inode)) {
      drop_record(record.inode);
    } else if (Inode* known = find_inode(record.inode)) {
      known->record = record;
    } else {
      young_.emplace(record.inode, Inode{record, nullptr, {}});
    }
  }
  for (const auto& [ref, name] : effect.names) {
    if (tainted_.all || tainted_.names.contains(ref)) {
      drop_name(ref);
    } else {
      set_name(ref.directory, directory_for(ref.directory), ref.name, name);
    }
  }
  if (effect.fresh && !tainted_.all) directory_for(effect.fresh).is_complete = true;
  trim();
}

void MetaCache::pin(const Touches& touches) {
  for (const InodeId inode : touches.inodes) ++pinned_inodes_[inode];
  for (const NameRef& ref : touches.names) ++pinned_directories_[ref.directory];
}

void MetaCache::unpin(const Touches& touches) {
  const auto release = [](auto& pinned, InodeId inode) {
    const auto found = pinned.find(inode);
    if (found != pinned.end() && --found->second == 0) pinned.erase(found);
  };
  for (const InodeId inode : touches.inodes) release(pinned_inodes_, inode);
  for (const NameRef& ref : touches.names) release(pinned_directories_, ref.directory);
}

std::optional<MetaCache::Name> MetaCache::find_name(InodeId directory, std::string_view name) {
  Directory* known = find_directory(directory);
  if (known == nullptr) return std::nullopt;
  const auto found = known->names.find(name);
  if (found != known->names.end()) return found->second;
  if (known->is_complete && !known->unsure.contains(name)) return Name{};
  return std::nullopt;
}

MetaCache::Inode* MetaCache::find_inode(InodeId inode) {
  const auto young = young_.find(inode);
  if (young != young_.end()) return &young->second;
  auto node = old_.extract(inode);
  if (node.empty()) return nullptr;
  return &young_.insert(std::move(node)).position->second;
}

const MetaCache::Inode* MetaCache::peek(InodeId inode) const {
  for (const Inodes* inodes : {&young_, &old_}) {
    const auto found = inodes->find(inode);
    if (found != inodes->end()) return &found->second;
  }
  return nullptr;
}

const wire::InodeRecord* MetaCache::find_record(InodeId inode) {
  const Inode* known = find_inode(inode);
  return known == nullptr ? nullptr : &known->record;
}

std::shared_ptr<const XattrList> MetaCache::find_xattrs(InodeId inode) {
  const Inode* known = find_inode(inode);
  return known == nullptr ? nullptr : known->xattrs;
}

std::shared_ptr<const Listing> MetaCache::find_listing(InodeId inode) {
  Directory* known = find_directory(inode);
  if (known == nullptr || !known->is_complete || !known->unsure.empty()) return nullptr;
  if (!known->listing) {
    auto listing = std::make_shared<Listing>();
    listing->reserve(known->names.size());
    for (const auto& [name, value] : known->names) {
      if (value.inode) listing->push_back({name, value.inode, value.kind});
    }
    std::ranges::sort(*listing, {}, &NameEntry::name);
    known->listing = std::move(listing);
  }
  return known->listing;
}

bool MetaCache::is_empty(InodeId directory) {
  const Directory* known = find_directory(directory);
  return known != nullptr && known->is_complete && known->unsure.empty() && known->present == 0;
}

InodeId MetaCache::home(InodeId inode) {
  const Inode* known = find_inode(inode);
  return known == nullptr ? InodeId{} : known->home;
}

std::optional<NameRef> MetaCache::find_any_name(InodeId inode) const {
  for (const auto& [directory, known] : directories_) {
    for (const auto& [name, value] : known.names) {
      if (value.inode == inode) return NameRef{directory, name};
    }
  }
  return std::nullopt;
}

void MetaCache::drop_record(InodeId inode) {
  young_.erase(inode);
  old_.erase(inode);
}

void MetaCache::forget_name(InodeId directory, const std::string& name) {
  const NameRef ref{directory, name};
  for (auto& [ticket, transit] : transits_) transit.names.insert(ref);
  drop_name(ref);
}

void MetaCache::forget_inode(InodeId inode) {
  doubt(inode);
  drop_record(inode);
}

void MetaCache::doubt(InodeId inode) {
  for (auto& [ticket, transit] : transits_) transit.inodes.insert(inode);
}

bool MetaCache::may_be_in(InodeId inode, const std::set<InodeId>& directories) const {
  const Inode* known = peek(inode);
  return known == nullptr || !known->home || directories.contains(known->home);
}

std::set<InodeId> MetaCache::unused(std::set<InodeId> directories,
                                    std::span<const InodeId> used) const {
  const auto keep_home = [&](InodeId inode) {
    const Inode* known = peek(inode);
    if (known == nullptr || !known->home) {
      directories.clear();  // it may be anywhere
    } else {
      directories.erase(known->home);
    }
  };
  for (const InodeId inode : used) keep_home(inode);
  for (const auto& [inode, count] : pinned_inodes_) {
    keep_home(inode);
    directories.erase(inode);
  }
  for (const auto& [inode, count] : pinned_directories_) directories.erase(inode);
  return directories;
}

void MetaCache::forget_directories(const std::set<InodeId>& directories) {
  // The attributes of directories are told of one by one.
  const auto goes = [&](const auto& item) {
    const Inode& known = item.second;
    if (known.record.attributes.kind == wire::FileKind::directory) {
      return directories.contains(item.first);
    }
    return !known.home || directories.contains(known.home);
  };
  std::erase_if(young_, goes);
  std::erase_if(old_, goes);
  for (const InodeId directory : directories) drop_directory(directory);
  poison_all();
}

void MetaCache::drop_all() {
  young_.clear();
  old_.clear();
  directories_.clear();
  directory_order_.clear();
  name_count_ = 0;
  tainted_ = Transit{};
  poison_all();
}

void MetaCache::poison_all() {
  for (auto& [ticket, transit] : transits_) {
    transit.all = true;
    transit.inodes.clear();
    transit.names.clear();
  }
}

MetaCache::Directory* MetaCache::find_directory(InodeId inode) {
  const auto found = directories_.find(inode);
  if (found == directories_.end()) return nullptr;
  directory_order_.splice(directory_order_.begin(), directory_order_, found->second.place);
  return &found->second;
}

MetaCache::Directory& MetaCache::directory_for(InodeId inode) {
  if (Directory* known = find_directory(inode)) return *known;
  directory_order_.push_front(inode);
  Directory& fresh = directories_[inode];
  fresh.place = directory_order_.begin();
  return fresh;
}

void MetaCache::drop_directory(InodeId inode) {
  const auto found = directories_.find(inode);
  if (found == directories_.end()) return;
  name_count_ -= found->second.names.size();
  directory_order_.erase(found->second.place);
  directories_.erase(found);
}

void MetaCache::trim() {
  if (young_.size() > limits_.records / 2) {
    Inodes kept;
    for (const auto& [inode, count] : pinned_inodes_) {
      auto node = old_.extract(inode);
      if (!node.empty()) kept.insert(std::move(node));
    }
    old_ = std::move(young_);
    young_ = std::move(kept);
  }
  // The directory in use stays, however large it is.
  auto place = directory_order_.end();
  while (name_count_ > limits_.names && directory_order_.size() > 1) {
    if (--place == directory_order_.begin()) break;
    const InodeId oldest = *place;
    if (pinned_directories_.contains(oldest)) continue;
    ++place;
    drop_directory(oldest);
  }
}

}  // namespace shoal::fs
