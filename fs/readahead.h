// SPDX-License-Identifier: MIT
// How far to fetch ahead of a reader. Pure: one object per open file handle sees its reads and says
// which bytes to fetch; whether they are here already is the caller's matter.
//
// The kernel splits a read into requests of up to 1 MiB and sends several at once, so the requests
// of a sequential reader arrive slightly out of order: near misses count as sequential.
#pragma once

#include <cstdint>

namespace shoal::fs {

/// Bytes [begin, end) of a file.
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  bool is_empty() const { return begin >= end; }
  std::uint64_t length() const { return is_empty() ? 0 : end - begin; }
  bool operator==(const ByteRange&) const = default;
};

struct ReadaheadLimits {
  /// The first window behind a sequential read; it doubles with each chunk that is used up.
  std::uint64_t first_window = 2 * 1024 * 1024;
  std::uint64_t largest_window = 16 * 1024 * 1024;
  /// A read this far behind or before the expected place still counts as sequential.
  std::uint64_t tolerance_behind = 1024 * 1024;
  std::uint64_t tolerance_ahead = 2 * 1024 * 1024;
};

class Readahead {
 public:
  explicit Readahead(ReadaheadLimits limits = {}) : limits_(limits) {}

  struct Plan {
    ByteRange urgent;  ///< what the reader waits for, widened: whole chunks when sequential
    ByteRange ahead;   ///< to fetch behind it without waiting; empty for random reads
  };

  /// Shape: length >= 1, offset < file_bytes; chunk_bytes as the content is cut, block_bytes the
  /// unit of verification. A chunk is planned ahead once only.
  Plan on_read(std::uint64_t offset, std::uint64_t length, std::uint64_t file_bytes,
               std::uint64_t chunk_bytes, std::uint64_t block_bytes);

  /// The content was exchanged: what was planned ahead counts no more.
  void reset();

 private:
  bool is_sequential(std::uint64_t offset) const;

  ReadaheadLimits limits_;
  std::uint64_t expected_ = 0;  // where a sequential reader goes on; files are begun at 0
  std::uint64_t window_ = 0;
  std::uint64_t planned_until_ = 0;  // everything before was planned ahead already
};

}  // namespace shoal::fs
