// SPDX-License-Identifier: MIT
#include "base/mounts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <thread>

namespace shoal::base {
namespace {

constexpr std::uint64_t kMaxMountTable = 64 * 1024 * 1024;
constexpr const char* kControlFolder = "/sys/fs/fuse/connections";
/// fusermount3 takes a mount out of the table; it asks no daemon.
constexpr std::chrono::seconds kHelperTime{10};

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

/// The second number of "0:57".
unsigned minor_of(std::string_view field) {
  const std::size_t colon = field.find(':');
  unsigned minor = 0;
  if (colon != std::string_view::npos) {
    std::from_chars(field.data() + colon + 1, field.data() + field.size(), minor);
  }
  return minor;
}

std::optional<Mount> parse_line(std::string_view line) {
  // 36 35 98:0 /root /point rw,noatime [optional fields] - type source options
  const std::vector<std::string_view> fields = split_blanks(line);
  const auto separator = std::find(fields.begin(), fields.end(), "-");
  if (fields.size() < 7 || fields.end() - separator < 3) return std::nullopt;
  return Mount{.point = unescape(fields[4]),
               .type = unescape(separator[1]),
               .source = unescape(separator[2]),
               .device = minor_of(fields[2])};
}

/// Waits for a child. False when it has not ended in time.
bool wait_for_child(pid_t child, std::chrono::milliseconds patience, int& status) {
  const auto until = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == child || (ended < 0 && errno != EINTR)) return true;
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

/// An instance of the control filesystem that is in no folder, for root where none is mounted.
Result<Fd> open_control_folder() {
  Fd context(::fsopen("fusectl", FSOPEN_CLOEXEC));
  if (!context || ::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return fail(Errc::unsupported, "FUSE's control files are not mounted on {}", kControlFolder);
  }
  Fd folder(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
  if (!folder) return fail_errno(errno, "mounting FUSE's control files");
  return folder;
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
  const auto text = read_whole("/proc/self/mountinfo", kMaxMountTable);
  return text ? parse_mountinfo(*text) : std::vector<Mount>{};
}

std::optional<Mount> mount_at(const std::vector<Mount>& mounts, std::string_view point) {
  for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount) {
    if (mount->point == point) return *mount;
  }
  return std::nullopt;
}

std::string mount_point_path(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  const std::string folder(slash == std::string_view::npos ? "." : path.substr(0, slash + 1));
  const std::unique_ptr<char, void (*)(void*)> resolved(realpath(folder.c_str(), nullptr),
                                                        std::free);
  if (!resolved) return std::string(path);
  std::string out(resolved.get());
  if (!out.ends_with('/')) out += '/';
  return out.append(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

MountAnswer ask_mount(const std::string& point, std::chrono::milliseconds patience) {
  const pid_t child = fork();
  if (child == 0) {  // nothing but system calls: other threads may have held any lock
    struct statfs facts{};
    const bool is_dead =
        ::statfs(point.c_str(), &facts) != 0 && (errno == ENOTCONN || errno == ECONNABORTED);
    _exit(is_dead ? 1 : 0);
  }
  if (child < 0) return MountAnswer::silent;
  int status = 0;
  if (!wait_for_child(child, patience, status)) {
    kill(child, SIGKILL);
    // It ends now, or when the mount does.
    (void)wait_for_child(child, std::chrono::milliseconds(100), status);
    return MountAnswer::silent;
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 1 ? MountAnswer::dead : MountAnswer::alive;
}

Result<Fd> open_abort(const Mount& mount) {
  const std::string file = fmt::format("{}/abort", mount.device);
  auto seen = open_file(fmt::format("{}/{}", kControlFolder, file), O_WRONLY);
  if (seen || geteuid() != 0) {
    if (seen) return seen;
    return fail(Errc::unsupported, "FUSE's control files in {} are not to be had", kControlFolder);
  }
  auto folder = open_control_folder();
  if (!folder) return folder;
  Fd fd(::openat(folder->get(), file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return fail_errno(errno, "opening the control file of " + mount.point);
  return fd;
}

Result<void> abort_mount(const Mount& mount) {
  const auto abort = open_abort(mount);
  if (abort) {
    if (::write(abort->get(), "1", 1) == 1) return {};
    return fail_errno(errno, "ending the connection of " + mount.point);
  }
  // Forced unmounting ends the connection first, and that it is busy then is no harm.
  if (::umount2(mount.point.c_str(), MNT_FORCE | UMOUNT_NOFOLLOW) == 0 || errno == EBUSY) return {};
  return pass(abort);
}

Result<void> detach_mount(const std::string& point) {
  // Mounts can lie on top of one another; a handful is all that repeated accidents make.
  for (int i = 0; i < 16 && mount_at(current_mounts(), point); ++i) {
    if (geteuid() == 0) {
      if (::umount2(point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL) {
        return fail_errno(errno, "unmounting " + point);
      }
      continue;
    }
    std::array<std::string, 5> words{"fusermount3", "-u", "-z", "--", point};
    std::array<char*, 6> pointers{};
    std::ranges::transform(words, pointers.begin(), [](std::string& word) { return word.data(); });
    pid_t child = 0;
    if (posix_spawnp(&child, pointers[0], nullptr, nullptr, pointers.data(), environ) != 0) {
      return fail(Errc::unsupported, "fusermount3 is missing: install the package fuse3");
    }
    int status = 0;
    if (!wait_for_child(child, kHelperTime, status)) {
      kill(child, SIGKILL);
      return fail(Errc::timed_out, "fusermount3 does not end unmounting {}", point);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      return fail(Errc::access_denied, "fusermount3 could not unmount {}", point);
    }
  }
  return {};
}

namespace {

/// Its first thread is a zombie and others are not.
bool is_killed_but_alive(pid_t pid) {
  const auto stat = read_whole(fmt::format("/proc/{}/stat", pid), 4096);
  if (!stat) return false;
  const std::size_t behind_name = stat->rfind(')');
  if (behind_name == std::string::npos || behind_name + 2 >= stat->size()) return false;
  if ((*stat)[behind_name + 2] != 'Z') return false;
  std::size_t field = 2;
  std::size_t at = behind_name + 2;
  constexpr std::size_t kThreads = 19;  // fields are counted from 0 here: 2 is the state
  while (field < kThreads && at != std::string::npos) {
    at = stat->find(' ', at + 1);
    ++field;
  }
  if (at == std::string::npos) return false;
  long threads = 0;
  std::from_chars(stat->data() + at + 1, stat->data() + stat->size(), threads);
  return threads > 1;
}

}  // namespace

void let_killed_end(pid_t pid, const std::string& point) {
  constexpr std::chrono::milliseconds kPause{10};
  constexpr int kLooks = 500;
  for (int i = 0; i < kLooks && is_killed_but_alive(pid); ++i) {
    // Its threads may be about to end by themselves.
    if (i == 10) {
      const auto mount = mount_at(current_mounts(), point);
      if (!mount || !mount->is_shoal()) return;
      (void)abort_mount(*mount).has_value();
    }
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace shoal::base
