// SPDX-License-Identifier: MIT
#include "peerd/swarm.h"

#include <algorithm>

#include "base/log.h"
#include "base/metrics.h"
#include "peerd/limits.h"

namespace shoal::peerd {

struct Swarm::Link {
  PeerId peer;
  bool is_outgoing = false;
  SteadyTime last_used{};
  std::shared_ptr<wire::RpcChannel> channel;
};

/// An attempt to reach a peer, and what came of the last one.
struct Swarm::Dial {
  explicit Dial(Executor executor) : ended(std::move(executor)) {}
  bool is_under_way = false;
  base::Signal ended;
  int failures = 0;
  SteadyTime retry_at{};
  std::optional<Error> error;
};

Swarm::Swarm(Executor executor, wire::Network& network, Timer& timer, const Members& members,
             const wire::RpcRouter& router)
    : executor_(executor),
      network_(network),
      timer_(timer),
      members_(members),
      router_(router),
      group_(executor) {
  spawn(group_, sweep());
}

Swarm::~Swarm() = default;

Result<wire::Endpoint> Swarm::listen(const wire::Endpoint& endpoint) {
  auto listener = network_.listen(endpoint);
  if (!listener) return pass(std::move(listener));
  listener_ = std::move(*listener);
  spawn(group_, accept());
  return listener_->local();
}

Task<Result<wire::WithPayload<wire::ReadBlocksReply>>> Swarm::read_blocks(
    PeerId peer, std::vector<wire::Endpoint> endpoints, wire::ReadBlocks request,
    Deadline deadline) {
  auto channel = co_await channel_to(peer, std::move(endpoints), deadline);
  if (!channel) co_return pass(channel);
  const std::shared_ptr<wire::RpcChannel> open = *channel;
  auto reply = co_await open->call_with_payload(std::move(request), deadline);
  co_return reply;
}

Task<Result<wire::ChunkMapReply>> Swarm::chunk_map(PeerId peer,
                                                   std::vector<wire::Endpoint> endpoints,
                                                   wire::ChunkMap request, Deadline deadline) {
  auto channel = co_await channel_to(peer, std::move(endpoints), deadline);
  if (!channel) co_return pass(channel);
  const std::shared_ptr<wire::RpcChannel> open = *channel;
  auto reply = co_await open->call(std::move(request), deadline);
  co_return reply;
}

void Swarm::hang_up(const PeerId& peer) {
  for (Link& link : links_) {
    if (link.peer == peer) link.channel->close(true);
  }
}

void Swarm::members_changed() {
  for (Link& link : links_) {
    if (!members_.contains(link.peer)) link.channel->close(true);
  }
  std::erase_if(dials_, [this](const auto& entry) {
    if (entry.second->is_under_way) return false;
    const wire::Member* member = members_.find(entry.first);
    return member == nullptr || member->online;
  });
}

std::shared_ptr<wire::RpcChannel> Swarm::open_channel(const PeerId& peer) {
  for (Link& link : links_) {
    if (link.peer == peer && link.channel->is_open()) {
      link.last_used = timer_.clock().steady();
      return link.channel;
    }
  }
  return nullptr;
}

Task<Result<std::shared_ptr<wire::RpcChannel>>> Swarm::channel_to(
    PeerId peer, std::vector<wire::Endpoint> endpoints, Deadline deadline) {
  if (auto open = open_channel(peer)) co_return open;
  std::shared_ptr<Dial>& entry = dials_[peer];
  if (!entry) entry = std::make_shared<Dial>(executor_);
  const std::shared_ptr<Dial> attempt = entry;
  if (!attempt->is_under_way) {
    if (timer_.clock().steady() < attempt->retry_at && attempt->error) {
      co_return std::unexpected(*attempt->error);
    }
    if (const wire::Member* member = members_.find(peer)) {
      if (!member->endpoints.empty()) endpoints = member->endpoints;
    }
    if (endpoints.empty()) {
      co_return fail(Errc::unreachable, "nobody knows an address of peer {}",
                     members_.name_of(peer));
    }
    if (!make_room()) co_return fail(Errc::busy, "{} connections are in use", links_.size());
    attempt->is_under_way = true;
    attempt->ended.reset();
    spawn(group_, dial(peer, std::move(endpoints)));
  }
  auto ended = co_await base::with_deadline(timer_, deadline, attempt->ended.wait());
  if (!ended) co_return pass(ended);
  if (auto open = open_channel(peer)) co_return open;
  if (attempt->error) co_return std::unexpected(*attempt->error);
  co_return fail(Errc::unreachable, "peer {} closed the connection", members_.name_of(peer));
}

Task<Result<std::unique_ptr<wire::Connection>>> Swarm::connect_any(
    PeerId peer, std::vector<wire::Endpoint> endpoints) {
  std::optional<Error> error;
  for (const wire::Endpoint& endpoint : endpoints) {
    const Deadline limit = Deadline::after(timer_.clock(), kDialTime);
    auto connection = co_await network_.connect(endpoint, peer, limit);
    if (connection) co_return std::move(*connection);
    if (connection.error().code() == Errc::canceled) co_return pass(connection);
    error = connection.error().with(
        fmt::format("connecting to peer {} at {}", members_.name_of(peer), endpoint.text()));
  }
  co_return std::unexpected(std::move(*error));
}

Task<void> Swarm::dial(PeerId peer, std::vector<wire::Endpoint> endpoints) {
  const std::shared_ptr<Dial> attempt = dials_.at(peer);
  auto connection = co_await connect_any(peer, std::move(endpoints));
  attempt->is_under_way = false;
  if (!connection) {
    static base::Counter& failed = base::counter("shoal_peer_dial_failures_total");
    failed.add();
    base::log_debug("{}", connection.error().message());
    const int doublings = std::min(attempt->failures++, 10);
    const Duration pause = std::min<Duration>(kDialBackoffMin * (1 << doublings), kDialBackoffMax);
    attempt->retry_at = timer_.clock().steady() + pause;
    // Whatever went wrong, the peer cannot be reached: a time-out here is none of a request's.
    attempt->error = Error(Errc::unreachable, connection.error().context());
    attempt->ended.set();
    co_return;
  }
  attempt->failures = 0;
  attempt->error.reset();
  attempt->retry_at = {};
  start_link(std::move(*connection), true);
  attempt->ended.set();
}

Task<void> Swarm::accept() {
  static base::Counter& refused = base::counter("shoal_peer_strangers_refused_total");
  for (;;) {
    auto connection = co_await listener_->accept();
    if (!connection) {
      if (connection.error().code() != Errc::busy) co_return;
      auto waited = co_await timer_.wait_for(std::chrono::milliseconds(100));
      if (!waited) co_return;
      continue;
    }
    const PeerId remote = (*connection)->remote();
    const auto same = std::count_if(links_.begin(), links_.end(), [&remote](const Link& link) {
      return link.peer == remote && !link.is_outgoing;
    });
    const bool is_welcome = members_.contains(remote) && remote != network_.self() &&
                            static_cast<std::size_t>(same) < kMaxLinksPerPeer;
    if (!is_welcome || !make_room()) {
      refused.add();
      base::log_debug("refused a connection peer={} address={}", remote.short_hex(),
                      (*connection)->remote_address());
      (*connection)->close(true);
      continue;
    }
    start_link(std::move(*connection), false);
  }
}

void Swarm::start_link(std::unique_ptr<wire::Connection> connection, bool is_outgoing) {
  if (group_.is_stopping()) return;
  const PeerId peer = connection->remote();
  auto channel =
      std::make_shared<wire::RpcChannel>(executor_, timer_, std::move(connection), router_);
  links_.push_front({peer, is_outgoing, timer_.clock().steady(), std::move(channel)});
  spawn(group_, run_link(links_.begin()));
}

Task<void> Swarm::run_link(std::list<Link>::iterator place) {
  static base::Gauge& open = base::gauge("shoal_peer_links");
  // Callers share the channel: it may outlive its place in the list.
  const std::shared_ptr<wire::RpcChannel> channel = place->channel;
  const PeerId peer = place->peer;
  open.add(1);
  const wire::CloseReason reason = co_await channel->run();
  open.add(-1);
  links_.erase(place);
  base::log_debug("connection ended peer={} how={}", members_.name_of(peer),
                  reason == wire::CloseReason::local      ? "closed here"
                  : reason == wire::CloseReason::finished ? "closed there"
                                                          : "failed");
}

bool Swarm::make_room() {
  if (links_.size() < kMaxLinks) return true;
  Link* oldest = nullptr;
  for (Link& link : links_) {
    if (!link.channel->is_open() || link.channel->requests_in_flight() > 0) continue;
    if (oldest == nullptr || link.last_used < oldest->last_used) oldest = &link;
  }
  if (oldest == nullptr) return false;
  oldest->channel->close();
  return links_.size() < 2 * kMaxLinks;  // the closed ones leave the list a little later
}

Task<void> Swarm::sweep() {
  for (;;) {
    auto waited = co_await timer_.wait_for(kIdleLinkTime / 4);
    if (!waited) co_return;
    const SteadyTime now = timer_.clock().steady();
    for (Link& link : links_) {
      if (link.channel->requests_in_flight() > 0) link.last_used = now;
      // The other side may just be about to ask: the one that made the link closes it first.
      const Duration limit = link.is_outgoing ? kIdleLinkTime : 2 * kIdleLinkTime;
      if (now - link.last_used > limit) link.channel->close();
    }
  }
}

Task<void> Swarm::stop() {
  if (listener_) listener_->close();
  for (Link& link : links_) link.channel->close();
  co_await group_.stop();
}

}  // namespace shoal::peerd
