// SPDX-License-Identifier: MIT
// What the daemon remembers of names and inodes, and the rules by which it forgets. Pure: no locks,
// no clock; the Volume wraps it.
//
// A request that will bring records is announced before it is sent (begin) and closed when they
// have been stored (end). An invalidation that comes in between poisons the request, so that its
// answer, which may be older, is used once and not kept. An operation of our own is a request that
// touches things: those are forgotten when it is sent and count as poisoned for every other request
// that overlaps it, because nobody tells us of our own changes. docs/coherence.md has the protocol.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "wire/records.h"

namespace shoal::fs {

/// One name of a listing.
struct NameEntry {
  std::string name;
  InodeId inode;
  wire::FileKind kind = wire::FileKind::regular;
};
using Listing = std::vector<NameEntry>;
using XattrList = std::vector<wire::Xattr>;

/// A name in a directory.
struct NameRef {
  InodeId directory;
  std::string name;
  bool operator==(const NameRef&) const = default;
};

/// What an operation changes: names, and inodes with all that is known of them.
struct Touches {
  std::vector<NameRef> names;
  std::vector<InodeId> inodes;
  bool empty() const { return names.empty() && inodes.empty(); }
};

class MetaCache {
 public:
  struct Name {
    InodeId inode;  ///< 0: known to be absent
    wire::FileKind kind = wire::FileKind::regular;
  };
  /// What a change leaves behind that took effect here, before the tracker has heard of it.
  struct Effect {
    std::vector<wire::InodeRecord> records;
    std::vector<std::pair<NameRef, Name>> names;
    std::vector<InodeId> gone;
    InodeId fresh;  ///< a new directory: all its names are known, for there are none
  };

  struct Limits {
    std::size_t records = 100'000;  ///< inodes, about 400 bytes each
    std::size_t names = 400'000;    ///< about 120 bytes each
  };

  explicit MetaCache(Limits limits) : limits_(limits) {}

  // -- requests under way ------------------------------------------------------------------------

  using Ticket = std::uint64_t;
  Ticket begin(Touches touches = {});
  void end(Ticket ticket);
  /// The outcome of the operation is not known: what it touches is not kept until drop_all().
  void end_unknown(Ticket ticket);

  // -- storing what a request brought; ignored when poisoned
  // ---------------------------------------

  /// True when it is kept: the record is cacheable and nothing came in between.
  bool put_record(Ticket ticket, const wire::InodeRecord& record);
  /// inode 0: the name is absent. Only when the reply said that the name may be kept.
  void put_name(Ticket ticket, const NameRef& ref, InodeId inode, wire::FileKind kind);
  /// After an operation of our own: kept only when the directory's names are being kept already.
  void put_own_name(Ticket ticket, const NameRef& ref, InodeId inode, wire::FileKind kind);
  /// A whole directory.
  void put_listing(Ticket ticket, InodeId directory, const Listing& listing);
  void put_xattrs(Ticket ticket, InodeId inode, std::shared_ptr<const XattrList> xattrs);

  // -- changes that take effect here -------------------------------------------------------------

  /// What requests under way bring of the same things is not kept any more.
  void apply(const Effect& effect);
  /// What the tracker has not heard of yet is kept whatever the limits say, and what requests bring
  /// of these inodes does not replace it. Each pin() has its unpin().
  void pin(const Touches& touches);
  void unpin(const Touches& touches);
  /// What requests under way bring of an inode is not kept; what is known stays.
  void doubt(InodeId inode);
  /// What `ticket` brings of an inode would be kept.
  bool is_current(Ticket ticket, InodeId inode) const { return !is_poisoned(ticket, inode); }

  // -- looking -----------------------------------------------------------------------------------

  /// nullopt: not known.
  std::optional<Name> find_name(InodeId directory, std::string_view name);
  const wire::InodeRecord* find_record(InodeId inode);
  std::shared_ptr<const XattrList> find_xattrs(InodeId inode);
  /// The whole directory, sorted by name; nullptr unless all of it is known.
  std::shared_ptr<const Listing> find_listing(InodeId directory);
  /// Whether all names of a directory are known to be absent.
  bool is_empty(InodeId directory);
  /// The directory that an inode was last seen in; 0 when that is not known.
  InodeId home(InodeId inode);

  /// Some name of an inode; looks at all of them.
  std::optional<NameRef> find_any_name(InodeId inode) const;

  // -- forgetting --------------------------------------------------------------------------------

  void forget_name(InodeId directory, const std::string& name);
  void forget_inode(InodeId inode);
  /// A file was last seen in one of the directories, or nobody knows where.
  bool may_be_in(InodeId inode, const std::set<InodeId>& directories) const;
  /// Those of the directories in which nothing is pinned and none of `used` may be.
  std::set<InodeId> unused(std::set<InodeId> directories, std::span<const InodeId> used) const;
  /// Forgets directories with their names and every file that may be in them; what requests under
  /// way bring is not kept.
  void forget_directories(const std::set<InodeId>& directories);
  void drop_all();

  std::size_t record_count() const { return young_.size() + old_.size(); }
  std::size_t name_count() const { return name_count_; }

 private:
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const {
      return std::hash<std::string_view>{}(name);
    }
  };
  struct NameRefHash {
    std::size_t operator()(const NameRef& ref) const {
      return std::hash<std::string>{}(ref.name) ^ (ref.directory.value() * 0x9e3779b97f4a7c15u);
    }
  };
  using NameSet = std::unordered_set<NameRef, NameRefHash>;
  struct Inode {
    wire::InodeRecord record;
    std::shared_ptr<const XattrList> xattrs;
    InodeId home;
  };
  using Inodes = std::unordered_map<InodeId, Inode>;
  struct Directory {
    std::unordered_map<std::string, Name, NameHash, std::equal_to<>> names;
    bool is_complete = false;  // all names are known but those in unsure
    std::unordered_set<std::string, NameHash, std::equal_to<>> unsure;
    std::shared_ptr<const Listing> listing;  // made when asked for, dropped with any change
    std::list<InodeId>::iterator place;
    std::size_t present = 0;  // of the names
  };
  /// Poison of one request, and what it touches itself.
  struct Transit {
    Touches touches;
    bool all = false;
    std::unordered_set<InodeId> inodes;
    NameSet names;
  };

  bool is_poisoned(Ticket ticket, InodeId inode) const;
  bool is_poisoned(Ticket ticket, const NameRef& ref) const;
  static void poison(Transit& transit, const Touches& touches);
  void drop_record(InodeId inode);
  const Inode* peek(InodeId inode) const;
  void poison_all();
  Inode* find_inode(InodeId inode);
  Directory& directory_for(InodeId inode);
  Directory* find_directory(InodeId inode);
  void set_name(InodeId inode, Directory& directory, const std::string& name, Name value);
  void drop_name(const NameRef& ref);
  void drop_directory(InodeId inode);
  void trim();

  Limits limits_;
  // Records live in two generations: looked at, they move to the young one; when that is full, the
  // old one is dropped and the young one grows old.
  Inodes young_;
  Inodes old_;
  std::unordered_map<InodeId, Directory> directories_;
  std::list<InodeId> directory_order_;  // most recently used first
  std::size_t name_count_ = 0;
  std::unordered_map<Ticket, Transit> transits_;
  Ticket last_ticket_ = 0;
  Transit tainted_;  // by operations of unknown outcome
  std::unordered_map<InodeId, std::size_t> pinned_inodes_;
  std::unordered_map<InodeId, std::size_t> pinned_directories_;
};

}  // namespace shoal::fs
