// SPDX-License-Identifier: MIT
// The timed loops of iozone/swarm: plain system calls. Each verb prints one line of JSON.
//
//   swarm_load raw BYTES                   one TCP stream over loopback, 1 MiB a call, nothing done
//                                          with the bytes
//   swarm_load roundtrip ROUNDS            one byte there and back over loopback
//   swarm_load write FILE BYTES SEED       random bytes, then fsync and close
//   swarm_load read FILE [MARK BYTES]      from begin to end, 1 MiB a call; when BYTES have come,
//                                          makes an empty file MARK
//   swarm_load random FILE READS SEED      opens it and reads 4 KiB from as many places, no block
//                                          twice; the first read's time includes the open
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Words = std::vector<std::string>;

constexpr std::size_t kCallBytes = 1 << 20;
constexpr std::size_t kBlockBytes = 16 << 10;
constexpr std::size_t kSmallBytes = 4096;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The result of a system call, or the end of the program.
template <class T>
T check(T result, const std::string& what) {
  if (result < 0) {
    std::fprintf(stderr, "swarm_load: %s: %s\n", what.c_str(), std::strerror(errno));
    std::exit(1);
  }
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::size_t number(const std::string& word) {
  char* end = nullptr;
  const std::size_t value = std::strtoull(word.c_str(), &end, 10);
  if (value == 0 || *end != '\0') {
    std::fprintf(stderr, "swarm_load: \"%s\" is not a positive number\n", word.c_str());
    std::exit(2);
  }
  return value;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

/// Two ends of a TCP connection over loopback.
struct Ends {
  int near;
  int far;
};
Ends connect_loopback() {
  const Descriptor listener(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  check(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), "bind");
  check(::listen(listener.get(), 1), "listen");
  check(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  const int near = check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  check(::connect(near, reinterpret_cast<sockaddr*>(&address), size), "connect");
  const int far = check(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept");
  const int on = 1;
  for (const int fd : {near, far}) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return {near, far};
}

int raw(const Words& words) {
  const std::size_t bytes = number(words[0]);
  const Ends ends = connect_loopback();
  const auto start = Clock::now();
  std::thread sender([fd = ends.far, bytes] {
    const std::vector<char> buffer(kCallBytes, 'x');
    for (std::size_t sent = 0; sent < bytes;) {
      const std::size_t part = std::min(buffer.size(), bytes - sent);
      sent +=
          static_cast<std::size_t>(check(::send(fd, buffer.data(), part, MSG_NOSIGNAL), "send"));
    }
    ::close(fd);
  });
  std::vector<char> buffer(kCallBytes);
  std::size_t received = 0;
  for (;;) {
    const ssize_t count = check(::recv(ends.near, buffer.data(), buffer.size(), 0), "recv");
    if (count == 0) break;
    received += static_cast<std::size_t>(count);
  }
  const double seconds = seconds_since(start);
  sender.join();
  ::close(ends.near);
  std::printf("{\"bytes\": %zu, \"seconds\": %.9f}\n", received, seconds);
  return 0;
}

void print_times(std::vector<double> times, double first) {
  std::sort(times.begin(), times.end());
  std::printf(
      "{\"rounds\": %zu, \"first_seconds\": %.9f, \"median_seconds\": %.9f, \"p95_seconds\": "
      "%.9f}\n",
      times.size(), first, times[times.size() / 2], times[times.size() * 95 / 100]);
}

int roundtrip(const Words& words) {
  const std::size_t rounds = number(words[0]);
  const Ends ends = connect_loopback();
  std::thread echo([fd = ends.far] {
    char byte = 0;
    while (::recv(fd, &byte, 1, 0) == 1) check(::send(fd, &byte, 1, MSG_NOSIGNAL), "send");
    ::close(fd);
  });
  std::vector<double> times;
  for (std::size_t i = 0; i < rounds; ++i) {
    char byte = 0;
    const auto start = Clock::now();
    check(::send(ends.near, &byte, 1, MSG_NOSIGNAL), "send");
    check(::recv(ends.near, &byte, 1, 0), "recv");
    times.push_back(seconds_since(start));
  }
  ::close(ends.near);
  echo.join();
  print_times(times, times.front());
  return 0;
}

int write_file(const Words& words) {
  const std::size_t bytes = number(words[1]);
  std::mt19937_64 random(number(words[2]));
  const Descriptor file(
      check(::open(words[0].c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644), words[0]));
  std::vector<std::uint64_t> buffer(kCallBytes / sizeof(std::uint64_t));
  const auto start = Clock::now();
  for (std::size_t done = 0; done < bytes;) {
    for (std::uint64_t& word : buffer) word = random();
    const std::size_t part = std::min(kCallBytes, bytes - done);
    done += static_cast<std::size_t>(check(::write(file.get(), buffer.data(), part), "write"));
  }
  check(::fsync(file.get()), "fsync");
  std::printf("{\"bytes\": %zu, \"seconds\": %.9f}\n", bytes, seconds_since(start));
  return 0;
}

int read_file(const Words& words) {
  std::size_t mark_at = words.size() > 2 ? number(words[2]) : 0;
  std::vector<char> buffer(kCallBytes);
  std::size_t bytes = 0;
  const auto start = Clock::now();
  const Descriptor file(check(::open(words[0].c_str(), O_RDONLY | O_CLOEXEC), words[0]));
  for (;;) {
    const ssize_t count = check(::read(file.get(), buffer.data(), buffer.size()), "read");
    if (count == 0) break;
    bytes += static_cast<std::size_t>(count);
    if (mark_at == 0 || bytes < mark_at) continue;
    mark_at = 0;
    const Descriptor mark(check(::open(words[1].c_str(), O_CREAT | O_WRONLY, 0644), words[1]));
  }
  std::printf("{\"bytes\": %zu, \"seconds\": %.9f}\n", bytes, seconds_since(start));
  return 0;
}

int read_random(const Words& words) {
  std::mt19937_64 random(number(words[2]));
  struct stat status{};
  check(::stat(words[0].c_str(), &status), words[0]);
  std::vector<std::size_t> blocks(static_cast<std::size_t>(status.st_size) / kBlockBytes);
  for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i] = i;
  std::shuffle(blocks.begin(), blocks.end(), random);
  blocks.resize(std::min(blocks.size(), number(words[1])));
  std::vector<char> buffer(kSmallBytes);
  std::vector<double> times;
  auto start = Clock::now();
  const Descriptor file(check(::open(words[0].c_str(), O_RDONLY | O_CLOEXEC), words[0]));
  ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_RANDOM);
  for (const std::size_t block : blocks) {
    const auto at = static_cast<off_t>(block * kBlockBytes);
    check(::pread(file.get(), buffer.data(), buffer.size(), at), "pread");
    times.push_back(seconds_since(start));
    start = Clock::now();
  }
  print_times(times, times.front());
  return 0;
}

struct Verb {
  const char* name;
  std::size_t words;
  int (*run)(const Words&);
};
constexpr Verb kVerbs[] = {{"raw", 1, raw},
                           {"roundtrip", 1, roundtrip},
                           {"write", 3, write_file},
                           {"read", 1, read_file},
                           {"random", 3, read_random}};

}  // namespace

int main(int argc, char** argv) {
  const Words words(argv + 1, argv + argc);
  for (const Verb& verb : kVerbs) {
    if (words.empty() || words[0] != verb.name || words.size() < verb.words + 1) continue;
    return verb.run(Words(words.begin() + 1, words.end()));
  }
  std::fprintf(stderr,
               "usage: swarm_load raw|roundtrip|write|read|random ..., see swarm_load.cc\n");
  return 2;
}
