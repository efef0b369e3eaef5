// SPDX-License-Identifier: MIT
#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <limits>
#include <system_error>

#include "base/check.h"

namespace shoal::base {
namespace {

/// Offsets in calls are signed: what lies above is refused before the call.
bool fits_off_t(std::uint64_t offset, std::uint64_t length) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
  return offset <= kMax && length <= kMax - offset;
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> make_one_folder(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0) return {};
  const int number = errno;
  struct stat status{};
  if (stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
  return fail_errno(number, fmt::format("making folder {}", printable(path)));
}

/// Beside the target, so that the rename stays within one filesystem.
std::string temporary_name(const std::string& path) {
  static std::atomic<unsigned> next{0};
  return fmt::format("{}.tmp-{}-{}", path, getpid(), next++);
}

Result<void> write_and_sync(const std::string& path, std::string_view content, mode_t mode) {
  auto fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL, mode);
  if (!fd) return pass(fd);
  if (fchmod(fd->get(), mode) != 0) {  // the umask does not apply
    return fail_errno(errno, fmt::format("setting the mode of {}", printable(path)));
  }
  auto written = write_at(*fd, 0, as_bytes(content));
  if (!written) return std::unexpected(written.error().with(printable(path)));
  if (fsync(fd->get()) != 0) return fail_errno(errno, fmt::format("syncing {}", printable(path)));
  return {};
}

}  // namespace

Errc errc_from_errno(int number) {
  switch (number) {
    case EINVAL:
    case EBADMSG:
      return Errc::invalid;
    case ENOENT:
      return Errc::not_found;
    case EEXIST:
      return Errc::exists;
    case ENOTDIR:
      return Errc::not_directory;
    case EISDIR:
      return Errc::is_directory;
    case ENOTEMPTY:
      return Errc::not_empty;
    case EPERM:
      return Errc::not_permitted;
    case EACCES:
      return Errc::access_denied;
    case ENAMETOOLONG:
      return Errc::name_too_long;
    case EMLINK:
      return Errc::too_many_links;
    case EFBIG:
    case E2BIG:
    case EOVERFLOW:
      return Errc::too_large;
    case ENOSPC:
    case EDQUOT:
      return Errc::no_space;
    case ENODATA:
      return Errc::no_attribute;
    case EOPNOTSUPP:
    case ENOSYS:
      return Errc::unsupported;
    case EROFS:
    case ETXTBSY:
      return Errc::read_only;
    case EAGAIN:
    case EBUSY:
    case EMFILE:
    case ENFILE:
    case EADDRINUSE:
      return Errc::busy;
    case ESTALE:
      return Errc::stale;
    case ETIMEDOUT:
      return Errc::timed_out;
    case ECANCELED:
    case EINTR:
      return Errc::canceled;
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
    case EPIPE:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
      return Errc::unreachable;
    case ERANGE:
    case ENXIO:
      return Errc::out_of_range;
    default:
      return Errc::io;
  }
}

std::unexpected<Error> fail_errno(int number, std::string_view doing) {
  return fail(errc_from_errno(number), "{}: {}", doing, std::generic_category().message(number));
}

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

Result<Fd> open_file(const std::string& path, int flags, mode_t mode) {
  int fd = -1;
  do {
    fd = open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return fail_errno(errno, fmt::format("opening {}", printable(path)));
  return Fd(fd);
}

Result<std::size_t> read_at(const Fd& fd, std::uint64_t offset, MutableByteView out) {
  if (!fits_off_t(offset, out.size())) return fail(Errc::out_of_range, "reading at {}", offset);
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        pread(fd.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, fmt::format("reading at {}", offset + done));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Result<void> write_at(const Fd& fd, std::uint64_t offset, ByteView data) {
  if (!fits_off_t(offset, data.size())) return fail(Errc::too_large, "writing at {}", offset);
  std::size_t done = 0;
  while (done < data.size()) {
    const ssize_t put =
        pwrite(fd.get(), data.data() + done, data.size() - done, static_cast<off_t>(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno(errno, fmt::format("writing at {}", offset + done));
    if (put == 0) return fail(Errc::io, "writing at {}: nothing was taken", offset + done);
    done += static_cast<std::size_t>(put);
  }
  return {};
}

Result<void> truncate_file(const Fd& fd, std::uint64_t size) {
  if (!fits_off_t(size, 0)) return fail(Errc::too_large, "setting the size to {}", size);
  int status = 0;
  do {
    status = ftruncate(fd.get(), static_cast<off_t>(size));
  } while (status != 0 && errno == EINTR);
  if (status != 0) return fail_errno(errno, fmt::format("setting the size to {}", size));
  return {};
}

Result<void> sync_data(const Fd& fd) {
  if (fdatasync(fd.get()) != 0) return fail_errno(errno, "syncing");
  return {};
}

Result<void> sync_folder(const std::string& path) {
  auto fd = open_file(path, O_RDONLY | O_DIRECTORY);
  if (!fd) return pass(fd);
  if (fsync(fd->get()) != 0) {
    return fail_errno(errno, fmt::format("syncing folder {}", printable(path)));
  }
  return {};
}

Result<void> make_folders(const std::string& path) {
  if (path.empty()) return fail(Errc::invalid, "making a folder with an empty name");
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    auto made = make_one_folder(path.substr(0, slash));
    if (!made) return made;
  }
  return make_one_folder(path);
}

Result<std::string> read_whole(const std::string& path, std::uint64_t limit) {
  auto fd = open_file(path, O_RDONLY);
  if (!fd) return pass(fd);
  constexpr std::size_t kStepBytes = 64 * 1024;  // by steps: a size from stat may be out of date
  std::string content;
  while (content.size() <= limit) {
    const std::size_t before = content.size();
    content.resize(before + kStepBytes);
    auto got = read_at(*fd, before, std::as_writable_bytes(std::span(content).subspan(before)));
    if (!got) return std::unexpected(got.error().with(printable(path)));
    content.resize(before + *got);
    if (*got < kStepBytes) break;
  }
  if (content.size() > limit) {
    return fail(Errc::too_large, "{} has more than {} bytes", printable(path), limit);
  }
  return content;
}

Result<void> write_whole(const std::string& path, std::string_view content, mode_t mode) {
  const std::string temporary = temporary_name(path);
  auto written = write_and_sync(temporary, content, mode);
  if (!written) {
    unlink(temporary.c_str());
    return written;
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    const int number = errno;
    unlink(temporary.c_str());
    return fail_errno(number, fmt::format("replacing {}", printable(path)));
  }
  return sync_folder(folder_of(path));
}

Result<void> remove_file(const std::string& path) {
  if (unlink(path.c_str()) != 0) {
    return fail_errno(errno, fmt::format("removing {}", printable(path)));
  }
  return {};
}

Result<DiskSpace> disk_space(const std::string& path) {
  struct statvfs status{};
  int result = 0;
  do {
    result = statvfs(path.c_str(), &status);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return fail_errno(errno, fmt::format("asking for space at {}", printable(path)));
  return DiskSpace{.total_bytes = std::uint64_t{status.f_blocks} * status.f_frsize,
                   .free_bytes = std::uint64_t{status.f_bavail} * status.f_frsize};
}

}  // namespace shoal::base
