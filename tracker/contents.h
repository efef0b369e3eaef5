// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "tracker/census.h"
#include "tracker/store.h"

namespace shoal::tracker {

/// A content that nothing refers to any more, and who had it whole.
struct Release {
  InodeId inode;  ///< that had it last
  wire::ContentRef content;
  std::vector<PeerKey> holders;
};

/// Contents, their references and their holders: keeps rows, census and releases in step.
/// Owner: the core, for one batch at a time. The references outlive it.
class Contents {
 public:
  Contents(Store& store, Census& census, std::vector<Release>& releases)
      : store_(store), census_(census), releases_(releases) {}

  /// One more inode has the content, and the peer has all of it. The empty content has key 0.
  /// layer: of contents larger than a chunk, verified. The ref of an older row stays.
  ContentRow refer(const wire::ContentRef& ref, const std::vector<Digest>& layer,
                   PeerKey publisher);
  /// The inode has it no longer; the last reference takes the content away.
  void unrefer(ContentKey key, InodeId inode);

  /// The peer has the whole content, a part of it, or nothing.
  void set_complete(ContentRow& row, PeerKey peer);
  void set_partial(ContentRow& row, PeerKey peer, ByteView chunks);
  void set_absent(ContentRow& row, PeerKey peer);

 private:
  void move(ContentRow& row, HolderSetId to);

  Store& store_;
  Census& census_;
  std::vector<Release>& releases_;
};

/// Whether a bitmap of chunks has the right length for the content and no bit behind its end.
bool is_valid_chunk_map(const wire::ContentRef& ref, ByteView chunks);

}  // namespace shoal::tracker
