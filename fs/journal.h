// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "wire/operations.h"

namespace shoal::fs {

/// The file with the operations that took effect on this peer and may not have reached the tracker
/// yet; docs/storage.md has its format. It is not synced: it outlives the daemon, while a file's
/// fsync waits for the tracker. Owner: the Outbox. Thread: any, one call at a time; blocks.
class Journal {
 public:
  struct Entry {
    std::uint64_t number = 0;
    wire::Operation operation;
  };
  /// Bytes at which a file of which something is left is written anew without the rest.
  static constexpr std::uint64_t kRewriteBytes = 16 * 1024 * 1024;

  /// Reads what an earlier daemon left and makes the file when there is none. A record that was
  /// written in part is cut off; damage is set aside as PATH.corrupt-TIME, and what precedes it is
  /// used. Without a path all is kept in memory only. Errors: version_mismatch (another version
  /// of shoal has unsent operations there), those of files.
  static Result<std::unique_ptr<Journal>> open(const std::string& path,
                                               std::uint64_t rewrite_bytes = kRewriteBytes);

  /// What was there when it was opened, in order; for one call.
  std::vector<Entry> take_recovered() { return std::move(recovered_); }
  /// The highest number that the file has held since it was last empty; 0: none.
  std::uint64_t last_number() const { return last_number_; }
  std::uint64_t file_bytes() const { return size_; }

  /// Shape: number is above all earlier ones. Errors: no_space, too_large, io; then the file is as
  /// it was.
  Result<void> append(std::uint64_t number, const wire::Operation& operation);
  /// Everything up to number is through and need not be kept. Errors: io; the file then still has
  /// some of it, which does no harm.
  Result<void> applied(std::uint64_t number);

 private:
  struct Place {
    std::uint64_t number;
    std::uint64_t begin;  ///< offset in the file
  };

  Journal(std::string path, std::uint64_t rewrite_bytes)
      : path_(std::move(path)), rewrite_bytes_(rewrite_bytes) {}
  Result<void> recover();
  Result<void> set_aside(ByteView sound);
  Result<void> cut_to(std::uint64_t size);
  Result<void> rewrite();

  const std::string path_;
  const std::uint64_t rewrite_bytes_;
  base::Fd file_;
  std::uint64_t size_ = 0;    ///< of what is sound; a failed write may have left more
  bool is_ragged_ = false;    ///< the file is longer than size_
  std::deque<Place> places_;  ///< of the records that are still needed
  std::uint64_t last_number_ = 0;
  std::vector<Entry> recovered_;
};

}  // namespace shoal::fs
