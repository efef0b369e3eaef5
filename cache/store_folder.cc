// SPDX-License-Identifier: MIT
#include "cache/store_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <functional>
#include <memory>

#include "base/log.h"
#include "cache/blob_file.h"
#include "cache/disk_files.h"

namespace shoal::cache {
namespace {

constexpr std::string_view kFormatFile = "format";
constexpr std::string_view kVoidMark = "began-anew";
constexpr std::string_view kHeader = "shoal blob store, version 1\n";

std::string format_text(ByteView swarm) {
  return fmt::format("{}swarm {}\n", kHeader, base::to_hex(swarm));
}

Result<base::Fd> lock_folder(const std::string& path) {
  auto fd = base::open_file(path + "/lock", O_RDWR | O_CREAT);
  if (!fd) return fd;
  if (flock(fd->get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return base::fail_errno(errno, path + "/lock");
    auto holder = base::read_whole(path + "/lock", 64);
    return fail(Errc::busy, "{} is open in another daemon{}", path,
                holder && !holder->empty() ? ", process " + *holder : "");
  }
  const std::string pid = std::to_string(getpid());
  auto written = base::truncate_file(*fd, 0);
  if (written) written = base::write_at(*fd, 0, as_bytes(pid));
  if (!written) return pass(written);
  return fd;
}

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

/// Calls visit(descriptor of the folder, name) for what lies in a folder, if there is one.
Result<void> for_each_name(const std::string& path,
                           const std::function<Result<void>(int, const char*)>& visit) {
  const std::unique_ptr<DIR, CloseFolder> folder(opendir(path.c_str()));
  if (!folder && errno == ENOENT) return {};
  if (!folder) return base::fail_errno(errno, path);
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(folder.get());
    if (entry == nullptr) {
      if (errno != 0) return base::fail_errno(errno, path);
      return {};
    }
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    auto visited = visit(dirfd(folder.get()), entry->d_name);
    if (!visited) return visited;
  }
}

}  // namespace

Result<StoreFolder> StoreFolder::open(const std::string& path, ByteView swarm) {
  auto made = base::make_folders(path);
  if (!made) return pass(made);
  StoreFolder folder;
  folder.path_ = path;
  auto lock = lock_folder(path);
  if (!lock) return pass(lock);
  folder.lock_ = std::move(*lock);

  const std::string format_path = fmt::format("{}/{}", path, kFormatFile);
  auto format = base::read_whole(format_path, 4096);
  if (!format && format.error().code() != Errc::not_found) return pass(format);
  if (!format) {
    folder.is_new_ = true;
    made = folder.create(swarm);
    if (!made) return pass(made);
    return folder;
  }
  if (!format->starts_with("shoal blob store, version ")) {
    return fail(Errc::corrupt, "{} is not the format file of a blob store", format_path);
  }
  if (!format->starts_with(kHeader)) {
    return fail(Errc::version_mismatch, "{} is of a version that this program does not know",
                format_path);
  }
  if (*format != format_text(swarm)) {
    return fail(Errc::conflict, "{} is the store of another swarm; choose another folder", path);
  }
  return folder;
}

Result<void> StoreFolder::create(ByteView swarm) {
  auto made = base::make_folders(path_ + "/lost+found");
  if (made) made = base::make_folders(path_ + "/blobs");
  if (made) made = mark_void();
  if (made) made = base::sync_folder(path_);
  if (!made) return made;
  // Last, so that a folder with this file has all others.
  return base::write_whole(fmt::format("{}/{}", path_, kFormatFile), format_text(swarm));
}

Result<void> StoreFolder::mark_void() const {
  return base::write_whole(fmt::format("{}/{}", path_, kVoidMark), "");
}

bool StoreFolder::has_void_mark() const {
  return access(fmt::format("{}/{}", path_, kVoidMark).c_str(), F_OK) == 0;
}

Result<void> StoreFolder::remove_void_mark() const {
  const std::string path = fmt::format("{}/{}", path_, kVoidMark);
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return base::fail_errno(errno, path);
}

bool StoreFolder::has_index() const {
  struct stat status{};
  return stat(index_path().c_str(), &status) == 0 && status.st_size > 0;
}

Result<void> StoreFolder::clear_index() {
  for (const char* ending : {"", "-wal", "-shm"}) {
    const std::string path = index_path() + ending;
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return base::fail_errno(errno, path);
  }
  return {};
}

Result<std::string> StoreFolder::lost_path(const std::string& name) const {
  auto made = base::make_folders(path_ + "/lost+found");
  if (!made) return pass(made);
  std::string path = fmt::format("{}/lost+found/{}", path_, name);
  const std::string first = path;
  constexpr int kTriesMax = 100'000;
  for (int i = 1; access(path.c_str(), F_OK) == 0; ++i) {
    if (i == kTriesMax) return fail(Errc::exists, "{} is full", path_ + "/lost+found");
    path = fmt::format("{}.{}", first, i);
  }
  return path;
}

Result<void> StoreFolder::move_aside(const std::string& relative, const std::string& name) const {
  auto target = lost_path(name);
  if (!target) return pass(target);
  const std::string source = fmt::format("{}/{}", path_, relative);
  if (rename(source.c_str(), target->c_str()) != 0) return base::fail_errno(errno, source);
  base::log_warning("set aside: {} is now {}", base::printable(source), base::printable(*target));
  return {};
}

Result<void> StoreFolder::set_aside(InodeId inode) const {
  return move_aside(blob_path(inode, FileKind::data), fmt::format("{:016x}", inode.value()));
}

Result<void> StoreFolder::set_aside_copy(InodeId inode) const {
  auto target_path = lost_path(fmt::format("{:016x}", inode.value()));
  if (!target_path) return pass(target_path);
  const std::string source_path = fmt::format("{}/{}", path_, blob_path(inode, FileKind::data));
  auto source = base::open_file(source_path, O_RDONLY);
  if (!source) return pass(source);
  auto target = base::open_file(*target_path, O_WRONLY | O_CREAT | O_EXCL);
  if (!target) return pass(target);
  Bytes buffer(1 << 20);
  for (std::uint64_t at = 0;;) {
    auto got = base::read_at(*source, at, buffer);
    if (!got) return pass(got);
    if (*got == 0) break;
    auto written = base::write_at(*target, at, ByteView(buffer).first(*got));
    if (!written) return written;
    at += *got;
  }
  base::log_warning("set aside: a copy of {} is {}", source_path, *target_path);
  return {};
}

Result<std::unordered_map<InodeId, StoreFolder::Found>> StoreFolder::scan(
    std::uint64_t& set_aside) const {
  std::unordered_map<InodeId, Found> found;
  for (std::uint64_t i = 0; i < kBlobFolders; ++i) {
    const std::string relative = blob_folder(i);
    auto visited = for_each_name(fmt::format("{}/{}", path_, relative),
                                 [&](int folder, const char* name) -> Result<void> {
                                   const auto blob = parse_blob_name(name);
                                   struct stat status{};
                                   if (!blob || blob->inode.value() % kBlobFolders != i) {
                                     ++set_aside;
                                     return move_aside(fmt::format("{}/{}", relative, name), name);
                                   }
                                   Found& place = found[blob->inode];
                                   if (blob->kind != FileKind::data) {
                                     place.has_side_files = true;
                                     return {};
                                   }
                                   if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
                                     return base::fail_errno(errno, name);
                                   }
                                   place.has_data = true;
                                   place.data = file_status(status);
                                   return {};
                                 });
    if (!visited) return pass(visited);
  }
  return found;
}

Result<std::uint64_t> StoreFolder::set_aside_all() const {
  std::uint64_t moved = 0;
  auto found = scan(moved);
  if (!found) return pass(found);
  for (const auto& [inode, blob] : *found) {
    if (blob.has_data) {
      auto aside = set_aside(inode);
      if (!aside) return pass(aside);
      ++moved;
    }
    for (const FileKind kind : {FileKind::leaves, FileKind::layer, FileKind::map}) {
      const std::string path = fmt::format("{}/{}", path_, blob_path(inode, kind));
      if (unlink(path.c_str()) != 0 && errno != ENOENT) return base::fail_errno(errno, path);
    }
  }
  return moved;
}

}  // namespace shoal::cache
