// SPDX-License-Identifier: MIT
// Requests about names that have to ask the tracker. Tasks run on the loop; core outlives them.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "fs/reply.h"

namespace shoal::fs {

/// Counts a request that keeps up to two directories locked in the kernel until it is answered.
class DirectoryChange {
 public:
  DirectoryChange(InodeTable& table, InodeId first, InodeId second = InodeId{});
  DirectoryChange(DirectoryChange&& other) noexcept;
  DirectoryChange& operator=(DirectoryChange&&) = delete;
  ~DirectoryChange();

 private:
  InodeTable* table_;
  std::array<InodeId, 2> directories_;
};

Task<void> lookup_task(Core* core, Reply reply, InodeId directory, std::string name);
/// LOOKUP of "." (an inode by number) and ".." for file handles.
/// For a caller that was told ESTALE: what it finds lives until it was used (StaleRetries).
Task<void> lookup_again_task(Core* core, Reply reply, InodeId directory, std::string name);
Task<void> lookup_inode_task(Core* core, Reply reply, InodeId inode);
Task<void> lookup_parent_task(Core* core, Reply reply, InodeId directory);

/// A new inode of any kind.
struct NewInode {
  InodeId directory;
  std::string name;
  wire::FileKind kind = wire::FileKind::regular;
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t rdev = 0;
  std::string target;
  /// The caller was told ESTALE when it wanted the name before: see StaleRetries.
  bool is_retry = false;
  std::vector<std::uint32_t> groups;  ///< of the caller besides gid; only when is_retry
};
// Under our delegation of the directory, without waiting for anybody. False, and nothing is
// answered: the task of the same name has to do it. Thread: any.
bool make_here(Core& core, Reply& reply, const NewInode& made);
bool create_here(Core& core, Reply& reply, const NewInode& made, int flags);

Task<void> make_task(Core* core, Reply reply, DirectoryChange change, NewInode made);
/// A regular file, created and opened in one step; with an empty name an orphan (O_TMPFILE).
Task<void> create_task(Core* core, Reply reply, DirectoryChange change, NewInode made, int flags);
Task<void> link_task(Core* core, Reply reply, DirectoryChange change, InodeId inode,
                     InodeId directory, std::string name);

/// The record of an inode in an operation's reply; nullptr when it is not there.
const wire::InodeRecord* record_in(const wire::OperationReply& reply, InodeId inode);
/// An operation with this moment as its time.
wire::Operation operation_now(const Core& core, wire::Change change);

}  // namespace shoal::fs
