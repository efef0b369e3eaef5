// SPDX-License-Identifier: MIT
#include "cache/disk_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>

#include "base/log.h"
#include "cache/blob_file.h"

namespace shoal::cache {
namespace {

constexpr std::size_t kInodeDigits = 16;
constexpr std::array<std::string_view, 4> kEndings = {"", ".leaves", ".layer", ".map"};

DescriptorCache::Key key_of(InodeId inode, FileKind kind) {
  return {inode.value(), static_cast<std::uint8_t>(kind)};
}

class DiskFiles final : public BlobFiles {
 public:
  explicit DiskFiles(std::string folder) : folder_(std::move(folder)) {}

  Result<std::shared_ptr<SparseFile>> create(InodeId inode, bool is_refetchable) override {
    const std::string path = path_of(inode, FileKind::data);
    const mode_t mode = is_refetchable ? kRefetchableMode : kFileMode;
    auto fd = base::open_file(path, O_RDWR | O_CREAT | O_EXCL, mode);
    if (!fd) {
      Result<void> mended = pass(fd);
      if (fd.error().code() == Errc::exists) mended = remove(inode, FileKind::data);
      if (fd.error().code() == Errc::not_found) mended = make_folder(inode);
      if (!mended) return pass(mended);
      fd = base::open_file(path, O_RDWR | O_CREAT | O_EXCL, mode);
    }
    if (!fd) return pass(fd);
    const DescriptorCache::Key key = key_of(inode, FileKind::data);
    descriptors_->forget(key);
    descriptors_->insert(key, std::move(*fd));
    return open(inode, FileKind::data);
  }

  std::shared_ptr<SparseFile> open(InodeId inode, FileKind kind) override {
    return std::make_shared<BlobFile>(descriptors_, key_of(inode, kind), path_of(inode, kind),
                                      kind != FileKind::data);
  }

  Result<void> remove(InodeId inode, FileKind kind) override {
    const std::string path = path_of(inode, kind);
    const int status = unlink(path.c_str());
    const int number = status == 0 ? 0 : errno;
    descriptors_->forget(key_of(inode, kind));
    if (number != 0 && number != ENOENT) return base::fail_errno(number, path);
    return {};
  }

  Result<void> part(InodeId inode) override {
    const std::string path = path_of(inode, FileKind::data);
    auto fd = base::open_file(path, O_RDWR);
    if (!fd) return pass(fd);
    struct stat status{};
    if (fstat(fd->get(), &status) != 0) return base::fail_errno(errno, path);
    const mode_t mode = status.st_mode & 07777 & ~kSharedMode;
    // The kernel gives a lease for writing to nobody but the only one who has the file open.
    if (fcntl(fd->get(), F_SETLEASE, F_WRLCK) == 0) {
      const int ended = fcntl(fd->get(), F_SETLEASE, F_UNLCK);
      (void)ended;  // it ends with the descriptor
      if (fchmod(fd->get(), mode) != 0) return base::fail_errno(errno, path);
      return {};
    }
    return replace_by_copy(path, *fd, static_cast<std::uint64_t>(status.st_size), mode);
  }

  Result<void> sync_name(InodeId inode) override {
    if (has_new_folders_.exchange(false)) {
      auto synced = base::sync_folder(folder_ + "/blobs");
      if (!synced) {
        has_new_folders_ = true;
        return synced;
      }
    }
    return base::sync_folder(folder_of(inode));
  }

  Result<void> sync_all() override {
    auto fd = base::open_file(folder_, O_RDONLY | O_DIRECTORY);
    if (!fd) return pass(fd);
    if (syncfs(fd->get()) != 0) return base::fail_errno(errno, folder_);
    return {};
  }

  Result<base::DiskSpace> space() override { return base::disk_space(folder_); }

 private:
  /// Names of such copies are no names of blobs: one that a crash left goes to lost+found.
  static Result<void> replace_by_copy(const std::string& path, const base::Fd& from,
                                      std::uint64_t size, mode_t mode) {
    const std::string copy = path + ".copy";
    auto to = base::open_file(copy, O_RDWR | O_CREAT | O_TRUNC, kFileMode);
    if (!to) return pass(to);
    Result<void> done = base::truncate_file(*to, size);
    Bytes buffer(1 << 20);
    for (std::uint64_t at = 0; done && at < size;) {
      const off_t data = lseek(from.get(), static_cast<off_t>(at), SEEK_DATA);
      if (data < 0) break;  // only holes follow
      at = static_cast<std::uint64_t>(data);
      auto got = base::read_at(from, at, buffer);
      if (!got) return pass(got);
      if (*got == 0) break;
      done = base::write_at(*to, at, ByteView(buffer).first(*got));
      at += *got;
    }
    if (done) done = base::sync_data(*to);
    if (!done) return done;
    if (fchmod(to->get(), mode) != 0 || rename(copy.c_str(), path.c_str()) != 0) {
      return base::fail_errno(errno, copy);
    }
    base::log_warning("a program still writes to a file of an earlier run; it has a copy now: {}",
                      path);
    return {};
  }

  std::string path_of(InodeId inode, FileKind kind) const {
    return fmt::format("{}/{}", folder_, blob_path(inode, kind));
  }

  std::string folder_of(InodeId inode) const {
    return fmt::format("{}/{}", folder_, blob_folder(inode.value() % kBlobFolders));
  }
  Result<void> make_folder(InodeId inode) {
    auto made = base::make_folders(folder_of(inode));
    has_new_folders_ = true;
    return made;
  }

  const std::string folder_;
  std::atomic<bool> has_new_folders_{false};  // that a power cut may take away
  const std::shared_ptr<DescriptorCache> descriptors_ = std::make_shared<DescriptorCache>();
};

}  // namespace

std::string blob_folder(std::uint64_t number) { return fmt::format("blobs/{:02x}", number); }

std::string blob_path(InodeId inode, FileKind kind) {
  return fmt::format("blobs/{:02x}/{:016x}{}", inode.value() % kBlobFolders, inode.value(),
                     kEndings[static_cast<std::size_t>(kind)]);
}

std::optional<BlobName> parse_blob_name(std::string_view name) {
  if (name.size() < kInodeDigits) return std::nullopt;
  const std::string_view digits = name.substr(0, kInodeDigits);
  if (digits.find_first_not_of("0123456789abcdef") != std::string_view::npos) return std::nullopt;
  std::uint64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  if (number == 0) return std::nullopt;
  for (std::size_t kind = 0; kind < kEndings.size(); ++kind) {
    if (name.substr(kInodeDigits) == kEndings[kind]) {
      return BlobName{InodeId(number), static_cast<FileKind>(kind)};
    }
  }
  return std::nullopt;
}

std::unique_ptr<BlobFiles> make_disk_files(const std::string& folder) {
  return std::make_unique<DiskFiles>(folder);
}

}  // namespace shoal::cache
