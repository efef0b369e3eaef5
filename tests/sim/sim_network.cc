// SPDX-License-Identifier: MIT
#include "tests/sim/sim_network.h"

#include <algorithm>
#include <deque>

#include "base/check.h"
#include "base/hash.h"
#include "wire/limits.h"

namespace shoal::test {
namespace {

using wire::CloseReason;
using wire::Connection;
using wire::Endpoint;
using wire::Frame;
using wire::Listener;
using Connected = Result<std::unique_ptr<Connection>>;

/// What the kernels on both sides hold of one direction.
constexpr std::size_t kPipeBytes = 4 * 1024 * 1024;

std::size_t cost_of(const Frame& frame) {
  return wire::kFrameHeaderBytes + frame.body.size() + frame.payload.size();
}

Task<Result<void>> wait_for(base::Signal& signal) {
  Result<void> waited = co_await signal.wait();
  co_return waited;
}

}  // namespace

/// One side of a connection, with what is on its way to it.
struct SimEnd {
  SimEnd(const Executor& executor, std::string address_)
      : address(std::move(address_)), changed(executor), has_room(executor) {}

  struct Arrival {
    SteadyTime at;
    Frame frame;
  };

  const std::string address;
  std::deque<Arrival> arriving;
  std::size_t arriving_bytes = 0;
  std::optional<SteadyTime> finished_at;  ///< behind all that arrives
  std::optional<SteadyTime> reset_at;     ///< whatever arrives
  bool is_open = true;
  CloseReason reason = CloseReason::local;
  base::Signal changed;   ///< for the receiver
  base::Signal has_room;  ///< in what arrives here, for the other side's sender

  void fail(CloseReason why) {
    if (!is_open) return;
    is_open = false;
    reason = why;
    arriving.clear();
    arriving_bytes = 0;
    changed.set();
    has_room.set();
  }
};

struct SimLink {
  SimLink(const Executor& executor, const std::string& a, const std::string& b)
      : ends{SimEnd(executor, a), SimEnd(executor, b)} {}
  SimEnd ends[2];
  std::optional<SteadyTime> silent_since;

  SimEnd& other(const SimEnd& end) { return &end == &ends[0] ? ends[1] : ends[0]; }
  bool touches(const std::string& address) const {
    return ends[0].address == address || ends[1].address == address;
  }
};

class SimConnection final : public Connection {
 public:
  SimConnection(SimNetwork& network, std::shared_ptr<SimLink> link, SimEnd& mine)
      : network_(network),
        link_(std::move(link)),
        mine_(mine),
        theirs_(link_->other(mine)),
        remote_(SimNetwork::id_of(theirs_.address)) {}
  ~SimConnection() override { close(false); }

  const PeerId& remote() const override { return remote_; }
  std::string remote_address() const override { return theirs_.address; }
  CloseReason close_reason() const override { return mine_.reason; }

  Task<Result<Frame>> receive() override {
    for (;;) {
      mine_.changed.reset();
      check_faults();
      if (!mine_.is_open) co_return ended();
      const SteadyTime now = network_.timer_.clock().steady();
      const bool is_cut = network_.is_cut(theirs_.address, mine_.address);
      if (!is_cut && !mine_.arriving.empty() && mine_.arriving.front().at <= now) {
        co_return take();
      }
      if (!is_cut && mine_.arriving.empty() && mine_.finished_at && *mine_.finished_at <= now) {
        mine_.fail(CloseReason::finished);
        continue;
      }
      Result<void> waited = co_await wait(mine_.changed, next_event(is_cut));
      if (!waited) co_return pass(std::move(waited));
    }
  }

  Task<Result<void>> send(Frame frame) override {
    CHECK(frame.body.size() <= wire::kMaxBodyBytes &&
          frame.payload.size() <= wire::kMaxPayloadBytes);
    for (;;) {
      theirs_.has_room.reset();
      check_faults();
      if (!mine_.is_open) co_return ended();
      if (theirs_.arriving_bytes < kPipeBytes || !theirs_.is_open) break;
      Result<void> waited = co_await wait(theirs_.has_room, next_event(true));
      if (!waited) co_return waited;
    }
    ++network_.frames_sent_;
    if (network_.random_.chance(network_.options_.break_chance)) {
      close_with(CloseReason::failed, true);
      co_return ended();
    }
    if (!theirs_.is_open) {  // what it gets is answered by a reset
      const SteadyTime now = network_.timer_.clock().steady();
      if (!mine_.reset_at) mine_.reset_at = now + network_.draw_delay();
      mine_.changed.set();
      co_return base::ok();
    }
    const std::size_t cost = cost_of(frame);
    theirs_.arriving.push_back({arrival_time(cost), std::move(frame)});
    theirs_.arriving_bytes += cost;
    theirs_.changed.set();
    co_return base::ok();
  }

  void close(bool abruptly) override { close_with(CloseReason::local, abruptly); }

 private:
  std::unexpected<Error> ended() const {
    return fail(Errc::unreachable, "the connection to {} is over", theirs_.address);
  }

  Frame take() {
    Frame frame = std::move(mine_.arriving.front().frame);
    mine_.arriving.pop_front();
    mine_.arriving_bytes -= cost_of(frame);
    mine_.has_room.set();
    return frame;
  }

  SteadyTime arrival_time(std::size_t cost) {
    const double seconds = static_cast<double>(cost) / network_.options_.bytes_per_second;
    const auto transfer = Duration(static_cast<std::int64_t>(seconds * 1e9));
    SteadyTime at = network_.timer_.clock().steady();
    const auto uplink = network_.uplinks_.find(mine_.address);
    if (uplink != network_.uplinks_.end()) {
      const double span = static_cast<double>(cost) / uplink->second.bytes_per_second;
      at = std::max(at, uplink->second.free_at) + Duration(static_cast<std::int64_t>(span * 1e9));
      uplink->second.free_at = at;
    }
    at += network_.draw_delay();
    if (!theirs_.arriving.empty()) at = std::max(at, theirs_.arriving.back().at);
    return at + transfer;
  }

  /// Silence and resets that have come to an end by now.
  void check_faults() {
    if (!mine_.is_open) return;
    const SteadyTime now = network_.timer_.clock().steady();
    const bool is_reset = mine_.reset_at && *mine_.reset_at <= now;
    const bool is_silent =
        link_->silent_since && *link_->silent_since + SimNetwork::kSilence <= now;
    if (is_reset || is_silent) mine_.fail(CloseReason::failed);
  }

  SteadyTime next_event(bool is_cut) const {
    SteadyTime next = SteadyTime::max();
    if (!is_cut && !mine_.arriving.empty()) next = std::min(next, mine_.arriving.front().at);
    if (!is_cut && mine_.arriving.empty() && mine_.finished_at) {
      next = std::min(next, *mine_.finished_at);
    }
    if (mine_.reset_at) next = std::min(next, *mine_.reset_at);
    if (link_->silent_since) next = std::min(next, *link_->silent_since + SimNetwork::kSilence);
    return next;
  }

  Task<Result<void>> wait(base::Signal& signal, SteadyTime until) {
    Result<void> waited =
        co_await base::with_deadline(network_.timer_, Deadline{until}, wait_for(signal));
    if (!waited && waited.error().code() == Errc::timed_out) co_return base::ok();
    co_return waited;
  }

  void close_with(CloseReason reason, bool abruptly) {
    if (!mine_.is_open) return;
    const bool is_reset = abruptly || !mine_.arriving.empty();
    mine_.fail(reason);
    const SteadyTime at = arrival_time(0);
    if (!is_reset) {
      theirs_.finished_at = at;
    } else if (!network_.is_cut(mine_.address, theirs_.address)) {
      theirs_.reset_at = at;  // a reset that is lost is not sent again
    }
    theirs_.changed.set();
  }

  SimNetwork& network_;
  const std::shared_ptr<SimLink> link_;
  SimEnd& mine_;
  SimEnd& theirs_;
  const PeerId remote_;
};

struct SimNetwork::ListenerState {
  ListenerState(const Executor& executor, Endpoint local_)
      : local(std::move(local_)), changed(executor) {}
  const Endpoint local;
  std::deque<std::unique_ptr<Connection>> ready;
  bool is_open = true;
  base::Signal changed;
};

class SimListener final : public Listener {
 public:
  SimListener(SimNetwork& network, std::shared_ptr<SimNetwork::ListenerState> state)
      : network_(network), state_(std::move(state)) {}
  ~SimListener() override { close(); }

  Task<Connected> accept() override {
    const auto state = state_;
    for (;;) {
      state->changed.reset();
      if (!state->is_open) co_return fail(Errc::canceled, "the listener is closed");
      if (!state->ready.empty()) {
        std::unique_ptr<Connection> connection = std::move(state->ready.front());
        state->ready.pop_front();
        co_return connection;
      }
      Result<void> waited = co_await state->changed.wait();
      if (!waited) co_return pass(std::move(waited));
    }
  }

  Endpoint local() const override { return state_->local; }

  void close() override {
    if (!state_->is_open) return;
    state_->is_open = false;
    state_->ready.clear();
    state_->changed.set();
    network_.listeners_.erase(state_->local);
  }

 private:
  SimNetwork& network_;
  const std::shared_ptr<SimNetwork::ListenerState> state_;
};

SimNetwork::SimNetwork(Loop& loop, Timer& timer, std::uint64_t seed, Options options)
    : loop_(loop), timer_(timer), random_(seed), options_(options) {}

SimNetwork::~SimNetwork() = default;

PeerId SimNetwork::id_of(const std::string& address) {
  return PeerId{base::sha256(as_bytes(address))};
}

SimHost& SimNetwork::host(const std::string& address) {
  std::unique_ptr<SimHost>& place = hosts_[address];
  if (!place) place = std::make_unique<SimHost>(*this, address);
  return *place;
}

bool SimNetwork::is_cut(const std::string& from, const std::string& to) const {
  if (from == to) return false;
  return cuts_.contains({from, to}) || isolated_.contains(from) || isolated_.contains(to);
}

Duration SimNetwork::draw_delay() {
  const Duration range = options_.delay_max - options_.delay_min;
  const auto extra = random_.below(static_cast<std::uint64_t>(range.count()) + 1);
  return options_.delay_min + Duration(static_cast<std::int64_t>(extra));
}

std::vector<std::shared_ptr<SimLink>> SimNetwork::live_links() {
  std::vector<std::shared_ptr<SimLink>> live;
  std::erase_if(links_, [](const auto& link) { return link.expired(); });
  for (const auto& weak : links_) live.push_back(weak.lock());
  return live;
}

void SimNetwork::review() {
  const SteadyTime now = timer_.clock().steady();
  for (const auto& link : live_links()) {
    SimEnd& a = link->ends[0];
    SimEnd& b = link->ends[1];
    const bool is_silent = is_cut(a.address, b.address) || is_cut(b.address, a.address);
    if (is_silent && !link->silent_since) link->silent_since = now;
    const bool is_over = link->silent_since && *link->silent_since + kSilence <= now;
    if (!is_silent && !is_over && link->silent_since) {
      link->silent_since.reset();
      // What was held back is sent again, in order.
      for (SimEnd* const end : {&a, &b}) {
        const SteadyTime earliest = now + draw_delay();
        for (auto& arrival : end->arriving) arrival.at = std::max(arrival.at, earliest);
        if (end->finished_at) end->finished_at = std::max(*end->finished_at, earliest);
      }
    }
    for (SimEnd* const end : {&a, &b}) {
      end->changed.set();
      end->has_room.set();
    }
  }
}

void SimNetwork::cut_one_way(const std::string& from, const std::string& to) {
  cuts_.insert({from, to});
  review();
}

void SimNetwork::cut(const std::string& a, const std::string& b) {
  cuts_.insert({a, b});
  cuts_.insert({b, a});
  review();
}

void SimNetwork::heal(const std::string& a, const std::string& b) {
  cuts_.erase({a, b});
  cuts_.erase({b, a});
  review();
}

void SimNetwork::isolate(const std::string& address) {
  isolated_.insert(address);
  review();
}

void SimNetwork::rejoin(const std::string& address) {
  isolated_.erase(address);
  review();
}

void SimNetwork::set_uplink(const std::string& address, double bytes_per_second) {
  uplinks_[address].bytes_per_second = bytes_per_second;
}

void SimNetwork::heal_all() {
  cuts_.clear();
  isolated_.clear();
  review();
}

void SimNetwork::break_connections(const std::string& a, const std::string& b) {
  for (const auto& link : live_links()) {
    if (!link->touches(a) || !link->touches(b)) continue;
    for (SimEnd& end : link->ends) end.fail(CloseReason::failed);
  }
}

void SimNetwork::break_connections(const std::string& address) {
  for (const auto& link : live_links()) {
    if (!link->touches(address)) continue;
    for (SimEnd& end : link->ends) end.fail(CloseReason::failed);
  }
}

void SimNetwork::silence(const std::string& address) {
  for (auto place = listeners_.begin(); place != listeners_.end();) {
    const auto& [endpoint, state] = *place;
    if (endpoint.host == address) {
      state->is_open = false;
      state->ready.clear();
      state->changed.set();
      place = listeners_.erase(place);
    } else {
      ++place;
    }
  }
}

void SimNetwork::kill_process(const std::string& address) {
  for (const auto& link : live_links()) {
    for (SimEnd& end : link->ends) {
      if (end.address != address || !end.is_open) continue;
      SimEnd& other = link->other(end);
      SteadyTime at = timer_.clock().steady() + draw_delay();
      if (!other.arriving.empty()) at = std::max(at, other.arriving.back().at);
      const bool is_reset = !end.arriving.empty();
      if (!is_reset) {
        other.finished_at = at;
      } else if (!is_cut(address, other.address)) {
        other.reset_at = at;
      }
      end.fail(CloseReason::failed);
      other.changed.set();
    }
  }
  silence(address);
}

void SimNetwork::power_off(const std::string& address) {
  isolate(address);
  for (const auto& link : live_links()) {
    for (SimEnd& end : link->ends) {
      if (end.address == address) end.fail(CloseReason::failed);
    }
  }
  silence(address);
}

void SimNetwork::power_on(const std::string& address) {
  // The new system knows nothing of old connections and answers with resets.
  const SteadyTime now = timer_.clock().steady();
  for (const auto& link : live_links()) {
    for (SimEnd& end : link->ends) {
      if (end.address == address && !link->other(end).reset_at) {
        link->other(end).reset_at = now + draw_delay();
      }
    }
  }
  rejoin(address);
}

SimHost::SimHost(SimNetwork& network, std::string address)
    : network_(network), address_(std::move(address)), id_(SimNetwork::id_of(address_)) {}

Result<std::unique_ptr<Listener>> SimHost::listen(const Endpoint& endpoint) {
  if (endpoint.host != address_ && endpoint.host != "0.0.0.0") {
    return fail(Errc::invalid, "{} is not an address of {}", endpoint.host, address_);
  }
  Endpoint local{address_, endpoint.port};
  if (local.port == 0) local.port = network_.next_port_++;
  if (network_.listeners_.contains(local)) {
    return fail(Errc::busy, "{} is in use", local.text());
  }
  auto state = std::make_shared<SimNetwork::ListenerState>(network_.loop_.get_executor(), local);
  network_.listeners_[local] = state;
  return std::make_unique<SimListener>(network_, std::move(state));
}

Task<Connected> SimHost::connect(Endpoint endpoint, PeerId expected, Deadline deadline) {
  auto connected = co_await base::with_deadline(network_.timer_, deadline,
                                                connect_now(std::move(endpoint), expected));
  co_return connected;
}

Task<Connected> SimHost::connect_now(Endpoint endpoint, PeerId expected) {
  // There and back: the first packets are sent again until they get through.
  for (int trip = 0; trip < 2; ++trip) {
    Result<void> waited = co_await network_.timer_.wait_for(network_.draw_delay());
    while (waited &&
           (network_.is_cut(address_, endpoint.host) || network_.is_cut(endpoint.host, address_))) {
      waited = co_await network_.timer_.wait_for(std::chrono::milliseconds(200));
    }
    if (!waited) co_return pass(std::move(waited));
  }
  const auto found = network_.listeners_.find(endpoint);
  if (found == network_.listeners_.end()) {
    co_return fail(Errc::unreachable, "nobody listens on {}", endpoint.text());
  }
  if (expected && expected != SimNetwork::id_of(endpoint.host)) {
    co_return fail(Errc::unauthenticated, "{} is not {}", endpoint.text(), expected.short_hex());
  }
  const auto link =
      std::make_shared<SimLink>(network_.loop_.get_executor(), address_, endpoint.host);
  network_.links_.push_back(link);
  ++network_.connections_made_;
  found->second->ready.push_back(std::make_unique<SimConnection>(network_, link, link->ends[1]));
  found->second->changed.set();
  co_return std::make_unique<SimConnection>(network_, link, link->ends[0]);
}

}  // namespace shoal::test
