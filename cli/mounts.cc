// SPDX-License-Identifier: MIT
#include "cli/mounts.h"

#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>

#include "base/file.h"
#include "cli/process.h"

namespace shoal::cli {
namespace {

constexpr std::uint64_t kMaxMountTable = 64 * 1024 * 1024;

std::vector<std::string_view> split_blanks(std::string_view line) {
  std::vector<std::string_view> fields;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(' '), line.size());
    if (end > 0) fields.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return fields;
}

/// Blanks, tabs, newlines and backslashes stand as \ooo in the table.
std::string unescape(std::string_view field) {
  const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string out;
  for (std::size_t at = 0; at < field.size(); ++at) {
    if (field[at] == '\\' && at + 3 < field.size() && is_octal(field[at + 1]) &&
        is_octal(field[at + 2]) && is_octal(field[at + 3])) {
      const int value =
          (field[at + 1] - '0') * 64 + (field[at + 2] - '0') * 8 + (field[at + 3] - '0');
      out.push_back(static_cast<char>(value));
      at += 3;
    } else {
      out.push_back(field[at]);
    }
  }
  return out;
}

std::optional<Mount> parse_line(std::string_view line) {
  // 36 35 98:0 /root /point rw,noatime [optional fields] - type source options
  const std::vector<std::string_view> fields = split_blanks(line);
  const auto separator = std::find(fields.begin(), fields.end(), "-");
  if (fields.size() < 7 || fields.end() - separator < 3) return std::nullopt;
  return Mount{.point = unescape(fields[4]),
               .type = unescape(separator[1]),
               .source = unescape(separator[2])};
}

}  // namespace

std::vector<Mount> parse_mountinfo(std::string_view text) {
  std::vector<Mount> mounts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    auto mount = parse_line(text.substr(0, end));
    if (mount) mounts.push_back(std::move(*mount));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return mounts;
}

std::vector<Mount> current_mounts() {
  const auto text = base::read_whole("/proc/self/mountinfo", kMaxMountTable);
  return text ? parse_mountinfo(*text) : std::vector<Mount>{};
}

std::optional<Mount> mount_at(const std::vector<Mount>& mounts, std::string_view point) {
  for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount) {
    if (mount->point == point) return *mount;
  }
  return std::nullopt;
}

bool is_within(std::string_view path, std::string_view folder) {
  if (folder == "/") return path.starts_with('/');
  return path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

std::optional<Mount> mount_holding(const std::vector<Mount>& mounts, std::string_view path) {
  std::optional<Mount> best;
  for (const Mount& mount : mounts) {
    if (!is_within(path, mount.point)) continue;
    if (!best || mount.point.size() >= best->point.size()) best = mount;
  }
  return best;
}

bool is_dead_mount(const std::string& point) {
  if (!mount_at(current_mounts(), point)) return false;
  // A statfs always goes to the daemon, where a stat may be answered from the kernel's memory; with
  // nobody there it fails at once. A daemon that hangs must not make us hang: it is not dead.
  std::packaged_task<int(std::string)> ask([](const std::string& path) {
    struct statfs facts{};
    return ::statfs(path.c_str(), &facts) == 0 ? 0 : errno;
  });
  std::future<int> answer = ask.get_future();
  std::thread(std::move(ask), point).detach();
  constexpr std::chrono::seconds kPatience{3};
  if (answer.wait_for(kPatience) != std::future_status::ready) return false;
  const int error = answer.get();
  return error == ENOTCONN || error == ECONNABORTED;
}

Result<void> detach_mount(const std::string& point) {
  // Mounts can lie on top of one another; a handful is all that repeated accidents make.
  for (int i = 0; i < 8 && mount_at(current_mounts(), point); ++i) {
    if (::geteuid() == 0) {
      if (::umount2(point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL) {
        return base::fail_errno(errno, "unmounting " + point);
      }
      continue;
    }
    const std::string helper = find_in_path("fusermount3");
    if (helper.empty()) {
      return fail(Errc::unsupported, "fusermount3 is missing: install the package fuse3");
    }
    const auto result = run_program({helper, "-u", "-z", "--", point}, "");
    if (!result) return pass(result);
    if (result->status != 0) {
      return fail(Errc::io, "unmounting {}: {}", point, result->output);
    }
  }
  return {};
}

Result<void> check_can_mount() {
  if (::access("/dev/fuse", F_OK) != 0) {
    return fail(
        Errc::unsupported,
        "there is no /dev/fuse here, so nothing can be mounted: load the kernel's module "
        "(modprobe fuse), or start the container with --device /dev/fuse --cap-add SYS_ADMIN");
  }
  if (::access("/dev/fuse", R_OK | W_OK) != 0) {
    return fail(Errc::access_denied,
                "/dev/fuse may not be opened by this user, so nothing can be mounted: as root, "
                "chmod 666 /dev/fuse (which is what Debian sets), or start the container with "
                "--device /dev/fuse --cap-add SYS_ADMIN");
  }
  if (::geteuid() != 0 && find_in_path("fusermount3").empty()) {
    return fail(Errc::unsupported,
                "fusermount3 is missing, which mounts for users other than root: install the "
                "package fuse3");
  }
  return {};
}

}  // namespace shoal::cli
