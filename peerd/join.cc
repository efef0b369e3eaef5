// SPDX-License-Identifier: MIT
#include "peerd/join.h"

#include <unistd.h>

#include <optional>

#include "base/check.h"
#include "base/file.h"
#include "wire/rpc.h"

namespace shoal::peerd {
namespace {

constexpr std::chrono::seconds kJoinTime{20};
constexpr std::uint64_t kAnySize = 1 << 20;

std::string machine_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "peer";
  return name;
}

Task<void> serve(std::shared_ptr<wire::RpcChannel> channel) {
  const wire::CloseReason reason = co_await channel->run();
  static_cast<void>(reason);
}

/// Asks, and keeps the answer where the caller looks for it.
Task<void> ask(base::Executor executor, wire::Network& network, Timer& timer,
               wire::Invitation invitation, std::string name,
               std::optional<Result<wire::JoinReply>>* place) {
  const Deadline deadline = Deadline::after(timer.clock(), kJoinTime);
  auto reply = co_await spend_invitation(executor, network, timer, std::move(invitation),
                                         std::move(name), deadline);
  place->emplace(std::move(reply));
}

}  // namespace

Task<Result<wire::JoinReply>> spend_invitation(base::Executor executor, wire::Network& network,
                                               Timer& timer, wire::Invitation invitation,
                                               std::string name, Deadline deadline) {
  auto connection = co_await network.connect(invitation.tracker, invitation.tracker_id, deadline);
  if (!connection) {
    co_return std::unexpected(
        connection.error().with("reaching the tracker at " + invitation.tracker.text()));
  }
  const wire::RpcRouter router;
  TaskGroup group(executor);
  const auto channel =
      std::make_shared<wire::RpcChannel>(executor, timer, std::move(*connection), router);
  spawn(group, serve(channel));
  wire::Join request{std::move(invitation.secret), std::move(name)};
  auto reply = co_await channel->call(std::move(request), deadline);
  channel->close();
  co_await group.stop();
  co_return reply;
}

Result<Settings> join_swarm(const wire::Invitation& invitation, const JoinOptions& options) {
  const std::string path = options.dir + "/peerd.toml";
  if (base::read_whole(path, kAnySize)) {
    return fail(Errc::exists, "{} has joined a swarm already: use another --dir, or start it",
                options.dir);
  }
  auto folder = base::make_folders(options.dir);
  if (!folder) return pass(folder);
  auto identity = wire::Identity::load_or_create(options.dir + "/identity.pem");
  if (!identity) return pass(identity);

  Settings settings;
  settings.name = options.name.empty() ? machine_name() : options.name;
  settings.listen = options.listen;
  settings.tracker = invitation.tracker;
  settings.tracker_id = invitation.tracker_id;

  base::Loop loop;
  const auto timer = base::make_system_timer();
  std::optional<Result<wire::JoinReply>> reply;
  {
    const auto network = wire::make_tls_network(loop, *timer, *identity);
    base::run_until_done(
        loop, ask(loop.get_executor(), *network, *timer, invitation, settings.name, &reply));
  }
  CHECK(reply.has_value(), "the task has ended");
  if (!*reply) return pass(std::move(*reply));
  settings.swarm = (*reply)->swarm;
  settings.swarm_name = (*reply)->swarm_name;
  auto written = base::write_whole(path, format_settings(settings));
  if (!written) return pass(written);
  return settings;
}

}  // namespace shoal::peerd
