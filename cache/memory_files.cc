// SPDX-License-Identifier: MIT
#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/hash_tree.h"
#include "base/mutex.h"
#include "cache/blob_files.h"

namespace shoal::cache {
namespace {

constexpr std::uint64_t kPageBytes = kBlockBytes;

class MemoryFile final : public SparseFile {
 public:
  explicit MemoryFile(bool is_refetchable) : is_refetchable_(is_refetchable) {}

  Result<std::size_t> read(std::uint64_t offset, MutableByteView out) override {
    base::MutexLock lock(mutex_);
    if (offset >= size_) return std::size_t{0};
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - offset));
    for (std::size_t done = 0; done < count;) {
      const std::uint64_t at = offset + done;
      const auto here = static_cast<std::size_t>(
          std::min<std::uint64_t>(kPageBytes - at % kPageBytes, count - done));
      const auto page = pages_.find(at / kPageBytes);
      const MutableByteView target = out.subspan(done, here);
      if (page == pages_.end()) {
        std::ranges::fill(target, std::byte{0});
      } else {
        std::ranges::copy(ByteView(page->second).subspan(at % kPageBytes, here), target.begin());
      }
      done += here;
    }
    return count;
  }

  Result<void> write(std::uint64_t offset, ByteView data) override {
    if (offset > base::kMaxFileBytes || data.size() > base::kMaxFileBytes - offset) {
      return fail(Errc::too_large, "writing at {}", offset);
    }
    base::MutexLock lock(mutex_);
    for (std::size_t done = 0; done < data.size();) {
      const std::uint64_t at = offset + done;
      const auto here = static_cast<std::size_t>(
          std::min<std::uint64_t>(kPageBytes - at % kPageBytes, data.size() - done));
      Bytes& page = pages_[at / kPageBytes];
      page.resize(kPageBytes);
      std::ranges::copy(data.subspan(done, here),
                        page.begin() + static_cast<std::ptrdiff_t>(at % kPageBytes));
      done += here;
    }
    size_ = std::max(size_, offset + data.size());
    return {};
  }

  Result<void> resize(std::uint64_t size) override {
    base::MutexLock lock(mutex_);
    if (size < size_) clear(size, size_ - size);
    size_ = size;
    return {};
  }

  Result<void> zero(std::uint64_t offset, std::uint64_t length, bool /*punch*/) override {
    base::MutexLock lock(mutex_);
    if (offset < size_) clear(offset, std::min(length, size_ - offset));
    return {};
  }

  Result<void> allocate(std::uint64_t offset, std::uint64_t length, bool keep_size) override {
    base::MutexLock lock(mutex_);
    if (!keep_size) size_ = std::max(size_, offset + length);
    return {};
  }

  Result<std::uint64_t> seek(std::uint64_t offset, bool data) override {
    base::MutexLock lock(mutex_);
    if (offset >= size_) return fail(Errc::out_of_range, "seeking to {}", offset);
    if (data) {
      const auto page = pages_.lower_bound(offset / kPageBytes);
      if (page == pages_.end()) return fail(Errc::out_of_range, "no data behind {}", offset);
      return std::max(offset, page->first * kPageBytes);
    }
    std::uint64_t at = offset / kPageBytes;
    for (auto page = pages_.find(at); page != pages_.end() && page->first == at; ++page) ++at;
    return std::min(size_, std::max(offset, at * kPageBytes));
  }

  Result<FileStatus> status() override {
    base::MutexLock lock(mutex_);
    return FileStatus{.size = size_,
                      .allocated_bytes = pages_.size() * kPageBytes,
                      .modified_ns = 0,
                      .is_refetchable = is_refetchable_};
  }

  Result<void> set_refetchable(bool is_refetchable) override {
    base::MutexLock lock(mutex_);
    is_refetchable_ = is_refetchable;
    return {};
  }

  Result<void> sync() override { return {}; }
  void pin() override {}  // it lives as long as somebody has it

 private:
  void clear(std::uint64_t offset, std::uint64_t length) REQUIRES(mutex_) {
    const std::uint64_t end = offset + length;
    auto page = pages_.lower_bound(offset / kPageBytes);
    while (page != pages_.end() && page->first * kPageBytes < end) {
      const std::uint64_t start = page->first * kPageBytes;
      const std::uint64_t from = std::max(offset, start) - start;
      const std::uint64_t to = std::min(end, start + kPageBytes) - start;
      const bool whole = from == 0 && (to == kPageBytes || start + to >= size_);
      if (whole) {
        page = pages_.erase(page);
        continue;
      }
      std::fill(page->second.begin() + static_cast<std::ptrdiff_t>(from),
                page->second.begin() + static_cast<std::ptrdiff_t>(to), std::byte{0});
      ++page;
    }
  }

  base::Mutex mutex_;
  std::map<std::uint64_t, Bytes> pages_ GUARDED_BY(mutex_);
  std::uint64_t size_ GUARDED_BY(mutex_) = 0;
  bool is_refetchable_ GUARDED_BY(mutex_);
};

class MemoryFiles final : public BlobFiles {
 public:
  Result<std::shared_ptr<SparseFile>> create(InodeId inode, bool is_refetchable) override {
    auto file = std::make_shared<MemoryFile>(is_refetchable);
    base::MutexLock lock(mutex_);
    files_[{inode, FileKind::data}] = file;
    return file;
  }

  std::shared_ptr<SparseFile> open(InodeId inode, FileKind kind) override {
    base::MutexLock lock(mutex_);
    std::shared_ptr<MemoryFile>& file = files_[{inode, kind}];
    if (!file) file = std::make_shared<MemoryFile>(false);
    return file;
  }

  Result<void> remove(InodeId inode, FileKind kind) override {
    base::MutexLock lock(mutex_);
    files_.erase({inode, kind});
    return {};
  }

  Result<void> sync_name(InodeId /*inode*/) override { return {}; }
  Result<void> sync_all() override { return {}; }
  Result<base::DiskSpace> space() override {
    constexpr std::uint64_t kPlenty = std::uint64_t{1} << 60;  // only the ceiling bounds it
    return base::DiskSpace{.total_bytes = kPlenty, .free_bytes = kPlenty};
  }

 private:
  base::Mutex mutex_;
  std::map<std::pair<InodeId, FileKind>, std::shared_ptr<MemoryFile>> files_ GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<BlobFiles> make_memory_files() { return std::make_unique<MemoryFiles>(); }

}  // namespace shoal::cache
