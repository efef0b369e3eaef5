// SPDX-License-Identifier: MIT
#include "tests/fs/fake_kernel.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

namespace shoal::test {
namespace {

constexpr int kPatienceMs = 20'000;
constexpr std::size_t kPacketBytes = 256 * 1024;

}  // namespace

std::vector<char> packed(const std::string& text) {
  std::vector<char> bytes(text.begin(), text.end());
  bytes.push_back('\0');
  return bytes;
}

FakeKernel::FakeKernel() {
  CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets_) == 0);
}

FakeKernel::~FakeKernel() { hang_up(); }

void FakeKernel::hang_up() {
  if (sockets_[0] >= 0) close(sockets_[0]);
  sockets_[0] = -1;
}

std::uint64_t FakeKernel::send(std::uint32_t opcode, std::uint64_t node,
                               const std::vector<char>& body) {
  fuse_in_header header{};
  header.len = static_cast<std::uint32_t>(sizeof header + body.size());
  header.opcode = opcode;
  header.unique = ++last_ * 2;  // odd ones are interrupts
  header.nodeid = node;
  std::vector<char> packet = packed(header);
  packet.insert(packet.end(), body.begin(), body.end());
  CHECK(::send(sockets_[0], packet.data(), packet.size(), MSG_NOSIGNAL) ==
        static_cast<ssize_t>(packet.size()));
  const bool is_answered = opcode != FUSE_FORGET && opcode != FUSE_INTERRUPT;
  if (is_answered) outstanding_[header.unique] = 1;
  return header.unique;
}

bool FakeKernel::receive(int patience_ms) {
  pollfd ready{sockets_[0], POLLIN, 0};
  if (poll(&ready, 1, patience_ms) <= 0) return false;
  std::vector<char> packet(kPacketBytes);
  const ssize_t got = recv(sockets_[0], packet.data(), packet.size(), 0);
  if (got < static_cast<ssize_t>(sizeof(fuse_out_header))) return false;
  fuse_out_header header{};
  std::memcpy(&header, packet.data(), sizeof header);
  const auto asked = outstanding_.find(header.unique);
  if (asked == outstanding_.end()) {
    has_stray_ = true;
    return true;
  }
  outstanding_.erase(asked);
  Answer answer;
  answer.error = -header.error;
  answer.body.assign(packet.begin() + sizeof header, packet.begin() + got);
  answers_[header.unique] = std::move(answer);
  return true;
}

std::optional<FakeKernel::Answer> FakeKernel::wait(std::uint64_t number) {
  while (!answers_.contains(number)) {
    if (!receive(kPatienceMs)) return std::nullopt;
  }
  auto node = answers_.extract(number);
  return std::move(node.mapped());
}

bool FakeKernel::has_stray_answer() {
  while (receive(0)) {
  }
  return has_stray_;
}

std::optional<FakeKernel::Answer> FakeKernel::init() {
  fuse_init_in request{};
  request.major = FUSE_KERNEL_VERSION;
  request.minor = 36;
  request.max_readahead = 128 * 1024;
  request.flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES;
  return wait(send(FUSE_INIT, 0, packed(request)));
}

std::uint64_t FakeKernel::send_lookup(std::uint64_t parent, const std::string& name) {
  return send(FUSE_LOOKUP, parent, packed(name));
}

std::optional<FakeKernel::Answer> FakeKernel::lookup(std::uint64_t parent,
                                                     const std::string& name) {
  return wait(send_lookup(parent, name));
}

void FakeKernel::forget(std::uint64_t node, std::uint64_t count) {
  fuse_forget_in request{};
  request.nlookup = count;
  send(FUSE_FORGET, node, packed(request));
}

void FakeKernel::interrupt(std::uint64_t number) {
  fuse_interrupt_in request{};
  request.unique = number;
  send(FUSE_INTERRUPT, 0, packed(request));
}

}  // namespace shoal::test
