// SPDX-License-Identifier: MIT
// The part of process.h that makes processes.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>

#include "cli/process.h"

namespace shoal::cli {
namespace {

std::atomic<bool> interrupted{false};

void on_interrupt(int) { interrupted.store(true); }

/// Our environment, without what is meant for us or for whoever manages us: SHOAL_MOUNT or
/// NOTIFY_SOCKET would change what a daemon does. SHOAL_LOG_LEVEL is meant for all.
std::vector<char*> variables_for_children() {
  std::vector<char*> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    const bool is_ours = text.starts_with("SHOAL_") && !text.starts_with("SHOAL_LOG_LEVEL=");
    const bool is_managers = text.starts_with("NOTIFY_SOCKET=") ||
                             text.starts_with("JOURNAL_STREAM=") || text.starts_with("WATCHDOG_");
    if (!is_ours && !is_managers) variables.push_back(*variable);
  }
  variables.push_back(nullptr);
  return variables;
}

/// posix_spawn's two argument objects.
class SpawnSetup {
 public:
  explicit SpawnSetup(bool own_session) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    // Our own handlers and masks are not the child's business.
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (own_session) flags |= POSIX_SPAWN_SETSID;
    posix_spawnattr_setflags(&attributes_, static_cast<short>(flags));
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;

  void redirect(int from, int to) { posix_spawn_file_actions_adddup2(&actions_, from, to); }

  Result<pid_t> spawn(const std::vector<std::string>& argv) {
    // Descriptors that a shell left open (a lock, a pipe) must not live on in a daemon.
    posix_spawn_file_actions_addclosefrom_np(&actions_, 3);
    std::vector<char*> pointers;
    for (const std::string& argument : argv)
      pointers.push_back(const_cast<char*>(argument.c_str()));
    pointers.push_back(nullptr);
    std::vector<char*> variables = variables_for_children();
    pid_t pid = 0;
    const int error = posix_spawn(&pid, argv[0].c_str(), &actions_, &attributes_, pointers.data(),
                                  variables.data());
    if (error != 0) return base::fail_errno(error, "starting " + argv[0]);
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

Result<std::string> read_to_end(const base::Fd& fd) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count == 0) return text;
    if (count > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(count));
    } else if (errno != EINTR) {
      return base::fail_errno(errno, "reading a program's output");
    }
  }
}

}  // namespace

Result<pid_t> start_daemon(const std::vector<std::string>& argv, const std::string& log) {
  auto input = base::open_file("/dev/null", O_RDONLY);
  if (!input) return pass(input);
  auto output = base::open_file(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (!output) return pass(output);
  SpawnSetup setup(/*own_session=*/true);
  setup.redirect(input->get(), STDIN_FILENO);
  setup.redirect(output->get(), STDOUT_FILENO);
  setup.redirect(output->get(), STDERR_FILENO);
  return setup.spawn(argv);
}

std::optional<std::string> child_ending(pid_t pid) {
  int status = 0;
  if (::waitpid(pid, &status, WNOHANG) != pid) return std::nullopt;
  if (WIFSIGNALED(status)) return fmt::format("signal {}", WTERMSIG(status));
  return fmt::format("exit status {}", WEXITSTATUS(status));
}

Result<ProgramResult> run_program(const std::vector<std::string>& argv, std::string_view input) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0) return base::fail_errno(errno, "making a pipe");
  base::Fd in_read(in[0]);
  base::Fd in_write(in[1]);
  if (::pipe2(out.data(), O_CLOEXEC) != 0) return base::fail_errno(errno, "making a pipe");
  base::Fd out_read(out[0]);
  base::Fd out_write(out[1]);

  // Before the child exists, so that one which ends early cannot break the pipe under us.
  if (!input.empty() && ::write(in_write.get(), input.data(), input.size()) < 0) {
    return base::fail_errno(errno, "writing to a pipe");
  }
  SpawnSetup setup(/*own_session=*/false);
  setup.redirect(in_read.get(), STDIN_FILENO);
  setup.redirect(out_write.get(), STDOUT_FILENO);
  setup.redirect(out_write.get(), STDERR_FILENO);
  auto pid = setup.spawn(argv);
  if (!pid) return pass(pid);
  in_read = base::Fd();
  in_write = base::Fd();
  out_write = base::Fd();

  auto output = read_to_end(out_read);
  int status = 0;
  while (::waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!output) return pass(output);
  const int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return ProgramResult{.status = code, .output = std::move(*output)};
}

void catch_interrupts() {
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(number, &action, nullptr);
}

bool was_interrupted() { return interrupted.load(); }

}  // namespace shoal::cli
