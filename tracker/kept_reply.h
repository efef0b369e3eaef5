// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/strong_id.h"

namespace shoal::tracker {

/// What is kept of an operation's reply: how it ended, and which inodes it was about. A repeated
/// operation gets their present records, which is what it needs.
struct KeptReply {
  std::optional<Errc> error;
  std::string context;
  std::vector<InodeId> inodes;
  bool operator==(const KeptReply&) const = default;
};

/// Layout: u16 Errc (0: none), little endian; then the context's bytes after an error, else the
/// inodes, 8 bytes each.
Bytes pack_reply(const KeptReply& reply);
KeptReply unpack_reply(ByteView packed);

}  // namespace shoal::tracker
