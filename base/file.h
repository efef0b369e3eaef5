// SPDX-License-Identifier: MIT
// The calls to the operating system that shoal makes on files: EINTR handled, short reads and
// writes completed, errno turned into Errc.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"

namespace shoal::base {

/// ENOSPC -> no_space, ENOENT -> not_found, ...; anything unlisted is io.
Errc errc_from_errno(int number);
/// An Error for the errno of the call just made: "doing: No such file or directory".
std::unexpected<Error> fail_errno(int number, std::string_view doing);

/// An owned descriptor, close-on-exec. Move-only.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

/// open(2) with O_CLOEXEC added.
Result<Fd> open_file(const std::string& path, int flags, mode_t mode = 0600);
/// Reads until out is full or the file ends; the count read.
Result<std::size_t> read_at(const Fd& fd, std::uint64_t offset, MutableByteView out);
/// Writes all of data.
Result<void> write_at(const Fd& fd, std::uint64_t offset, ByteView data);
Result<void> truncate_file(const Fd& fd, std::uint64_t size);
/// fdatasync(2). After an error the bytes are not stored and a retry proves nothing.
Result<void> sync_data(const Fd& fd);
/// fsync(2) of a folder, so that names made in it survive a power cut.
Result<void> sync_folder(const std::string& path);
/// mkdir -p with mode 0700 for what it creates.
Result<void> make_folders(const std::string& path);
/// Whole file, at most limit bytes. Errors: not_found, too_large, io.
Result<std::string> read_whole(const std::string& path, std::uint64_t limit);
/// Replaces path at once: temporary file, fsync, rename, fsync of the folder.
Result<void> write_whole(const std::string& path, std::string_view content, mode_t mode = 0600);
Result<void> remove_file(const std::string& path);
struct DiskSpace {
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;  ///< to the caller (f_bavail)
};
Result<DiskSpace> disk_space(const std::string& path);

}  // namespace shoal::base
