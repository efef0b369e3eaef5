// SPDX-License-Identifier: MIT
#pragma once

#include <linux/fuse.h>

#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace shoal::test {

/// The kernel's side of a FUSE session over a socket pair: sends requests, takes answers.
/// Thread: the test's.
class FakeKernel {
 public:
  FakeKernel();
  ~FakeKernel();
  FakeKernel(const FakeKernel&) = delete;
  FakeKernel& operator=(const FakeKernel&) = delete;

  /// The daemon's end; its owner closes it.
  int daemon_socket() const { return sockets_[1]; }
  /// The session is over: the daemon's workers end.
  void hang_up();

  struct Answer {
    int error = 0;  ///< a positive errno, or 0
    std::vector<char> body;

    template <class T>
    T as() const {
      T value{};
      std::memcpy(&value, body.data(), std::min(body.size(), sizeof value));
      return value;
    }
  };

  /// Sends a request and returns its number.
  std::uint64_t send(std::uint32_t opcode, std::uint64_t node, const std::vector<char>& body);
  /// The answer to a request; nullopt when none comes within the time that tests allow.
  std::optional<Answer> wait(std::uint64_t number);
  /// Takes what has come; true when there was an answer that nobody asked for.
  bool has_stray_answer();

  std::optional<Answer> init();
  std::optional<Answer> lookup(std::uint64_t parent, const std::string& name);
  std::uint64_t send_lookup(std::uint64_t parent, const std::string& name);
  void forget(std::uint64_t node, std::uint64_t count);
  void interrupt(std::uint64_t number);

 private:
  bool receive(int patience_ms);

  int sockets_[2] = {-1, -1};
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Answer> answers_;
  std::map<std::uint64_t, int> outstanding_;
  bool has_stray_ = false;
};

template <class T>
std::vector<char> packed(const T& value) {
  const char* begin = reinterpret_cast<const char*>(&value);
  return {begin, begin + sizeof value};
}
std::vector<char> packed(const std::string& text);

}  // namespace shoal::test
