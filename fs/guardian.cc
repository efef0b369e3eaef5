// SPDX-License-Identifier: MIT
#include "fs/guardian.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

namespace shoal::fs {
namespace {

// What the guardian is born with, besides the standard descriptors.
constexpr int kLifeFd = 3;
constexpr int kAbortFd = 4;

/// How often the daemon's first thread is looked at. The kernel tells of the end of a process only
/// when its last thread has ended, which is the one that hangs; of a first thread's not even by a
/// descriptor of that thread (since Linux 6.15).
constexpr int kLookMilliseconds = 500;

/// 'Z' behind the name in parentheses, or no such process.
bool has_ended(pid_t daemon) {
  const auto stat = base::read_whole(fmt::format("/proc/{}/stat", daemon), 4096);
  if (!stat) return stat.error().code() == Errc::not_found;
  const std::size_t behind_name = stat->rfind(')');
  return behind_name != std::string::npos && behind_name + 2 < stat->size() &&
         ((*stat)[behind_name + 2] == 'Z' || (*stat)[behind_name + 2] == 'X');
}

class SpawnSetup {
 public:
  SpawnSetup() {
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_init(&actions);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;

  posix_spawnattr_t attributes{};
  posix_spawn_file_actions_t actions{};
};

/// The same file under a number that neither kLifeFd nor kAbortFd is.
base::Fd moved_up(const base::Fd& fd) {
  return base::Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kAbortFd + 1));
}

}  // namespace

Result<std::unique_ptr<Guardian>> Guardian::start(std::vector<std::string> program,
                                                  base::Fd abort) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return base::fail_errno(errno, "making a socket for the guardian");
  }
  base::Fd ours(ends[0]);
  const base::Fd theirs(ends[1]);
  const base::Fd life = moved_up(theirs);
  const base::Fd key = moved_up(abort);
  if (!life || !key) return base::fail_errno(errno, "descriptors for the guardian");
  program.push_back(fmt::format("{}", ::getpid()));
  std::vector<char*> words;
  for (std::string& word : program) words.push_back(word.data());
  words.push_back(nullptr);
  SpawnSetup setup;
  posix_spawn_file_actions_addopen(&setup.actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_addopen(&setup.actions, STDOUT_FILENO, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_adddup2(&setup.actions, life.get(), kLifeFd);
  posix_spawn_file_actions_adddup2(&setup.actions, key.get(), kAbortFd);
  pid_t pid = 0;
  const int error =
      ::posix_spawn(&pid, words[0], &setup.actions, &setup.attributes, words.data(), environ);
  if (error != 0) return base::fail_errno(error, "starting " + program.front());
  return std::unique_ptr<Guardian>(new Guardian(pid, std::move(ours), std::move(abort)));
}

Guardian::~Guardian() {
  // It may be stopped; nothing keeps it in the kernel.
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool Guardian::is_there() const {
  char byte = 0;
  const ssize_t count = ::recv(life_.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK);
  return count < 0 && (errno == EAGAIN || errno == EINTR);
}

void Guardian::abort() const { (void)!::write(abort_.get(), "1", 1); }

int guard(pid_t daemon) {
  for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2}) {
    ::signal(number, SIG_IGN);
  }
  // Above all no descriptor of the FUSE device, which would keep the connection alive.
  ::close_range(kAbortFd + 1, ~0U, 0);
  for (;;) {
    // The other end of the socket is closed when all of the daemon's threads have ended.
    pollfd life{.fd = kLifeFd, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&life, 1, kLookMilliseconds);
    if (ready > 0 || (ready < 0 && errno != EINTR) || has_ended(daemon)) break;
  }
  return ::write(kAbortFd, "1", 1) == 1 ? 0 : 1;
}

}  // namespace shoal::fs
