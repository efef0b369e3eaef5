// SPDX-License-Identifier: MIT
#include "cli/process.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <memory>
#include <thread>

// glibc 2.36 forgot to tell C++ that these are C functions.
extern "C" {
#include <sys/pidfd.h>
}

namespace shoal::cli {
namespace {

constexpr std::uint64_t kMaxProcFile = 1024 * 1024;

std::string link_target(const std::string& path) {
  std::array<char, 4096> target{};
  const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
  return length <= 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(length));
}

std::optional<pid_t> parse_pid(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc() || end != text.data() + text.size() || pid <= 0) return std::nullopt;
  return pid;
}

/// Field 22 of /proc/PID/stat and the state. The name in parentheses may hold blanks and
/// parentheses, so counting begins behind the last one. Source: proc(5).
bool read_stat(std::string_view stat, char& state, std::uint64_t& start_ticks) {
  const std::size_t behind_name = stat.rfind(')');
  if (behind_name == std::string_view::npos || behind_name + 2 >= stat.size()) return false;
  std::string_view rest = stat.substr(behind_name + 2);
  state = rest[0];
  constexpr int kStartTimeFromState = 22 - 3;
  for (int i = 0; i < kStartTimeFromState; ++i) {
    const std::size_t blank = rest.find(' ');
    if (blank == std::string_view::npos) return false;
    rest.remove_prefix(blank + 1);
  }
  return std::from_chars(rest.data(), rest.data() + rest.size(), start_ticks).ec == std::errc();
}

std::vector<std::string> split_arguments(std::string_view cmdline) {
  std::vector<std::string> arguments;
  while (!cmdline.empty()) {
    const std::size_t end = std::min(cmdline.find('\0'), cmdline.size());
    arguments.emplace_back(cmdline.substr(0, end));
    cmdline.remove_prefix(std::min(end + 1, cmdline.size()));
  }
  return arguments;
}

std::string absolute_in(const std::string& folder, const std::string& path) {
  std::string text = (std::filesystem::path(folder) / path).lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

std::string option_path(const ProcessFacts& facts, const std::string& name) {
  for (std::size_t i = 1; i < facts.arguments.size(); ++i) {
    const std::string& argument = facts.arguments[i];
    if (argument == name && i + 1 < facts.arguments.size()) {
      return absolute_in(facts.folder, facts.arguments[i + 1]);
    }
    if (argument.starts_with(name + "=")) {
      return absolute_in(facts.folder, argument.substr(name.size() + 1));
    }
  }
  return {};
}

bool is_same_folder(const std::string& a, const std::string& b) {
  if (a == b) return true;
  std::error_code error;
  return !a.empty() && !b.empty() && std::filesystem::equivalent(a, b, error) && !error;
}

}  // namespace

std::optional<ProcessFacts> read_process(pid_t pid, const std::string& proc) {
  const std::string folder = proc + "/" + std::to_string(pid);
  const auto stat = base::read_whole(folder + "/stat", kMaxProcFile);
  const auto cmdline = base::read_whole(folder + "/cmdline", kMaxProcFile);
  std::string executable = link_target(folder + "/exe");
  ProcessFacts facts;
  char state = 0;
  if (!stat || !cmdline || executable.empty()) return std::nullopt;
  if (!read_stat(*stat, state, facts.start_ticks) || state == 'Z' || state == 'X') {
    return std::nullopt;
  }
  // A program that was built anew while it runs.
  constexpr std::string_view kDeleted = " (deleted)";
  if (executable.ends_with(kDeleted)) executable.resize(executable.size() - kDeleted.size());
  facts.pid = pid;
  facts.program = executable.substr(executable.rfind('/') + 1);
  facts.arguments = split_arguments(*cmdline);
  facts.folder = link_target(folder + "/cwd");
  return facts;
}

std::string daemon_dir(const ProcessFacts& facts) {
  if (facts.arguments.size() > 1) {
    const std::string& verb = facts.arguments[1];
    if (verb == "init" || verb == "join") return {};
  }
  return option_path(facts, "--dir");
}

std::string daemon_mount(const ProcessFacts& facts) { return option_path(facts, "--mount"); }

std::vector<ProcessFacts> all_daemons(std::string_view program, const std::string& proc) {
  std::vector<ProcessFacts> found;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(proc.c_str()), ::closedir);
  if (!folder) return found;
  while (const dirent* entry = ::readdir(folder.get())) {
    const auto pid = parse_pid(entry->d_name);
    if (!pid) continue;
    auto facts = read_process(*pid, proc);
    if (facts && facts->program == program && !daemon_dir(*facts).empty()) {
      found.push_back(std::move(*facts));
    }
  }
  return found;
}

std::optional<pid_t> read_pid_file(const std::string& path) {
  const auto text = base::read_whole(path, 64);
  return text ? parse_pid(*text) : std::nullopt;
}

std::optional<ProcessFacts> find_daemon(std::string_view program, const std::string& dir,
                                        const std::string& pid_file, const std::string& proc) {
  const auto pid = read_pid_file(pid_file);
  if (pid) {
    auto facts = read_process(*pid, proc);
    if (facts && facts->program == program && is_same_folder(daemon_dir(*facts), dir)) return facts;
  }
  for (ProcessFacts& facts : all_daemons(program, proc)) {
    if (is_same_folder(daemon_dir(facts), dir)) return std::move(facts);
  }
  return std::nullopt;
}

Result<ProcessHandle> ProcessHandle::open(const ProcessFacts& facts) {
  base::Fd fd(::pidfd_open(facts.pid, 0));
  if (!fd && errno == ESRCH) return fail(Errc::not_found, "process {} has ended", facts.pid);
  if (!fd) return base::fail_errno(errno, fmt::format("opening process {}", facts.pid));
  const auto now = read_process(facts.pid);
  if (!now || now->start_ticks != facts.start_ticks || now->program != facts.program) {
    return fail(Errc::not_found, "process {} has ended", facts.pid);
  }
  return ProcessHandle(facts.pid, std::move(fd));
}

Result<void> ProcessHandle::signal(int number) const {
  if (::pidfd_send_signal(fd_.get(), number, nullptr, 0) == 0) return {};
  if (errno == ESRCH) return fail(Errc::not_found, "process {} has ended", pid_);
  return base::fail_errno(errno, fmt::format("signalling process {}", pid_));
}

bool ProcessHandle::wait_ended(Deadline deadline) const {
  const base::SystemClock clock;
  for (;;) {
    pollfd entry{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline.left(clock)).count();
    const int ready = ::poll(&entry, 1, static_cast<int>(std::clamp<long>(left, 0, 60'000)));
    if (ready > 0) return true;
    if (ready == 0 && deadline.has_passed(clock)) return false;
    if (ready < 0 && was_interrupted()) return false;
  }
}

std::string own_folder() {
  const std::string path = link_target("/proc/self/exe");
  return path.substr(0, path.rfind('/'));
}

std::string find_in_path(std::string_view program) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::string candidate = fmt::format("{}/{}", rest.substr(0, end), program);
    if (end > 0 && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

bool wait_until(Deadline deadline, const std::function<bool()>& condition) {
  const base::SystemClock clock;
  for (;;) {
    if (condition()) return true;
    if (deadline.has_passed(clock) || was_interrupted()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace shoal::cli
