// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <unordered_map>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"
#include "cache/blob_files.h"

namespace shoal::cache {

/// The store's folder: whose it is, what lies in it. See docs/storage.md.
class StoreFolder {
 public:
  /// Makes or checks the folder and locks it for this process. Errors: busy (another daemon),
  /// conflict (another swarm's), version_mismatch, corrupt, io.
  static Result<StoreFolder> open(const std::string& path, ByteView swarm);

  const std::string& path() const { return path_; }
  bool is_new() const { return is_new_; }
  std::string index_path() const { return path_ + "/index.db"; }
  /// Whether there is an index that is more than an empty file.
  bool has_index() const;
  /// A file that says that the store began anew, and that nobody was told so yet.
  Result<void> mark_void() const;
  bool has_void_mark() const;
  Result<void> remove_void_mark() const;
  /// Takes away what an index that has gone left beside itself.
  Result<void> clear_index();

  struct Found {
    bool has_data = false;
    bool has_side_files = false;
    FileStatus data;
  };
  /// Every blob that has a file, by inode. Files of other names are moved to lost+found.
  Result<std::unordered_map<InodeId, Found>> scan(std::uint64_t& set_aside) const;
  /// Moves a data file to lost+found, where it keeps its name or gets a number behind it.
  Result<void> set_aside(InodeId inode) const;
  /// The same with a copy, the file stays.
  Result<void> set_aside_copy(InodeId inode) const;
  /// Moves every data file to lost+found, removes side files. The number moved.
  Result<std::uint64_t> set_aside_all() const;

 private:
  Result<void> create(ByteView swarm);
  Result<std::string> lost_path(const std::string& name) const;
  Result<void> move_aside(const std::string& relative, const std::string& name) const;

  std::string path_;
  base::Fd lock_;
  bool is_new_ = false;
};

}  // namespace shoal::cache
