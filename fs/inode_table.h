// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/strong_id.h"
#include "wire/records.h"

namespace shoal::fs {

class OpenFile;

/// What the kernel knows of us: which inodes it holds how often, which names and attributes it was
/// allowed to keep, what is open. Node ids are inode numbers. Owner: Core. Thread: any.
///
/// The kernel counts a lookup for every entry it is given and tells with FORGET how many it has
/// dropped; a node lives while that count is not zero, or something of it is open here.
class InodeTable {
 public:
  // -- lookup counts -----------------------------------------------------------------------------

  /// The kernel is about to be given an entry. Before the reply is sent, for a FORGET may come at
  /// once. attributes_until: how long it may keep the attributes.
  void add_lookup(InodeId inode, SteadyTime attributes_until);
  /// Shape: count is at most what was given; more is a fault of the kernel's and counts as all.
  void forget(InodeId inode, std::uint64_t count);
  std::uint64_t lookups(InodeId inode) const;
  /// Attributes alone were given.
  void attributes_given(InodeId inode, SteadyTime until);

  /// What the kernel was last told of a directory that it knows. A directory that is removed while
  /// somebody is in it can still be looked at, and nobody else remembers it.
  void directory_given(InodeId inode, const wire::Attributes& attributes);
  std::optional<wire::Attributes> directory_last_given(InodeId inode) const;

  // -- open files and directories
  // ------------------------------------------------------------------

  /// The file object of an inode, shared by all its handles; nullptr when there is none.
  std::shared_ptr<OpenFile> find_file(InodeId inode) const;
  /// The same, made by `make` when there is none. It stays until release_file() of its last user.
  using MakeFile = std::function<std::shared_ptr<OpenFile>(InodeId)>;
  std::shared_ptr<OpenFile> file_for(InodeId inode, const MakeFile& make);
  /// Lets go of a file object; the table drops its own reference with the last user's, unless
  /// handles are open. Shape: the caller made sure that nothing in it is unpublished.
  void release_file(std::shared_ptr<OpenFile> file);
  std::vector<std::shared_ptr<OpenFile>> files() const;

  /// file_for() and a handle counted in one step. nullptr when the inode's last name is going away
  /// and nobody here has it open: then ask the tracker whether it still exists, and clear_doom().
  std::shared_ptr<OpenFile> open_file(InodeId inode, bool for_writing, const MakeFile& make);
  struct Closed {
    bool was_last = false;         ///< no handle is left
    bool was_last_writer = false;  ///< no handle for writing is left
    bool was_orphan = false;       ///< was_last, and kept for us: held until that ends
  };
  Closed remove_open(InodeId inode, bool for_writing);
  std::uint32_t opens(InodeId inode) const;
  std::uint32_t writers(InodeId inode) const;

  /// The last name is going away. True when it is open or held here: then the tracker is told to
  /// keep it, and it is an orphan from now on. Otherwise opening it fails until clear_doom().
  bool doom(InodeId inode);
  /// Only the latter: nothing when it is in use.
  void doom_unused(InodeId inode);
  bool is_doomed(InodeId inode) const;
  /// How often it was doomed; the same number twice: nothing came in between. Shape: it is held.
  std::uint64_t dooms(InodeId inode) const;
  /// The tracker has said that it exists; is_linked: and that it has a name, which counts unless it
  /// was doomed since the tracker was asked, when dooms() was `seen`.
  void clear_doom(InodeId inode, bool is_linked, std::uint64_t seen);
  /// A request of ours that may take its last name away goes out. True when it is in use: then the
  /// tracker is told to keep it. Otherwise opening it fails until end_removal().
  bool begin_removal(InodeId inode);
  /// Shape: was_in_use is what begin_removal() said. True when somebody holds it meanwhile.
  bool end_removal(InodeId inode, bool was_in_use);
  bool is_being_removed(InodeId inode) const;
  /// Somebody is about to use an inode that has just been looked up, so that it counts as open.
  void hold(InodeId inode);
  /// Shape: once for each hold(). True when the tracker keeps the inode alive for us and nobody
  /// uses it any more: then one hold stays, for whoever tells the tracker.
  [[nodiscard]] bool end_hold(InodeId inode);
  /// The tracker keeps it alive for us although it has no name. False, and nothing is noted, when
  /// it is not in use: then it has to be let go.
  [[nodiscard]] bool make_orphan(InodeId inode);
  /// All inodes that are open or held, or have a file object.
  std::vector<InodeId> in_use() const;
  /// A file that never had a name (O_TMPFILE).
  void set_orphan(InodeId inode);
  bool is_orphan(InodeId inode) const;
  /// It has got a name: whoever closes it last publishes it.
  void end_orphan(InodeId inode);

  // -- names in the kernel
  // -------------------------------------------------------------------------

  /// A name, present or absent, was given to the kernel until the lease's end.
  void name_given(InodeId directory, std::string_view name, SteadyTime now);
  /// False only when the kernel surely does not keep it any more.
  bool may_know_name(InodeId directory, std::string_view name) const;
  /// A directory was opened.
  void directory_used(InodeId directory, SteadyTime now);
  /// When a name in the directory was last given, or the directory opened, as far as the kernel has
  /// it still.
  SteadyTime last_used(InodeId directory) const;

  /// Requests in flight that hold the directory's lock in the kernel until they are answered.
  void begin_change(InodeId directory);
  void end_change(InodeId directory);
  bool is_changing(InodeId directory) const;

  /// The parent of a directory as last seen; 0 when unknown. For "..".
  InodeId parent(InodeId directory) const;
  void set_parent(InodeId directory, InodeId parent);

  // -- for the events ----------------------------------------------------------------------------

  struct Known {
    bool is_known = false;
    bool has_attributes = false;  ///< the kernel may keep them still
    bool may_have_pages = false;
  };
  Known known(InodeId inode, SteadyTime now) const;
  /// All inodes of which the kernel may keep attributes or pages.
  std::vector<std::pair<InodeId, Known>> all_known(SteadyTime now) const;
  /// Its pages were dropped and nothing has read since; nothing when it is open.
  void pages_dropped(InodeId inode);

  std::size_t size() const;

 private:
  struct Node {
    std::uint64_t lookups = 0;
    std::uint32_t opens = 0;
    std::uint32_t writers = 0;
    std::uint32_t changes = 0;
    std::uint32_t holds = 0;
    std::uint32_t removals = 0;         // requests of ours under way ...
    std::uint32_t removals_unkept = 0;  // ... which say that it is not in use
    std::uint64_t dooms = 0;
    bool is_doomed = false;
    bool is_orphan = false;
    bool may_have_pages = false;
    SteadyTime attributes_until = SteadyTime::min();
    SteadyTime used = SteadyTime::min();  ///< directories: see last_used()
    InodeId parent;
    std::unique_ptr<wire::Attributes> directory;  ///< as last given
    std::shared_ptr<OpenFile> file;

    bool is_in_use() const { return opens > 0 || holds > 0; }
    void doom_if_unused() {
      ++dooms;
      if (!is_in_use()) is_doomed = lookups > 0;  // otherwise nobody can open it
    }
    bool is_idle() const {
      return lookups == 0 && !is_in_use() && changes == 0 && removals == 0 && file == nullptr &&
             !is_doomed;
    }
  };
  using Nodes = std::unordered_map<InodeId, Node>;

  const Node* find(InodeId inode) const REQUIRES(mutex_);
  void drop_if_idle(Nodes::iterator node) REQUIRES(mutex_);
  void note_use(InodeId directory, SteadyTime now) REQUIRES(mutex_);
  static Known known_of(const Node& node, SteadyTime now);
  static std::uint64_t name_key(InodeId directory, std::string_view name);

  mutable base::Mutex mutex_;
  Nodes nodes_ GUARDED_BY(mutex_);
  // Names by hash, in two generations as long as a lease each: what is older the kernel has let go.
  std::unordered_set<std::uint64_t> names_young_ GUARDED_BY(mutex_);
  std::unordered_set<std::uint64_t> names_old_ GUARDED_BY(mutex_);
  bool all_names_young_ GUARDED_BY(mutex_) = false;
  bool all_names_old_ GUARDED_BY(mutex_) = false;
  SteadyTime names_turned_ GUARDED_BY(mutex_) = SteadyTime::min();
};

}  // namespace shoal::fs
