// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "wire/records.h"

namespace shoal::peerd {

/// Who belongs to the swarm and where they are, as the tracker last said. Owner: the daemon.
/// Thread: the loop. What survives a crash: the file, written whole after a change of who is a
/// member or where, so that a peer can serve before it has reached the tracker.
class Members {
 public:
  /// Takes the tracker's list; true when something that is kept on disk has changed.
  bool replace(std::vector<wire::Member> members);

  bool contains(const PeerId& peer) const { return members_.contains(peer); }
  /// nullptr for a stranger. Valid until the next replace().
  const wire::Member* find(const PeerId& peer) const;
  /// The member's name, or the head of its id: for logs.
  std::string name_of(const PeerId& peer) const;
  std::size_t size() const { return members_.size(); }
  std::vector<wire::Member> all() const;

  /// The file's bytes, and back. Errors: corrupt.
  Bytes format() const;
  Result<void> parse(ByteView bytes);

 private:
  std::unordered_map<PeerId, wire::Member> members_;
};

/// Reads the file into members; no file is no error. Errors: corrupt, io. Blocks on the disk.
Result<void> load_members(const std::string& path, Members& members);
/// Replaces the file. Blocks on the disk.
Result<void> save_members(const std::string& path, const Bytes& formatted);

}  // namespace shoal::peerd
