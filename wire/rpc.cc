// SPDX-License-Identifier: MIT
// run() reads; one task writes what is queued; each request's handler is a task of its own with its
// own cancellation. Calls wait on entries of a table that both they and the reader share, so that
// a call may outlive the channel by the few steps it takes to notice.
#include "wire/rpc.h"

#include <asio/cancellation_signal.hpp>
#include <deque>

#include "base/asio_alias.h"
#include "base/check.h"
#include "base/launch.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/waiter.h"
#include "wire/rpc_error.h"

namespace shoal::wire {
namespace {

/// Refusals to a side that keeps sending too many requests, before it is cut off.
constexpr std::size_t kMaxRefusals = kMaxRequestsInFlight;

std::size_t cost_of(const Frame& frame) {
  return kFrameHeaderBytes + frame.body.size() + frame.payload.size();
}

Error lost_error() { return Error(Errc::unreachable, "the connection ended"); }

}  // namespace

const RpcRouter::RawHandler* RpcRouter::find(std::uint16_t type) const {
  const auto found = handlers_.find(type);
  return found == handlers_.end() ? nullptr : &found->second;
}

/// One call of ours, shared by the caller and the channel's table.
struct RpcChannel::Started {
  Started(const Executor& executor, Timer& timer_) : timer(timer_), answered(executor) {}
  Timer& timer;
  std::weak_ptr<State> channel;
  std::uint64_t number = 0;
  std::uint16_t type = 0;
  base::Signal answered;
  std::optional<RpcRouter::RawReply> answer;
  OnAnswer on_answer;
};

struct RpcChannel::State {
  struct Handling {
    asio::cancellation_signal signal;
    bool is_canceled = false;
  };
  using Handlings = std::unordered_map<std::uint64_t, Handling>;

  State(Executor executor_, Timer& timer_, std::unique_ptr<Connection> connection_,
        const RpcRouter& router_)
      : executor(std::move(executor_)),
        timer(timer_),
        connection(std::move(connection_)),
        router(router_),
        has_frames(executor),
        has_room(executor) {}

  bool has_room_now() const { return queued_bytes < kMaxQueuedBytes; }
  void enqueue(Frame frame);
  void close(bool abruptly);
  void settle(Started& call, RpcRouter::RawReply answer);
  void lose_calls();
  void cancel_handlers();
  /// False: the frame breaks the protocol.
  bool take(RpcChannel& channel, Frame frame);
  bool take_request(RpcChannel& channel, Frame frame);
  bool take_answer(Frame frame);
  Result<StartedCall> start(const std::shared_ptr<State>& self, std::uint16_t type, Bytes body);
  void give_up(const Started& call);
  void take_cancel(std::uint64_t number);

  const Executor executor;
  Timer& timer;
  const std::unique_ptr<Connection> connection;
  const RpcRouter& router;
  bool is_open = true;
  CloseReason end_reason = CloseReason::local;

  std::deque<Frame> queue;
  std::size_t queued_bytes = 0;
  std::size_t queued_refusals = 0;
  base::Signal has_frames;
  base::Signal has_room;

  std::uint64_t last_number = 0;
  std::unordered_map<std::uint64_t, StartedCall> calls;
  Handlings handlings;
  asio::cancellation_signal writer;
  bool is_writing = false;
  base::WaitQueue task_ended;  ///< the writer or a handler
};

using State = RpcChannel::State;

namespace {

Task<void> write_frames(std::shared_ptr<State> state) {
  while (state->is_open) {
    if (state->queue.empty()) {
      state->has_frames.reset();
      Result<void> waited = co_await state->has_frames.wait();
      if (!waited) co_return;
      continue;
    }
    Frame frame = std::move(state->queue.front());
    state->queue.pop_front();
    const std::size_t cost = cost_of(frame);
    Result<void> sent = co_await state->connection->send(std::move(frame));
    state->queued_bytes -= cost;
    if (state->queue.empty()) state->queued_refusals = 0;
    if (state->has_room_now()) state->has_room.pulse();
    if (!sent) {
      state->close(true);
      co_return;
    }
  }
}

/// The connection's queue holds no more than kMaxQueuedBytes and one message for each sender.
Task<Result<void>> wait_for_room(std::shared_ptr<State> state) {
  while (state->is_open && !state->has_room_now()) {
    Result<void> waited = co_await state->has_room.wait();
    if (!waited) co_return waited;
  }
  if (!state->is_open) co_return std::unexpected(lost_error());
  co_return base::ok();
}

Task<void> handle(std::shared_ptr<State> state, const RpcRouter::RawHandler* handler,
                  RequestContext context, Frame request) {
  RpcRouter::RawReply reply = co_await (*handler)(context, std::move(request.body));
  if (state->handlings.at(request.request).is_canceled) co_return;
  if (reply &&
      (reply->message.size() > kMaxBodyBytes || reply->payload.size() > kMaxPayloadBytes)) {
    reply = fail(Errc::too_large, "the answer is too large for a message");
  }
  Result<void> room = co_await wait_for_room(state);
  if (!room) co_return;
  if (!reply) {
    state->enqueue(error_frame(request.type, request.request, reply.error()));
    co_return;
  }
  Frame frame;
  frame.type = request.type;
  frame.kind = FrameKind::reply;
  frame.request = request.request;
  frame.body = std::move(reply->message);
  frame.payload = std::move(reply->payload);
  state->enqueue(std::move(frame));
}

/// Until the connection ends. True: because the other side broke the protocol.
Task<bool> read_frames(RpcChannel& channel, std::shared_ptr<State> state) {
  static base::Counter& violations = base::counter("shoal_protocol_violations_total");
  while (state->is_open) {
    auto frame = co_await state->connection->receive();
    if (!frame) {
      const Errc code = frame.error().code();
      if (code != Errc::corrupt && code != Errc::too_large) co_return false;
      violations.add();
      base::log_warning("malformed frame, connection ended remote={} address={} reason=\"{}\"",
                        state->connection->remote().short_hex(),
                        state->connection->remote_address(), frame.error().context());
      co_return true;
    }
    if (!state->is_open) co_return false;
    const std::uint16_t type = frame->type;
    const auto kind = static_cast<int>(frame->kind);
    if (state->take(channel, std::move(*frame))) continue;
    violations.add();
    base::log_warning("protocol violated, connection ended remote={} address={} type={} kind={}",
                      state->connection->remote().short_hex(), state->connection->remote_address(),
                      type, kind);
    co_return true;
  }
  co_return false;
}

Task<Result<void>> wait_for_answer(RpcChannel::StartedCall call) {
  Result<void> waited = co_await call->answered.wait();
  co_return waited;
}

}  // namespace

void State::enqueue(Frame frame) {
  if (!is_open) return;
  queued_bytes += cost_of(frame);
  queue.push_back(std::move(frame));
  has_frames.set();
}

void State::close(bool abruptly) {
  if (!is_open) return;
  is_open = false;
  end_reason = connection->close_reason();
  connection->close(abruptly);
  lose_calls();
  cancel_handlers();
  has_frames.set();
  has_room.pulse();
}

void State::settle(Started& call, RpcRouter::RawReply answer) {
  if (call.answer) return;
  if (call.on_answer) call.on_answer(answer);
  call.answer.emplace(std::move(answer));
  call.answered.set();
}

void State::lose_calls() {
  for (auto& [number, call] : calls) settle(*call, std::unexpected(lost_error()));
  calls.clear();
}

void State::cancel_handlers() {
  for (auto& [number, handling] : handlings) {
    if (std::exchange(handling.is_canceled, true)) continue;
    handling.signal.emit(asio::cancellation_type::terminal);
  }
}

bool State::take(RpcChannel& channel, Frame frame) {
  switch (frame.kind) {
    case FrameKind::request:
      return take_request(channel, std::move(frame));
    case FrameKind::reply:
    case FrameKind::error:
      return take_answer(std::move(frame));
    case FrameKind::cancel:
      if (!frame.body.empty() || !frame.payload.empty()) return false;
      take_cancel(frame.request);
      return true;
  }
  return false;
}

bool State::take_request(RpcChannel& channel, Frame frame) {
  const RpcRouter::RawHandler* const handler = router.find(frame.type);
  const std::uint64_t number = frame.request;
  if (handler == nullptr || !frame.payload.empty() || handlings.contains(number)) return false;
  if (handlings.size() >= kMaxRequestsInFlight) {
    if (++queued_refusals > kMaxRefusals) return false;
    enqueue(error_frame(frame.type, number, Error(Errc::busy, "too many requests at once")));
    return true;
  }
  const auto state = channel.state_;
  Handling& handling = handlings[number];
  const RequestContext context{&channel, connection->remote()};
  base::detail::launch(executor, handling.signal.slot(),
                       handle(state, handler, context, std::move(frame)), [state, number] {
                         state->handlings.erase(number);
                         state->task_ended.wake_all();
                       });
  return true;
}

bool State::take_answer(Frame frame) {
  if (frame.request == 0 || frame.request > last_number) return false;
  const auto found = calls.find(frame.request);
  if (found == calls.end()) return true;  // given up meanwhile
  const StartedCall call = found->second;
  if (call->type != frame.type) return false;
  calls.erase(found);
  if (frame.kind == FrameKind::reply) {
    settle(*call, WithPayload<Bytes>{std::move(frame.body), std::move(frame.payload)});
    return true;
  }
  auto error = decode_error(frame.body);
  if (!error || !frame.payload.empty()) {
    settle(*call, fail(Errc::corrupt, "a malformed error was answered"));
    return false;
  }
  settle(*call, std::unexpected(std::move(*error)));
  return true;
}

void State::take_cancel(std::uint64_t number) {
  const auto found = handlings.find(number);
  if (found == handlings.end() || std::exchange(found->second.is_canceled, true)) return;
  found->second.signal.emit(asio::cancellation_type::terminal);
}

Result<RpcChannel::StartedCall> State::start(const std::shared_ptr<State>& self, std::uint16_t type,
                                             Bytes body) {
  if (!is_open) return std::unexpected(lost_error());
  if (calls.size() >= kMaxRequestsInFlight) {
    return fail(Errc::busy, "{} requests wait for an answer already", calls.size());
  }
  if (body.size() > kMaxBodyBytes) {
    return fail(Errc::too_large, "a request of {} bytes is too large for a message", body.size());
  }
  auto call = std::make_shared<Started>(executor, timer);
  call->channel = self;
  call->number = ++last_number;
  call->type = type;
  calls.emplace(call->number, call);
  Frame frame;
  frame.type = type;
  frame.kind = FrameKind::request;
  frame.request = call->number;
  frame.body = std::move(body);
  enqueue(std::move(frame));
  return call;
}

void State::give_up(const Started& call) {
  if (calls.erase(call.number) == 0) return;
  Frame frame;
  frame.type = call.type;
  frame.kind = FrameKind::cancel;
  frame.request = call.number;
  enqueue(std::move(frame));
}

RpcChannel::RpcChannel(Executor executor, Timer& timer, std::unique_ptr<Connection> connection,
                       const RpcRouter& router)
    : state_(std::make_shared<State>(std::move(executor), timer, std::move(connection), router)) {}

RpcChannel::~RpcChannel() { state_->close(true); }

Task<CloseReason> RpcChannel::run() {
  const std::shared_ptr<State> state = state_;
  CHECK(!state->is_writing, "a channel runs once");
  state->is_writing = true;
  base::detail::launch(state->executor, state->writer.slot(), write_frames(state), [state] {
    state->is_writing = false;
    state->task_ended.wake_all();
  });
  const bool is_violated = co_await read_frames(*this, state);
  state->close(true);
  state->writer.emit(asio::cancellation_type::terminal);
  // They are canceled, and the owner waits for their end even when it is canceled itself.
  while (state->is_writing || !state->handlings.empty()) {
    co_await state->task_ended.wait_through();
  }
  if (is_violated) co_return CloseReason::failed;
  co_return state->end_reason;
}

void RpcChannel::close(bool abruptly) { state_->close(abruptly); }

bool RpcChannel::is_open() const { return state_->is_open; }

const PeerId& RpcChannel::remote() const { return state_->connection->remote(); }

std::string RpcChannel::remote_address() const { return state_->connection->remote_address(); }

std::size_t RpcChannel::requests_in_flight() const { return state_->calls.size(); }

Result<RpcChannel::StartedCall> RpcChannel::start_raw(std::uint16_t type, Bytes body) {
  return state_->start(state_, type, std::move(body));
}

Task<RpcRouter::RawReply> RpcChannel::finish_raw(StartedCall call, Deadline deadline) {
  if (!call->answer) {
    Result<void> waited =
        co_await base::with_deadline(call->timer, deadline, wait_for_answer(call));
    if (!call->answer) {
      const std::shared_ptr<State> state = call->channel.lock();
      if (state) state->give_up(*call);
      if (waited) co_return std::unexpected(lost_error());
      co_return pass(std::move(waited));
    }
  }
  co_return std::move(*call->answer);
}

Task<RpcRouter::RawReply> RpcChannel::call_raw(std::uint16_t type, Bytes body, Deadline deadline,
                                               OnAnswer on_answer) {
  const std::shared_ptr<State> state = state_;        // the channel may go while we wait
  while (state->is_open && !state->has_room_now()) {  // others may have been quicker
    Result<void> room = co_await base::with_deadline(state->timer, deadline, wait_for_room(state));
    if (!room) co_return pass(std::move(room));
  }
  auto started = state->start(state, type, std::move(body));
  if (!started) co_return pass(std::move(started));
  (*started)->on_answer = std::move(on_answer);
  RpcRouter::RawReply answer = co_await finish_raw(std::move(*started), deadline);
  co_return answer;
}

}  // namespace shoal::wire
