// SPDX-License-Identifier: MIT
#include "tests/sim/sim_tracker.h"

#include "base/check.h"

namespace shoal::test {
namespace {

constexpr std::uint16_t kPort = 7411;
constexpr std::uint16_t kControlPort = 7412;
constexpr std::chrono::seconds kAskTime{60};

Task<Result<tracker::Service::Paths>> find_nothing(wire::Find) {
  co_return tracker::Service::Paths{};
}

Task<void> serve(std::shared_ptr<wire::RpcChannel> channel) {
  const wire::CloseReason reason = co_await channel->run();
  static_cast<void>(reason);
}

}  // namespace

SimTracker::SimTracker(base::Loop& loop, Timer& timer, SimNetwork& network, std::string address,
                       tracker::CoreOptions options)
    : loop_(loop),
      timer_(timer),
      network_(network),
      address_(std::move(address)),
      options_(std::move(options)),
      store_(Bytes(16, std::byte{7}), "sim") {
  options_.endpoint = endpoint();
  options_.tracker_id = SimNetwork::id_of(address_);
}

SimTracker::~SimTracker() { CHECK(core_ == nullptr, "the tracker runs"); }

wire::Endpoint SimTracker::endpoint() const { return {address_, kPort}; }

void SimTracker::start() {
  const tracker::Moment now{timer_.clock().steady(), timer_.clock().wall()};
  auto core = tracker::Core::start(store_, options_, now);
  CHECK(core.has_value(), "{}", core.error().message());
  core_ = std::move(*core);
  service_ = std::make_unique<tracker::Service>(
      loop_.get_executor(), timer_,
      [this](tracker::Input input) { driver_->submit(std::move(input)); }, find_nothing);
  driver_ = tracker::make_inline_driver(
      loop_.get_executor(), timer_, *core_,
      [this](std::vector<tracker::Output> outputs) { service_->deliver(std::move(outputs)); });
  SimHost& host = network_.host(address_);
  auto listener = host.listen(endpoint());
  auto control = host.listen({address_, kControlPort});
  CHECK(listener && control, "the tracker cannot listen");
  service_->serve(std::move(*listener), false);
  service_->serve(std::move(*control), true);
}

Task<void> SimTracker::kill() {
  network_.kill_process(address_);
  co_await service_->stop();
  co_await driver_->stop();
  service_.reset();
  driver_.reset();
  core_.reset();
}

template <class Request>
Task<Result<typename Request::Reply>> SimTracker::ask(Request request) {
  const Deadline deadline = Deadline::after(timer_.clock(), kAskTime);
  SimHost& console = network_.host("10.255.255.1");
  auto connection =
      co_await console.connect({address_, kControlPort}, SimNetwork::id_of(address_), deadline);
  if (!connection) co_return pass(connection);
  const wire::RpcRouter router;
  TaskGroup group(loop_.get_executor());
  const auto channel = std::make_shared<wire::RpcChannel>(loop_.get_executor(), timer_,
                                                          std::move(*connection), router);
  spawn(group, serve(channel));
  auto reply = co_await channel->call(std::move(request), deadline);
  channel->close();
  co_await group.stop();
  co_return reply;
}

Task<Result<wire::Invitation>> SimTracker::invite() {
  wire::Invite request;
  request.valid_nanoseconds = 3'600'000'000'000;
  auto reply = co_await ask(request);
  if (!reply) co_return pass(reply);
  co_return std::move(reply->invitation);
}

Task<Result<wire::StatusReply>> SimTracker::status() {
  auto reply = co_await ask(wire::Status{});
  co_return reply;
}

}  // namespace shoal::test
