// SPDX-License-Identifier: MIT
// A network in one process on virtual time: machines with addresses, connections with delay,
// limited rate and faults, all decided by one seed. It behaves as TCP does where shoal can tell:
// frames of a connection never change their order; a cut link holds them back until it heals or
// both ends give up after kSilence; a process that dies finishes its connections (resets those with
// unread frames); a machine that dies says nothing.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/task.h"
#include "wire/transport.h"

namespace shoal::test {

class SimHost;
struct SimLink;
struct SimEnd;

/// Thread: the loop. Outlives its hosts' listeners and connections.
class SimNetwork {
 public:
  struct Options {
    Duration delay_min = std::chrono::microseconds(100);
    Duration delay_max = std::chrono::milliseconds(2);
    double bytes_per_second = 100e6;
    /// That a connection breaks when a frame is sent on it.
    double break_chance = 0;
  };
  /// TCP_USER_TIMEOUT and keepalive: after so long without a sign of the other side it is given up.
  static constexpr std::chrono::seconds kSilence{20};

  SimNetwork(Loop& loop, Timer& timer, std::uint64_t seed, Options options);
  SimNetwork(Loop& loop, Timer& timer, std::uint64_t seed)
      : SimNetwork(loop, timer, seed, Options{}) {}
  ~SimNetwork();

  /// A machine under an address, such as "10.0.0.1", with an identity derived from it. Known
  /// machines are returned as they are. Lives as long as the network.
  SimHost& host(const std::string& address);
  static PeerId id_of(const std::string& address);

  /// From now on nothing gets from one to the other.
  void cut_one_way(const std::string& from, const std::string& to);
  void cut(const std::string& a, const std::string& b);
  void heal(const std::string& a, const std::string& b);
  /// Cuts one machine off from all others, those to come included.
  void isolate(const std::string& address);
  void rejoin(const std::string& address);
  void heal_all();

  /// Resets all connections between the two, or all of one machine.
  void break_connections(const std::string& a, const std::string& b);
  void break_connections(const std::string& address);
  /// The process dies (SIGKILL): its connections and listeners end; the machine stays.
  void kill_process(const std::string& address);
  /// The machine loses power: nobody hears of it. It can be used again after power_on().
  void power_off(const std::string& address);
  void power_on(const std::string& address);

  /// All that a machine sends passes one line of that rate; beside the rate of each connection.
  void set_uplink(const std::string& address, double bytes_per_second);

  void set_break_chance(double chance) { options_.break_chance = chance; }
  std::uint64_t frames_sent() const { return frames_sent_; }
  std::uint64_t connections_made() const { return connections_made_; }

 private:
  friend class SimHost;
  friend class SimConnection;
  friend class SimListener;
  struct ListenerState;

  bool is_cut(const std::string& from, const std::string& to) const;
  Duration draw_delay();
  std::vector<std::shared_ptr<SimLink>> live_links();
  /// After any change of cuts: clocks of silence start or stop, waiters look again.
  void review();
  void silence(const std::string& address);

  Loop& loop_;
  Timer& timer_;
  base::Random random_;
  Options options_;
  std::map<std::string, std::unique_ptr<SimHost>> hosts_;
  std::map<wire::Endpoint, std::shared_ptr<ListenerState>> listeners_;
  std::vector<std::weak_ptr<SimLink>> links_;
  std::set<std::pair<std::string, std::string>> cuts_;
  std::set<std::string> isolated_;
  struct Uplink {
    double bytes_per_second = 0;
    SteadyTime free_at{};
  };
  std::map<std::string, Uplink> uplinks_;
  std::uint64_t frames_sent_ = 0;
  std::uint64_t connections_made_ = 0;
  std::uint16_t next_port_ = 40'000;
};

/// One machine's view of the network.
class SimHost final : public wire::Network {
 public:
  SimHost(SimNetwork& network, std::string address);

  const std::string& address() const { return address_; }
  const PeerId& self() const override { return id_; }
  Task<Result<std::unique_ptr<wire::Connection>>> connect(wire::Endpoint endpoint, PeerId expected,
                                                          Deadline deadline) override;
  /// Shape: the host is this machine's address, or "0.0.0.0".
  Result<std::unique_ptr<wire::Listener>> listen(const wire::Endpoint& endpoint) override;

 private:
  Task<Result<std::unique_ptr<wire::Connection>>> connect_now(wire::Endpoint endpoint,
                                                              PeerId expected);
  SimNetwork& network_;
  const std::string address_;
  const PeerId id_;
};

}  // namespace shoal::test
