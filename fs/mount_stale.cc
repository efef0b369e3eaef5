// SPDX-License-Identifier: MIT
// What a daemon that died leaves behind: a mount point that answers ENOTCONN.
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/file.h"
#include "base/log.h"
#include "fs/file_system.h"

namespace shoal::fs {
namespace {

constexpr std::chrono::seconds kPatience{5};

/// mountinfo writes space, tab, newline and backslash as \040 and so on.
std::string unescape(const std::string& field) {
  std::string out;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '\\' && i + 3 < field.size()) {
      out += static_cast<char>(std::strtol(field.substr(i + 1, 3).c_str(), nullptr, 8));
      i += 3;
    } else {
      out += field[i];
    }
  }
  return out;
}

/// The filesystem type of the uppermost mount on path; empty when none is there.
std::string mount_type(const std::string& path) {
  std::ifstream file("/proc/self/mountinfo");
  std::string line;
  std::string type;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string word;
    for (int i = 0; i < 5; ++i) words >> word;
    if (unescape(word) != path) continue;
    while (words >> word && word != "-") {
    }
    words >> type;
  }
  return type;
}

/// An absolute path without asking the mount itself about anything.
std::string absolute(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  char* const resolved = realpath(folder.c_str(), nullptr);
  if (resolved == nullptr) return path;
  std::string out(resolved);
  std::free(resolved);
  if (out != "/") out += '/';
  return out + (slash == std::string::npos ? path : path.substr(slash + 1));
}

enum class Answer { alive, dead, silent };

/// Asks the mount from a child process, which may hang in it in our stead.
Answer ask(const std::string& path) {
  const pid_t child = fork();
  if (child == 0) {
    struct stat found{};
    const bool is_dead = stat(path.c_str(), &found) != 0 && errno == ENOTCONN;
    _exit(is_dead ? 1 : 0);
  }
  if (child < 0) return Answer::silent;
  const auto until = std::chrono::steady_clock::now() + kPatience;
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > until) {
      kill(child, SIGKILL);
      waitpid(child, &status, WNOHANG);
      return Answer::silent;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 1 ? Answer::dead : Answer::alive;
}

int detach_as_user(const std::string& path) {
  const pid_t child = fork();
  if (child == 0) {
    execlp("fusermount3", "fusermount3", "-u", "-q", "-z", path.c_str(), nullptr);
    _exit(127);
  }
  if (child < 0) return -1;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

Result<void> clear_stale_mount(const std::string& mount_point) {
  const std::string path = absolute(mount_point);
  // Several daemons may have died on one another.
  for (int i = 0; i < 16; ++i) {
    const std::string type = mount_type(path);
    if (!type.starts_with("fuse")) return {};
    switch (ask(path)) {
      case Answer::dead:
        break;
      case Answer::alive:
        return fail(Errc::busy, "{} is mounted already, by a daemon that is running", path);
      case Answer::silent:
        return fail(Errc::busy, "{} is mounted by a daemon that does not answer", path);
    }
    if (geteuid() == 0) {
      if (umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0) {
        return base::fail_errno(errno, "detaching the dead mount on " + path);
      }
    } else if (detach_as_user(path) != 0) {
      return fail(Errc::access_denied, "fusermount3 could not detach the dead mount on {}", path);
    }
    base::log_info("detached the mount of a daemon that died path={}", path);
  }
  return fail(Errc::busy, "{} stays mounted", path);
}

}  // namespace shoal::fs
