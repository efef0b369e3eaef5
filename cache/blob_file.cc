// SPDX-License-Identifier: MIT
#include "cache/blob_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <vector>

namespace shoal::cache {
namespace {

constexpr auto kMaxOffset = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());

bool is_offset(std::uint64_t offset, std::uint64_t length) {
  return offset <= kMaxOffset && length <= kMaxOffset - offset;
}

Result<void> change_space(const base::Fd& fd, int mode, std::uint64_t offset,
                          std::uint64_t length) {
  if (!is_offset(offset, length)) return fail(Errc::too_large, "range at {}", offset);
  int status = 0;
  do {
    status = fallocate(fd.get(), mode, static_cast<off_t>(offset), static_cast<off_t>(length));
  } while (status != 0 && errno == EINTR);
  if (status != 0) return base::fail_errno(errno, "fallocate");
  return {};
}

/// For filesystems that cannot zero a range by themselves.
Result<void> write_zeroes(const base::Fd& fd, std::uint64_t offset, std::uint64_t length) {
  const Bytes zeroes(static_cast<std::size_t>(std::min<std::uint64_t>(length, 1 << 20)));
  for (std::uint64_t done = 0; done < length;) {
    const auto here =
        static_cast<std::size_t>(std::min<std::uint64_t>(zeroes.size(), length - done));
    auto written = base::write_at(fd, offset + done, ByteView(zeroes).first(here));
    if (!written) return written;
    done += here;
  }
  return {};
}

}  // namespace

FileStatus file_status(const struct stat& status) {
  constexpr std::int64_t kNsPerSecond = 1'000'000'000;
  return FileStatus{.size = static_cast<std::uint64_t>(status.st_size),
                    .allocated_bytes = static_cast<std::uint64_t>(status.st_blocks) * 512,
                    .modified_ns = status.st_ctim.tv_sec * kNsPerSecond + status.st_ctim.tv_nsec,
                    .is_refetchable = (status.st_mode & S_ISVTX) != 0,
                    .is_shared = (status.st_mode & kSharedMode) != 0};
}

Error BlobFile::named(Error error) const { return std::move(error).with(path_); }

Result<DescriptorCache::Opened> BlobFile::opened(bool create) {
  {
    base::MutexLock lock(mutex_);
    if (is_pinned_) {
      if (!pinned_) return fail(Errc::io, "{} has gone", path_);
      return pinned_;
    }
  }
  return descriptors_->get(key_, [&] {
    return base::open_file(path_, create && makes_itself_ ? O_RDWR | O_CREAT : O_RDWR, kFileMode);
  });
}

void BlobFile::pin() {
  auto fd = opened(false);
  base::MutexLock lock(mutex_);
  is_pinned_ = true;
  pinned_ = fd ? std::move(*fd) : nullptr;
}

Result<std::size_t> BlobFile::read(std::uint64_t offset, MutableByteView out) {
  auto fd = opened(false);
  if (!fd) {
    if (makes_itself_ && fd.error().code() == Errc::not_found) return std::size_t{0};
    return pass(fd);
  }
  auto got = base::read_at(**fd, offset, out);
  if (!got) return std::unexpected(named(std::move(got).error()));
  return got;
}

Result<void> BlobFile::write(std::uint64_t offset, ByteView data) {
  auto fd = opened(true);
  if (!fd) return pass(fd);
  auto written = base::write_at(**fd, offset, data);
  if (!written) return std::unexpected(named(std::move(written).error()));
  return {};
}

Result<void> BlobFile::resize(std::uint64_t size) {
  auto fd = opened(true);
  if (!fd) return pass(fd);
  auto resized = base::truncate_file(**fd, size);
  if (!resized) {
    // ftruncate(2) answers EINVAL for a length beyond the filesystem's largest file.
    const Errc code =
        resized.error().code() == Errc::invalid ? Errc::too_large : resized.error().code();
    return std::unexpected(named(Error(code, resized.error().context())));
  }
  return {};
}

Result<void> BlobFile::zero(std::uint64_t offset, std::uint64_t length, bool punch) {
  if (length == 0) return {};
  auto fd = opened(false);
  if (!fd) return pass(fd);
  const int how = punch ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
  auto changed = change_space(**fd, how | FALLOC_FL_KEEP_SIZE, offset, length);
  if (!changed && changed.error().code() == Errc::unsupported) {
    changed = write_zeroes(**fd, offset, length);
  }
  if (!changed) return std::unexpected(named(std::move(changed).error()));
  return {};
}

Result<void> BlobFile::allocate(std::uint64_t offset, std::uint64_t length, bool keep_size) {
  if (length == 0) return {};
  auto fd = opened(false);
  if (!fd) return pass(fd);
  auto changed = change_space(**fd, keep_size ? FALLOC_FL_KEEP_SIZE : 0, offset, length);
  if (!changed) return std::unexpected(named(std::move(changed).error()));
  return {};
}

Result<std::uint64_t> BlobFile::seek(std::uint64_t offset, bool data) {
  auto fd = opened(false);
  if (!fd) return pass(fd);
  if (!is_offset(offset, 0)) return fail(Errc::out_of_range, "seeking to {}", offset);
  const off_t found = lseek((*fd)->get(), static_cast<off_t>(offset), data ? SEEK_DATA : SEEK_HOLE);
  if (found < 0) return base::fail_errno(errno, "seeking");
  return static_cast<std::uint64_t>(found);
}

Result<FileStatus> BlobFile::status() {
  auto fd = opened(false);
  if (!fd) return pass(fd);
  struct stat status{};
  if (fstat((*fd)->get(), &status) != 0) return base::fail_errno(errno, path_);
  return file_status(status);
}

Result<void> BlobFile::set_refetchable(bool is_refetchable) {
  auto fd = opened(false);
  if (!fd) return pass(fd);
  mode_t mode = is_refetchable ? kRefetchableMode : kFileMode;
  {
    base::MutexLock lock(mutex_);
    if (is_shared_) mode |= kSharedMode;
  }
  if (fchmod((*fd)->get(), mode) != 0) return base::fail_errno(errno, path_);
  return {};
}

Result<void> BlobFile::set_shared(bool is_shared) {
  auto fd = opened(false);
  if (!fd) return pass(fd);
  struct stat status{};
  if (fstat((*fd)->get(), &status) != 0) return base::fail_errno(errno, path_);
  {
    base::MutexLock lock(mutex_);
    is_shared_ = is_shared;
  }
  const mode_t others = status.st_mode & 07777 & ~kSharedMode;
  if (fchmod((*fd)->get(), others | (is_shared ? kSharedMode : 0)) != 0) {
    return base::fail_errno(errno, path_);
  }
  return {};
}

Result<void> BlobFile::sync() {
  auto fd = opened(false);
  if (!fd) {
    if (makes_itself_ && fd.error().code() == Errc::not_found) return {};
    return pass(fd);
  }
  auto synced = base::sync_data(**fd);
  if (!synced) return std::unexpected(named(std::move(synced).error()));
  return {};
}

}  // namespace shoal::cache
