// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "base/mutex.h"
#include "cache/blob_files.h"
#include "cache/descriptor_cache.h"

namespace shoal::cache {

/// One file of one blob on a disk, opened when it is used and closed when others need the
/// descriptor. Thread: any.
class BlobFile final : public SparseFile {
 public:
  /// descriptors outlives the file. makes_itself: the first write creates it.
  BlobFile(std::shared_ptr<DescriptorCache> descriptors, DescriptorCache::Key key, std::string path,
           bool makes_itself)
      : descriptors_(std::move(descriptors)),
        key_(key),
        path_(std::move(path)),
        makes_itself_(makes_itself) {}

  Result<std::size_t> read(std::uint64_t offset, MutableByteView out) override;
  Result<void> write(std::uint64_t offset, ByteView data) override;
  Result<void> resize(std::uint64_t size) override;
  Result<void> zero(std::uint64_t offset, std::uint64_t length, bool punch) override;
  Result<void> allocate(std::uint64_t offset, std::uint64_t length, bool keep_size) override;
  Result<std::uint64_t> seek(std::uint64_t offset, bool data) override;
  Result<FileStatus> status() override;
  Result<void> set_refetchable(bool is_refetchable) override;
  Result<void> sync() override;

  Result<std::shared_ptr<const base::Fd>> descriptor() override { return opened(false); }
  Result<void> set_shared(bool is_shared) override;
  void pin() override;

 private:
  Result<DescriptorCache::Opened> opened(bool create);
  Error named(Error error) const;

  const std::shared_ptr<DescriptorCache> descriptors_;
  const DescriptorCache::Key key_;
  const std::string path_;
  const bool makes_itself_;
  base::Mutex mutex_;
  bool is_pinned_ GUARDED_BY(mutex_) = false;
  bool is_shared_ GUARDED_BY(mutex_) = false;
  DescriptorCache::Opened pinned_ GUARDED_BY(mutex_);
};

/// The mode bits of a data file tell whether its bytes can be fetched again: the sticky bit, which
/// has no meaning for plain files, says so. A file begins without it when somebody here writes it.
inline constexpr mode_t kFileMode = 0600;
inline constexpr mode_t kRefetchableMode = kFileMode | S_ISVTX;
/// Set besides while others may have the file open for writing.
inline constexpr mode_t kSharedMode = S_ISGID;

FileStatus file_status(const struct stat& status);

}  // namespace shoal::cache
