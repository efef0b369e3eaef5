// SPDX-License-Identifier: MIT
#include "fs/mount.h"

#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <mutex>

#include "base/file.h"
#include "base/log.h"
#include "base/mounts.h"
#include "fs/core.h"
#include "fs/ops/ops.h"

namespace shoal::fs {
namespace {

/// Wakes a worker out of its read; only its being delivered matters.
constexpr int kWakeSignal = SIGUSR2;

// -- what libfuse says ----------------------------------------------------------------------------

std::mutex last_message_mutex;
std::string last_message;

void keep_message(fuse_log_level level, const char* format, va_list arguments) {
  std::array<char, 512> text{};
  const int length = std::vsnprintf(text.data(), text.size(), format, arguments);
  if (length <= 0) return;
  std::string line(text.data());
  while (!line.empty() && line.back() == '\n') line.pop_back();
  base::log_debug("libfuse level={} {}", static_cast<int>(level), line);
  const std::lock_guard lock(last_message_mutex);
  last_message = std::move(line);
}

std::string take_message() {
  const std::lock_guard lock(last_message_mutex);
  return std::exchange(last_message, {});
}

// -- arguments ------------------------------------------------------------------------------------

class Arguments {
 public:
  explicit Arguments(std::vector<std::string> words) : words_(std::move(words)) {
    for (std::string& word : words_) pointers_.push_back(word.data());
  }
  fuse_args get() { return FUSE_ARGS_INIT(static_cast<int>(pointers_.size()), pointers_.data()); }

 private:
  std::vector<std::string> words_;
  std::vector<char*> pointers_;
};

/// Commas separate mount options.
std::string escape(const std::string& value) {
  std::string escaped;
  for (const char c : value) {
    if (c == ',' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string option_text(const MountOptions& options) {
  std::string text = "default_permissions,subtype=shoal,fsname=" + escape(options.source_name);
  if (options.allow_other || geteuid() == 0) text += ",allow_other";
  return text;
}

Result<fuse_session*> new_session(Core& core, std::vector<std::string> words) {
  static std::once_flag once;
  std::call_once(once, [] { fuse_set_log_func(keep_message); });
  static const fuse_lowlevel_ops kOps = ops::make_ops();
  Arguments arguments(std::move(words));
  fuse_args args = arguments.get();
  fuse_session* const session = fuse_session_new(&args, &kOps, sizeof kOps, &core);
  fuse_opt_free_args(&args);
  if (session == nullptr) {
    return fail(Errc::io, "libfuse refused the mount's options: {}", take_message());
  }
  return session;
}

// -- before mounting ------------------------------------------------------------------------------

bool is_in_path(const char* program) {
  for (const char* folder : {"/usr/bin/", "/bin/", "/usr/local/bin/"}) {
    if (access((std::string(folder) + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

Result<void> check_machine() {
  const bool is_root = geteuid() == 0;
  if (access("/dev/fuse", F_OK) != 0) {
    return fail(Errc::unsupported,
                "this machine has no /dev/fuse: load it with 'modprobe fuse', or give the "
                "container the device, or run without a mount");
  }
  if (!is_root && access("/dev/fuse", R_OK | W_OK) != 0) {
    return fail(
        Errc::access_denied,
        "/dev/fuse may not be opened by this user: root can allow it with 'chmod 666 /dev/fuse'");
  }
  if (!is_root && !is_in_path("fusermount3")) {
    return fail(Errc::unsupported,
                "an ordinary user needs fusermount3 to mount: install the package fuse3");
  }
  return {};
}

Result<void> check_mount_point(const std::string& path) {
  struct stat found{};
  if (stat(path.c_str(), &found) != 0) return base::fail_errno(errno, "mount point " + path);
  if (!S_ISDIR(found.st_mode)) {
    return fail(Errc::not_directory, "mount point {} is not a folder", path);
  }
  return {};
}

std::unexpected<Error> mount_failure(const std::string& path) {
  const std::string reason = take_message();
  if (geteuid() == 0 && reason.contains("not permitted")) {
    return fail(Errc::access_denied,
                "mounting on {} was not permitted: this needs the right to mount (in a container: "
                "--cap-add SYS_ADMIN): {}",
                path, reason);
  }
  if (reason.contains("allow_other")) {
    return fail(Errc::access_denied,
                "allow_other needs the line user_allow_other in /etc/fuse.conf: {}", reason);
  }
  return fail(Errc::access_denied, "mounting on {} failed: {}", path,
              reason.empty() ? "see the messages above" : reason);
}

/// Runs a program and waits; its exit status, -1 when it could not be run.
int run(std::vector<std::string> words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  pid_t child = 0;
  if (posix_spawnp(&child, pointers[0], nullptr, nullptr, pointers.data(), environ) != 0) return -1;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// -- a socket instead of the kernel
// -----------------------------------------------------------------

ssize_t send_packet(int fd, iovec* parts, int count, void*) { return writev(fd, parts, count); }
ssize_t receive_packet(int fd, void* buffer, size_t size, void*) {
  return ::read(fd, buffer, size);
}

void install_wake_signal() {
  struct sigaction action{};
  if (sigaction(kWakeSignal, nullptr, &action) == 0 && action.sa_handler != SIG_DFL) return;
  action = {};
  action.sa_handler = [](int) {};
  sigaction(kWakeSignal, &action, nullptr);
}

}  // namespace

Result<std::unique_ptr<Mount>> Mount::open(Core& core) {
  const std::string& path = core.options.mount_point;
  Result<void> able = check_machine();
  if (!able) return pass(std::move(able));
  Result<void> fits = check_mount_point(path);
  if (!fits) return pass(std::move(fits));
  auto session = new_session(core, {"shoal", "-o", option_text(core.options)});
  if (!session) return pass(std::move(session));
  if (fuse_session_mount(*session, path.c_str()) != 0) {
    fuse_session_destroy(*session);
    return mount_failure(path);
  }
  std::unique_ptr<Mount> mount(new Mount(*session, path));
  if (!core.options.guardian.empty()) mount->set_guardian(core.options.guardian);
  return mount;
}

Result<std::unique_ptr<Mount>> Mount::open_on_socket(Core& core, int socket) {
  auto session = new_session(core, {"shoal"});
  if (!session) return pass(std::move(session));
  fuse_custom_io io{};
  io.writev = send_packet;
  io.read = receive_packet;
#if FUSE_USE_VERSION >= FUSE_MAKE_VERSION(3, 17)
  const int refused = fuse_session_custom_io(*session, &io, sizeof io, socket);
#else
  const int refused = fuse_session_custom_io(*session, &io, socket);
#endif
  if (refused != 0) {
    fuse_session_destroy(*session);
    return fail(Errc::io, "libfuse refused the socket");
  }
  return std::unique_ptr<Mount>(new Mount(*session, ""));
}

Mount::~Mount() {
  join();
  // Closes the device; the mount point was detached before, or is left to the next start.
  if (!mount_point_.empty()) fuse_session_unmount(session_);
  fuse_session_destroy(session_);
}

void Mount::set_guardian(std::vector<std::string> program) {
  const auto entry = base::mount_at(base::current_mounts(), base::mount_point_path(mount_point_));
  if (!entry) return;
  auto abort = base::open_abort(*entry);
  if (!abort) {
    base::log_info("nobody guards the mount reason=\"{}\"", abort.error().context());
    return;
  }
  auto guardian = Guardian::start(std::move(program), std::move(*abort));
  if (guardian) {
    guardian_ = std::move(*guardian);
  } else {
    base::log_warning("nobody guards the mount reason=\"{}\"", guardian.error().context());
  }
}

void Mount::start(unsigned workers, std::function<void()> on_end) {
  install_wake_signal();
  on_end_ = std::move(on_end);
  running_ = workers;
  for (unsigned i = 0; i < workers; ++i) {
    workers_.emplace_back([this] {
      pthread_setname_np(pthread_self(), "shoal-fuse");
      work();
      if (--running_ == 0) on_end_();
    });
  }
}

void Mount::work() {
  sigset_t all;
  sigfillset(&all);
  sigdelset(&all, kWakeSignal);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  fuse_buf buffer{};
  while (!is_abandoned_ && fuse_session_exited(session_) == 0) {
    const int received = fuse_session_receive_buf(session_, &buffer);
    if (received == -EINTR || received == -EAGAIN) continue;
    if (received <= 0) break;
    fuse_session_process_buf(session_, &buffer);
  }
  std::free(buffer.mem);
}

Result<void> Mount::detach(bool lazy) {
  if (mount_point_.empty()) return {};
  if (geteuid() == 0) {
    const int flags = UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0);
    if (umount2(mount_point_.c_str(), flags) == 0 || errno == EINVAL || errno == ENOENT) return {};
    if (errno == EBUSY) return fail(Errc::busy, "files under {} are in use", mount_point_);
    return base::fail_errno(errno, "unmounting " + mount_point_);
  }
  const int status = run({"fusermount3", "-u", lazy ? "-qz" : "-q", mount_point_});
  if (status == 0) return {};
  return fail(Errc::busy, "fusermount3 could not unmount {}: files are in use, or it is gone",
              mount_point_);
}

void Mount::abandon() {
  is_abandoned_ = true;
  fuse_session_exit(session_);
  if (guardian_) guardian_->abort();  // what waits in the kernel returns as well
  // A worker may be about to read when the signal comes: again until all have noticed.
  while (running_ > 0) {
    for (std::jthread& worker : workers_) pthread_kill(worker.native_handle(), kWakeSignal);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void Mount::join() { workers_.clear(); }

}  // namespace shoal::fs
