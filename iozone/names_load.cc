// SPDX-License-Identifier: MIT
// The timed loops of the benchmark programs here: plain system calls, the same on any filesystem.
// Each verb prints one line of JSON.
//
//   names_load create DIR FILES BYTES        creates, writes and closes files in an existing folder
//   names_load stat DIR FILES CALLS          stats those files in turn, once before it counts
//   names_load list DIR                      ls -lR
//   names_load unpack TAR DIR                tar -xf, then syncfs and an fsync of the folder
//   names_load fdatasync FILE ROUNDS         appends 4 KiB and syncs them
//   names_load write FILE BYTES RECORD       writes a new file in calls of RECORD bytes and closes
//   it names_load read FILE RECORD              opens it and reads it once to its end names_load
//   reread FILE RECORD PASSES     the same PASSES times, after one pass that does not count
//   names_load random FILE RECORD CALLS      reads of RECORD bytes at random multiples of RECORD
//   names_load visibility FILE_A FILE_B ROUNDS   one file by two paths: write one, read the other
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

extern char** environ;

namespace {

using Clock = std::chrono::steady_clock;
using Words = std::vector<std::string>;

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}
double seconds_since(Clock::time_point start) { return seconds_between(start, Clock::now()); }

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "names_load: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

/// The result of a system call, or the end of the program.
template <class T>
T check(T result, const std::string& what) {
  if (result < 0) give_up(what);
  return result;
}

std::size_t number(const std::string& word) {
  char* end = nullptr;
  const std::size_t value = std::strtoull(word.c_str(), &end, 10);
  if (value == 0 || *end != '\0') {
    std::fprintf(stderr, "names_load: \"%s\" is not a positive number\n", word.c_str());
    std::exit(2);
  }
  return value;
}

class File {
 public:
  File(const std::string& path, int flags)
      : fd_(check(::open(path.c_str(), flags | O_CLOEXEC, 0644), "open " + path)) {}
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

/// Made before a clock starts.
Words file_names(std::size_t count) {
  Words names;
  for (std::size_t i = 0; i < count; ++i) names.push_back("file-" + std::to_string(i));
  return names;
}

void print(std::size_t operations, double seconds) {
  std::printf("{\"operations\": %zu, \"seconds\": %.9f}\n", operations, seconds);
}

void print_times(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  std::printf("{\"rounds\": %zu, \"median_seconds\": %.9f, \"p99_seconds\": %.9f}\n", times.size(),
              times[times.size() / 2], times[times.size() * 99 / 100]);
}

int create(const Words& words) {
  const File folder(words[0], O_RDONLY | O_DIRECTORY);
  const Words names = file_names(number(words[1]));
  std::string bytes(number(words[2]), '\0');
  std::size_t seed = static_cast<std::size_t>(::getpid());
  for (char& byte : bytes) byte = static_cast<char>((seed = seed * 6364136223846793005 + 1) >> 56);
  const auto start = Clock::now();
  for (std::size_t i = 0; i < names.size(); ++i) {
    // Every file differs, so that nobody gains by having seen its content.
    std::memcpy(bytes.data(), &i, std::min(sizeof(i), bytes.size()));
    const int fd =
        check(::openat(folder.fd(), names[i].c_str(), O_CREAT | O_EXCL | O_WRONLY, 0644), "create");
    const ssize_t written = check(::write(fd, bytes.data(), bytes.size()), "write");
    if (static_cast<std::size_t>(written) != bytes.size()) give_up("a short write");
    check(::close(fd), "close");
  }
  print(names.size(), seconds_since(start));
  return 0;
}

void stat_in_turn(int folder, const Words& names, std::size_t calls) {
  struct stat status{};
  for (std::size_t i = 0, at = 0; i < calls; ++i, at = at + 1 == names.size() ? 0 : at + 1) {
    check(::fstatat(folder, names[at].c_str(), &status, 0), "stat " + names[at]);
  }
}

int stat_files(const Words& words) {
  const File folder(words[0], O_RDONLY | O_DIRECTORY);
  const Words names = file_names(number(words[1]));
  const std::size_t calls = number(words[2]);
  stat_in_turn(folder.fd(), names, names.size());
  const auto start = Clock::now();
  stat_in_turn(folder.fd(), names, calls);
  print(calls, seconds_since(start));
  return 0;
}

/// Runs a program to its end, with its output thrown away.
void run(Words words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  errno = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  if (errno != 0) give_up(words[0]);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  check(::waitpid(pid, &status, 0), "waitpid");
  if (status == 0) return;
  std::fprintf(stderr, "names_load: %s failed\n", words[0].c_str());
  std::exit(1);
}

int list(const Words& words) {
  const auto start = Clock::now();
  run({"ls", "-lR", words[0]});
  print(1, seconds_since(start));
  return 0;
}

int unpack(const Words& words) {
  const File folder(words[1], O_RDONLY | O_DIRECTORY);
  const auto start = Clock::now();
  run({"tar", "-xf", words[0], "-C", words[1]});
  const double unpacked = seconds_since(start);
  check(::syncfs(folder.fd()), "syncfs");
  // The kernel keeps syncfs from most FUSE filesystems; of fsync they all hear.
  check(::fsync(folder.fd()), "fsync");
  std::printf("{\"seconds\": %.9f, \"tar_seconds\": %.9f}\n", seconds_since(start), unpacked);
  return 0;
}

int sync_data(const Words& words) {
  const File file(words[0], O_CREAT | O_TRUNC | O_WRONLY);
  const std::string bytes(4096, 'x');
  std::vector<double> times;
  for (std::size_t round = number(words[1]); round > 0; --round) {
    check(::write(file.fd(), bytes.data(), bytes.size()), "write");
    const auto start = Clock::now();
    check(::fdatasync(file.fd()), "fdatasync");
    times.push_back(seconds_since(start));
  }
  print_times(std::move(times));
  return 0;
}

void print_bytes(std::size_t bytes, double seconds) {
  std::printf("{\"bytes\": %zu, \"seconds\": %.9f}\n", bytes, seconds);
}

int write_file(const Words& words) {
  const std::size_t bytes = number(words[1]);
  std::string record(number(words[2]), '\0');
  std::size_t seed = static_cast<std::size_t>(::getpid());
  for (char& byte : record) byte = static_cast<char>((seed = seed * 6364136223846793005 + 1) >> 56);
  const auto start = Clock::now();
  const int fd =
      check(::open(words[0].c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644), "create");
  for (std::size_t at = 0; at < bytes;) {
    // No two records alike, as in any real file.
    std::memcpy(record.data(), &at, std::min(sizeof(at), record.size()));
    const std::size_t wanted = std::min(record.size(), bytes - at);
    at += static_cast<std::size_t>(check(::write(fd, record.data(), wanted), "write"));
  }
  check(::close(fd), "close");
  print_bytes(bytes, seconds_since(start));
  return 0;
}

std::size_t read_once(const std::string& path, std::string& record) {
  const File file(path, O_RDONLY);
  std::size_t bytes = 0;
  while (const ssize_t got =
             check(::read(file.fd(), record.data(), record.size()), "read " + path)) {
    bytes += static_cast<std::size_t>(got);
  }
  return bytes;
}

int read_file(const Words& words) {
  std::string record(number(words[1]), '\0');
  const auto start = Clock::now();
  const std::size_t bytes = read_once(words[0], record);
  print_bytes(bytes, seconds_since(start));
  return 0;
}

int reread_file(const Words& words) {
  std::string record(number(words[1]), '\0');
  const std::size_t passes = number(words[2]);
  read_once(words[0], record);
  const auto start = Clock::now();
  std::size_t bytes = 0;
  for (std::size_t pass = 0; pass < passes; ++pass) bytes += read_once(words[0], record);
  print_bytes(bytes, seconds_since(start));
  return 0;
}

int random_reads(const Words& words) {
  const File file(words[0], O_RDONLY);
  std::string record(number(words[1]), '\0');
  const std::size_t calls = number(words[2]);
  const std::size_t records =
      static_cast<std::size_t>(check(::lseek(file.fd(), 0, SEEK_END), "seek")) / record.size();
  if (records == 0) {
    std::fputs("names_load: the file is smaller than a record\n", stderr);
    return 1;
  }
  std::size_t seed = 1;
  const auto start = Clock::now();
  for (std::size_t i = 0; i < calls; ++i) {
    seed = seed * 6364136223846793005 + 1442695040888963407;
    const auto at = static_cast<off_t>((seed >> 33) % records * record.size());
    check(::pread(file.fd(), record.data(), record.size(), at), "read " + words[0]);
  }
  print(calls, seconds_since(start));
  return 0;
}

/// What the first bytes of the file are, as a program sees them that opens it anew.
std::uint64_t look(const std::string& path) {
  const File file(path, O_RDONLY);
  std::uint64_t value = 0;
  check(::pread(file.fd(), &value, sizeof(value), 0), "read " + path);
  return value;
}

int visibility(const Words& words) {
  const std::size_t rounds = number(words[2]);
  std::atomic<std::uint64_t> written{0};  // the last round whose write has returned
  std::atomic<std::uint64_t> seen{0};
  std::vector<Clock::time_point> returned(rounds + 1);
  std::vector<Clock::time_point> read(rounds + 1);
  const File file(words[0], O_CREAT | O_WRONLY);
  const std::uint64_t zero = 0;
  check(::pwrite(file.fd(), &zero, sizeof(zero), 0), "write");

  std::thread reader([&] {
    for (std::uint64_t round = 1; round <= rounds; ++round) {
      written.wait(round - 1);
      while (look(words[1]) != round) {
      }
      read[round] = Clock::now();
      seen = round;
      seen.notify_one();
    }
  });
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    check(::pwrite(file.fd(), &round, sizeof(round), 0), "write");
    returned[round] = Clock::now();
    written = round;
    written.notify_one();
    seen.wait(round - 1);
  }
  reader.join();
  std::vector<double> times;
  for (std::size_t i = 1; i <= rounds; ++i) times.push_back(seconds_between(returned[i], read[i]));
  print_times(std::move(times));
  return 0;
}

struct Verb {
  int (*run)(const Words&);
  std::size_t words;
};

const std::map<std::string, Verb> kVerbs = {
    {"create", {create, 3}},         {"stat", {stat_files, 3}}, {"list", {list, 1}},
    {"write", {write_file, 3}},      {"read", {read_file, 2}},  {"reread", {reread_file, 3}},
    {"random", {random_reads, 3}},   {"unpack", {unpack, 2}},   {"fdatasync", {sync_data, 2}},
    {"visibility", {visibility, 3}},
};

}  // namespace

int main(int argc, char** argv) {
  const Words words(argv + std::min(argc, 2), argv + argc);
  const auto verb = argc > 1 ? kVerbs.find(argv[1]) : kVerbs.end();
  if (verb == kVerbs.end() || words.size() != verb->second.words) {
    std::fputs("usage: names_load VERB ARGUMENT...; see the head of names_load.cc\n", stderr);
    return 2;
  }
  return verb->second.run(words);
}
