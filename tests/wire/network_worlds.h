// SPDX-License-Identifier: MIT
// Two machines, "a" and "b", on each implementation of Network.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>

#include <memory>

#include "base/check.h"
#include "base/file.h"
#include "tests/sim/sim_network.h"
#include "tests/support/virtual_time.h"
#include "wire/transport.h"

namespace shoal::test {

/// A listening TCP socket on the loopback with a port of the system's choice.
struct RawListener {
  RawListener() : socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    CHECK(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    CHECK(::listen(socket.get(), 8) == 0);
    CHECK(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    endpoint = wire::Endpoint{"127.0.0.1", ntohs(address.sin_port)};
  }
  base::Fd socket;
  wire::Endpoint endpoint;
};

class SimWorld {
 public:
  wire::Network& a() { return network_.host("10.0.0.1"); }
  wire::Network& b() { return network_.host("10.0.0.2"); }
  Loop& loop() { return loop_; }
  Timer& timer() { return time_; }
  std::string b_host() const { return "10.0.0.2"; }
  /// Where nobody listens.
  wire::Endpoint deaf() { return {"10.0.0.2", 9}; }
  /// Where somebody listens who never answers.
  wire::Endpoint silent() {
    network_.isolate("10.0.0.3");
    return {"10.0.0.3", 9};
  }
  void run(Task<void> task) { run_virtual_until_done(loop_, time_, std::move(task)); }

 private:
  Loop loop_;
  VirtualTime time_;
  SimNetwork network_{loop_, time_, 1};
};

class TlsWorld {
 public:
  wire::Network& a() { return *a_; }
  wire::Network& b() { return *b_; }
  Loop& loop() { return loop_; }
  Timer& timer() { return *timer_; }
  std::string b_host() const { return "127.0.0.1"; }
  wire::Endpoint deaf() { return RawListener().endpoint; }
  wire::Endpoint silent() { return silent_.endpoint; }
  void run(Task<void> task) { base::run_until_done(loop_, std::move(task)); }

 private:
  Loop loop_;
  std::unique_ptr<Timer> timer_ = base::make_system_timer();
  wire::Identity a_identity_ = *wire::Identity::generate();
  wire::Identity b_identity_ = *wire::Identity::generate();
  RawListener silent_;
  std::unique_ptr<wire::Network> a_ = wire::make_tls_network(loop_, *timer_, a_identity_);
  std::unique_ptr<wire::Network> b_ = wire::make_tls_network(loop_, *timer_, b_identity_);
};

}  // namespace shoal::test
