// SPDX-License-Identifier: MIT
#include "peerd/peer_daemon.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/version.h"
#include "peerd/addresses.h"
#include "peerd/limits.h"
#include "wire/limits.h"

namespace shoal::peerd {
namespace {

// How long the last announcements may take when the daemon ends.
constexpr std::chrono::seconds kGoodbyeTime{2};

}  // namespace

PeerDaemon::PeerDaemon(Environment environment, Options options)
    : environment_(environment),
      options_(std::move(options)),
      server_(environment.loop.get_executor(), environment.timer, environment.pool,
              environment.store, members_, options_.upload_rate),
      swarm_(environment.loop.get_executor(), environment.network, environment.timer, members_,
             router_),
      group_(environment.loop.get_executor()) {
  server_.register_on(router_);
  base::gauge("shoal_upload_limit_bytes").set(static_cast<std::int64_t>(options_.upload_rate));
  base::gauge("shoal_download_limit_bytes").set(static_cast<std::int64_t>(options_.download_rate));
}

PeerDaemon::~PeerDaemon() = default;

Result<void> PeerDaemon::open() {
  if (!options_.members_file.empty()) {
    auto loaded = load_members(options_.members_file, members_);
    if (!loaded) {
      base::log_warning("the kept list of members is not used: {}", loaded.error().message());
    }
  }
  auto local = swarm_.listen(options_.listen);
  if (!local) return pass(local);
  endpoints_ = options_.advertise.empty() ? reachable_at(*local) : options_.advertise;

  const Executor executor = environment_.loop.get_executor();
  Timer& timer = environment_.timer;
  Pool& pool = environment_.pool;
  cache::BlobStore& store = environment_.store;
  const PeerId self = environment_.network.self();
  wire::TrackerClient::Options client{options_.tracker, options_.tracker_id, options_.name,
                                      endpoints_,       options_.swarm,      options_.jitter_seed};
  client_ = std::make_unique<wire::TrackerClient>(executor, environment_.network, timer, *this,
                                                  std::move(client));
  tracker_ = std::make_unique<SessionTracker>(*client_);
  announcer_ = std::make_unique<Announcer>(executor, timer, pool, store, *tracker_);
  evictor_ = std::make_unique<Evictor>(executor, timer, pool, store, *announcer_, *tracker_);
  Fetcher::Hooks hooks;
  hooks.on_stored = [this](const std::shared_ptr<cache::Blob>& blob, cache::BlobState state) {
    announcer_->stored(blob, state);
  };
  hooks.make_room = [this](std::uint64_t bytes) { return evictor_->make_room(bytes); };
  fetcher_ = std::make_unique<Fetcher>(
      Fetcher::Environment{executor, timer, pool, store, *tracker_, swarm_, members_, self,
                           options_.download_rate},
      std::move(hooks));
  replicator_ =
      std::make_unique<Replicator>(executor, timer, pool, store, *fetcher_, *announcer_, *tracker_);
  announcer_->on_unwanted = [this](std::vector<wire::ContentRef> contents) {
    replicator_->drop_unwanted(std::move(contents));
  };
  server_.on_absent = [this](const wire::ContentRef& content) { announcer_->dropped(content); };
  base::log_info("serving peers at {} members={} blobs={}", local->text(), members_.size(),
                 store.usage().blobs);
  return {};
}

void PeerDaemon::serve_control(std::unique_ptr<wire::Listener> listener) {
  Control::Hooks hooks;
  hooks.status = [this] { return status(); };
  hooks.unmount = [this](bool lazy) { return unmount(lazy); };
  hooks.settle = [this] { return settle(); };
  control_ = std::make_unique<Control>(
      Control::Environment{environment_.loop.get_executor(), environment_.timer, environment_.pool,
                           environment_.store, *fetcher_, *client_},
      std::move(hooks));
  control_->serve(std::move(listener));
}

Task<Result<void>> PeerDaemon::connect(Deadline deadline) {
  auto started = co_await client_->start(deadline);
  co_return started;
}

Task<Result<void>> PeerDaemon::unmount(bool lazy) {
  if (mount_ == nullptr) co_return base::ok();
  auto unmounted = co_await mount_->unmount(lazy);
  co_return unmounted;
}

Task<void> PeerDaemon::stop(bool abruptly) {
  if (control_) co_await control_->stop();
  if (client_ && client_->is_connected() && !abruptly) {
    const Deadline deadline = Deadline::after(environment_.timer.clock(), kGoodbyeTime);
    auto settled = co_await announcer_->settle(deadline);
    if (!settled) base::log_debug("not all was announced: {}", settled.error().message());
  }
  if (replicator_) co_await replicator_->stop();
  if (fetcher_) co_await fetcher_->stop();
  if (evictor_) co_await evictor_->stop();
  if (announcer_) co_await announcer_->stop();
  co_await swarm_.stop();
  if (client_) co_await client_->stop(abruptly);
  co_await group_.stop();
}

Task<void> PeerDaemon::settle() {
  if (mount_ == nullptr) co_return;
  const Result<void> settled =
      co_await mount_->settle(Deadline::after(environment_.timer.clock(), kSettleTime));
  if (!settled) base::log_debug("not all is sent yet reason=\"{}\"", settled.error().message());
}

wire::PeerStatusReply PeerDaemon::status() {
  wire::PeerStatusReply reply;
  reply.peer = environment_.network.self();
  reply.name = options_.name;
  reply.swarm_name = options_.swarm_name;
  if (mount_ != nullptr && mount_->is_mounted()) {
    reply.mount_point = mount_->mount_point();
    reply.mode = mount_->mode();
  }
  reply.hasher = options_.hasher;
  reply.version = std::string(base::version_line());
  reply.tracker_connected = client_ && client_->is_connected();
  reply.endpoints = endpoints_;
  reply.capacity = capacity();
  for (const auto& [name, value] : base::metrics_snapshot()) {
    reply.metric_names.push_back(name);
    reply.metric_values.push_back(value);
  }
  return reply;
}

Task<Result<wire::InvalidateReply>> PeerDaemon::invalidate(wire::Invalidate event) {
  if (mount_ == nullptr) co_return wire::InvalidateReply{};
  auto reply = co_await mount_->invalidate(std::move(event));
  co_return reply;
}

Task<Result<wire::RecallReply>> PeerDaemon::recall(wire::Recall event) {
  if (mount_ == nullptr) co_return wire::RecallReply{};
  auto reply = co_await mount_->recall(std::move(event));
  co_return reply;
}

Task<Result<wire::Empty>> PeerDaemon::copy_orders(wire::CopyOrders orders) {
  replicator_->copy(std::move(orders.orders));
  co_return wire::Empty{};
}

Task<Result<wire::Empty>> PeerDaemon::release_orders(wire::ReleaseOrders orders) {
  replicator_->release(std::move(orders.orders));
  co_return wire::Empty{};
}

void PeerDaemon::members(wire::Members members) {
  const bool is_changed = members_.replace(std::move(members.members));
  swarm_.members_changed();
  if (!is_changed || options_.members_file.empty()) return;
  has_new_members_ = true;
  if (is_keeping_ || group_.is_stopping()) return;
  is_keeping_ = true;
  spawn(group_, keep_members());
}

Task<void> PeerDaemon::keep_members() {
  while (has_new_members_) {
    has_new_members_ = false;
    auto write = [path = options_.members_file, bytes = members_.format()] {
      return save_members(path, bytes);
    };
    auto saved = co_await environment_.pool.run(std::move(write));
    if (!saved) base::log_warning("keeping the members failed: {}", saved.error().message());
  }
  is_keeping_ = false;
}

wire::Capacity PeerDaemon::capacity() {
  const cache::StoreUsage usage = environment_.store.usage();
  return {usage.ceiling_bytes, usage.available_bytes, usage.bytes, usage.blobs};
}

std::vector<wire::LockClaim> PeerDaemon::lock_claims() {
  return mount_ != nullptr ? mount_->lock_claims() : std::vector<wire::LockClaim>();
}

std::vector<wire::Reclaim> PeerDaemon::reclaims() {
  return mount_ != nullptr ? mount_->reclaims() : std::vector<wire::Reclaim>();
}

void PeerDaemon::caches_void(bool session_lost) {
  if (mount_ != nullptr) mount_->caches_void(session_lost);
}

void PeerDaemon::connected() {
  announcer_->announce_all();
  if (mount_ != nullptr) mount_->connected();
}

}  // namespace shoal::peerd
