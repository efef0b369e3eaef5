// SPDX-License-Identifier: MIT
// The seam between blobs and the disk: everything above it is the same on a disk, in memory, and on
// a disk that a test makes fail.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"
#include "base/strong_id.h"

namespace shoal::cache {

/// The files that a blob may consist of. Only `data` always exists.
enum class FileKind : std::uint8_t {
  data = 0,    ///< the bytes, at their own offsets, sparse
  leaves = 1,  ///< 32 bytes a block: leaf hashes of a larger content; zero where unknown
  layer = 2,   ///< piece layer of a content of several chunks
  map = 3,     ///< a byte a block: BlockMark
};

struct FileStatus {
  std::uint64_t size = 0;
  std::uint64_t allocated_bytes = 0;
  /// When bytes or attributes last changed, by the clock of the system: programs cannot set it.
  std::int64_t modified_ns = 0;
  /// The bytes can be fetched again: without an index row the file is worth nothing. A data file
  /// that lacks this mark may hold bytes that exist nowhere else.
  bool is_refetchable = false;
  /// Others may have it open, and write to it whatever becomes of us.
  bool is_shared = false;
};

/// A file whose untouched parts are holes and read as zeroes. Thread: any, several at once.
class SparseFile {
 public:
  virtual ~SparseFile() = default;

  /// Short only at the end. Errors: not_found (the file has gone), io.
  virtual Result<std::size_t> read(std::uint64_t offset, MutableByteView out) = 0;
  /// All or an error. Errors: no_space, too_large, io.
  virtual Result<void> write(std::uint64_t offset, ByteView data) = 0;
  virtual Result<void> resize(std::uint64_t size) = 0;
  /// The range becomes a hole, or zeroes that keep their space. The size stays.
  virtual Result<void> zero(std::uint64_t offset, std::uint64_t length, bool punch) = 0;
  virtual Result<void> allocate(std::uint64_t offset, std::uint64_t length, bool keep_size) = 0;
  /// Where data (or a hole) begins at or behind offset. Errors: out_of_range (ENXIO).
  virtual Result<std::uint64_t> seek(std::uint64_t offset, bool data) = 0;
  virtual Result<FileStatus> status() = 0;
  virtual Result<void> set_refetchable(bool is_refetchable) = 0;
  /// fdatasync(2).
  virtual Result<void> sync() = 0;
  /// The open file itself, for the kernel to write into. Errors: unsupported (it is in memory).
  virtual Result<std::shared_ptr<const base::Fd>> descriptor() {
    return fail(Errc::unsupported, "not a file of the system");
  }
  /// Notes in the file itself that others write to it, or no longer do.
  virtual Result<void> set_shared(bool) { return {}; }
  /// From now on works on the file that is there now, whatever becomes of its name. While no other
  /// call is under way.
  virtual void pin() = 0;
};

/// All files of a store. Thread: any, several at once.
class BlobFiles {
 public:
  virtual ~BlobFiles() = default;

  /// A new, empty data file; one of that name is replaced.
  virtual Result<std::shared_ptr<SparseFile>> create(InodeId inode, bool is_refetchable) = 0;
  /// Touches the disk only when it is used. A missing data file is not_found at that time; the
  /// others are made by the first write, and read as empty before.
  virtual std::shared_ptr<SparseFile> open(InodeId inode, FileKind kind) = 0;
  /// Takes the name away; who pinned the file before goes on with it. No-op without the file.
  virtual Result<void> remove(InodeId inode, FileKind kind) = 0;
  /// Ends a data file's being shared: while somebody has it open, the inode gets a copy of it, and
  /// they go on with a file that has no name. Shape: nothing else uses the file.
  virtual Result<void> part(InodeId) { return {}; }
  /// Makes the name of the inode's data file survive a power cut.
  virtual Result<void> sync_name(InodeId inode) = 0;
  /// Everything written so far is on stable storage afterwards.
  virtual Result<void> sync_all() = 0;
  virtual Result<base::DiskSpace> space() = 0;
};

/// Files that live as long as the object. Nothing survives a crash.
std::unique_ptr<BlobFiles> make_memory_files();
/// Files under folder/blobs; see docs/storage.md.
std::unique_ptr<BlobFiles> make_disk_files(const std::string& folder);

}  // namespace shoal::cache
