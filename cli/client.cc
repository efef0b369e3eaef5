// SPDX-License-Identifier: MIT
#include "cli/client.h"

#include <algorithm>
#include <deque>
#include <optional>

#include "base/task.h"
#include "wire/rpc.h"
#include "wire/transport.h"

namespace shoal::cli {
namespace {

constexpr std::chrono::seconds kConnectTime{2};
/// Longer than a daemon waits for the tracker, so that it can say so.
constexpr std::chrono::seconds kAnswerTime{20};
/// A search looks at every name of the swarm; unmounting publishes what is unsent.
constexpr std::chrono::seconds kLongAnswerTime{120};
/// One request of read_content, and how many are under way: enough to hide the daemon's own waits.
constexpr std::uint32_t kReadBytes = 4 * 1024 * 1024;
constexpr std::size_t kReadsAhead = 3;
/// A part that nobody can serve: the daemon gives up before we do.
constexpr std::chrono::seconds kReadTime{60};

using PartResult = Result<wire::WithPayload<wire::Empty>>;

/// A request of read_content that is under way.
struct Part {
  std::uint64_t offset = 0;
  std::uint32_t length = 0;
  std::optional<PartResult> result;
};

}  // namespace

struct Client::State {
  State() : timer(base::make_system_timer()), group(loop.get_executor()) {}
  ~State() {
    if (channel) channel->close();
    base::run_until_done(loop, group.stop());
  }

  Task<void> serve() { (void)co_await channel->run(); }

  Task<void> connect(std::string path, Result<void>& result) {
    auto connection = co_await wire::connect_control(loop, *timer, std::move(path),
                                                     Deadline::after(timer->clock(), kConnectTime));
    if (!connection) {
      result = pass(connection);
      co_return;
    }
    channel.emplace(Executor(loop.get_executor()), *timer, std::move(*connection), router);
    spawn(group, serve());
  }

  template <class Request>
  Task<void> call(Request request, Duration time,
                  std::optional<Result<typename Request::Reply>>& out) {
    auto reply = co_await channel->call(std::move(request), Deadline::after(timer->clock(), time));
    out.emplace(std::move(reply));
  }

  Task<void> fetch(wire::ReadContent request, Part& part, base::Signal& arrived) {
    auto reply = co_await channel->call_with_payload(std::move(request),
                                                     Deadline::after(timer->clock(), kReadTime));
    part.result.emplace(std::move(reply));
    arrived.pulse();
  }

  Task<void> read(wire::ReadContent first, const Sink& sink, Result<void>& out);

  base::Loop loop;
  std::unique_ptr<Timer> timer;
  wire::RpcRouter router;  // the daemon asks us nothing
  std::optional<wire::RpcChannel> channel;
  TaskGroup group;
};

Task<void> Client::State::read(wire::ReadContent first, const Sink& sink, Result<void>& out) {
  base::Signal arrived{Executor(loop.get_executor())};
  std::deque<Part> parts;  // grows and shrinks at its ends only, so tasks may point into it
  TaskGroup fetches{Executor(loop.get_executor())};
  std::uint64_t next = first.offset;
  const std::uint64_t end = first.content.id.size;
  while (out && (next < end || !parts.empty())) {
    while (next < end && parts.size() < kReadsAhead) {
      const auto length =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(kReadBytes, end - next));
      parts.push_back(Part{.offset = next, .length = length, .result = {}});
      first.offset = next;
      first.length = length;
      spawn(fetches, fetch(first, parts.back(), arrived));
      next += length;
    }
    Part& part = parts.front();
    if (!part.result) {
      auto woken = co_await arrived.wait();
      if (!woken) out = std::move(woken);
      continue;
    }
    if (!*part.result) {
      out = pass(*part.result);
    } else if ((*part.result)->payload.size() != part.length) {
      out = fail(Errc::corrupt, "the daemon sent {} bytes instead of {}",
                 (*part.result)->payload.size(), part.length);
    } else {
      out = sink(part.offset, (*part.result)->payload);
    }
    parts.pop_front();
  }
  co_await fetches.stop();
}

Client::Client(std::unique_ptr<State> state) : state_(std::move(state)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::connect(const std::string& control_socket) {
  auto state = std::make_unique<State>();
  Result<void> result;
  base::run_until_done(state->loop, state->connect(control_socket, result));
  if (!result) return pass(result);
  return Client(std::move(state));
}

template <class Request>
Result<typename Request::Reply> Client::call(Request request, Duration time) {
  std::optional<Result<typename Request::Reply>> out;
  base::run_until_done(state_->loop, state_->call(std::move(request), time, out));
  return std::move(*out);
}

Result<wire::StatusReply> Client::status() { return call(wire::Status{}, kAnswerTime); }

Result<wire::FindReply> Client::find(std::string pattern, std::uint32_t limit) {
  return call(wire::Find{.pattern = std::move(pattern), .limit = limit}, kLongAnswerTime);
}

Result<wire::ResolveReply> Client::resolve(std::string path) {
  return call(wire::Resolve{.path = std::move(path)}, kAnswerTime);
}

Result<wire::PeerStatusReply> Client::peer_status() {
  return call(wire::PeerStatus{}, kAnswerTime);
}

Result<void> Client::unmount(bool lazy) {
  auto reply = call(wire::Unmount{.lazy = lazy}, kLongAnswerTime);
  if (!reply) return pass(reply);
  return {};
}

Result<wire::Invitation> Client::invite(Duration valid) {
  auto reply = call(wire::Invite{.valid_nanoseconds = static_cast<std::uint64_t>(valid.count())},
                    kAnswerTime);
  if (!reply) return pass(reply);
  return std::move(reply->invitation);
}

Result<void> Client::read_content(InodeId inode, const wire::ContentRef& content,
                                  std::uint64_t offset, const Sink& sink) {
  Result<void> out;
  wire::ReadContent first{.inode = inode, .content = content, .offset = offset, .length = 0};
  base::run_until_done(state_->loop, state_->read(std::move(first), sink, out));
  return out;
}

}  // namespace shoal::cli
