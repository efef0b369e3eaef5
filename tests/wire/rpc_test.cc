// SPDX-License-Identifier: MIT
#include "wire/rpc.h"

#include <gtest/gtest.h>

#include "base/check.h"
#include "tests/wire/network_worlds.h"
#include "wire/messages.h"

namespace shoal::wire {
namespace {

using namespace std::chrono_literals;
using ConnectionPtr = std::unique_ptr<Connection>;

/// A service that answers at once, late, with bytes, with an error, or never.
struct Service {
  explicit Service(Timer& timer_) : timer(timer_) {
    router.on<Lookup>([this](RequestContext, Lookup request) { return look_up(request); });
    router.on<GetInode>([this](RequestContext, GetInode request) { return wait(request); });
    router.on<Find>([this](RequestContext, Find request) { return refuse(request); });
    router.on<Status>([this](RequestContext context, Status) { return call_back(context); });
    router.on_with_payload<ReadContent>(
        [this](RequestContext, ReadContent request) { return read(request); });
  }

  Task<Result<LookupReply>> look_up(Lookup request) {
    ++begun;
    LookupReply reply;
    reply.record.emplace().inode = InodeId(request.parent.value() + 1);
    reply.record->target = request.name;
    co_return reply;
  }

  /// Takes as many milliseconds as the inode's number.
  Task<Result<GetInodeReply>> wait(GetInode request) {
    ++begun;
    ++running;
    const Result<void> waited =
        co_await timer.wait_for(std::chrono::milliseconds(request.inode.value()));
    --running;
    if (!waited) {
      ++canceled;
      co_return std::unexpected(waited.error());
    }
    GetInodeReply reply;
    reply.record.inode = request.inode;
    co_return reply;
  }

  Task<Result<FindReply>> refuse(Find request) {
    co_return fail(Errc::not_permitted, "{}", request.pattern);
  }

  Task<Result<WithPayload<Empty>>> read(ReadContent request) {
    co_return WithPayload<Empty>{{}, Bytes(request.length, std::byte{7})};
  }

  /// Asks the asker before it answers.
  Task<Result<StatusReply>> call_back(RequestContext context) {
    auto answer = co_await context.channel->call(Lookup{InodeId(41), "back"},
                                                 Deadline::after(timer.clock(), 1s));
    if (!answer) co_return pass(std::move(answer));
    StatusReply reply;
    reply.totals.files = answer->record->inode.value();
    co_return reply;
  }

  Timer& timer;
  RpcRouter router;
  int begun = 0;
  int running = 0;
  int canceled = 0;
};

class RpcTest : public testing::Test {
 protected:
  ~RpcTest() override {
    if (client_) client_->close();
    if (server_) server_->close();
    world_.run(group_.stop());
  }

  Task<void> connect() {
    auto listener = world_.b().listen(Endpoint{world_.b_host(), 0});
    CHECK(listener.has_value());
    auto client = co_await world_.a().connect((*listener)->local(), world_.b().self(), after(1s));
    auto server = co_await (*listener)->accept();
    CHECK(client.has_value() && server.has_value());
    raw_client_ = std::move(*client);
    server_ = std::make_unique<RpcChannel>(world_.loop().get_executor(), world_.timer(),
                                           std::move(*server), service_.router);
    base::spawn(group_, run_channel(*server_, &server_end_));
  }

  Task<void> run_channel(RpcChannel& channel, std::optional<CloseReason>* end) {
    const CloseReason reason = co_await channel.run();
    *end = reason;
  }

  /// A channel on both ends.
  void connect_channels() {
    world_.run(connect());
    client_ = std::make_unique<RpcChannel>(world_.loop().get_executor(), world_.timer(),
                                           std::move(raw_client_), client_service_.router);
    base::spawn(group_, run_channel(*client_, &client_end_));
  }
  /// A channel on the server's end, frames by hand on ours.
  void connect_raw() { world_.run(connect()); }

  Deadline after(Duration duration) { return Deadline::after(world_.timer().clock(), duration); }

  template <class Request>
  Task<void> call_into(Request request, Duration patience,
                       std::optional<Result<typename Request::Reply>>* place) {
    auto reply = co_await client_->call(std::move(request), after(patience));
    place->emplace(std::move(reply));
  }

  /// One call to its end.
  template <class Request>
  Result<typename Request::Reply> call(Request request, Duration patience = 60s) {
    std::optional<Result<typename Request::Reply>> reply;
    world_.run(call_into(std::move(request), patience, &reply));
    return std::move(*reply);
  }

  Task<void> pause(Duration duration) { (void)co_await world_.timer().wait_for(duration); }

  Task<void> send(Frame frame) {
    const Result<void> sent = co_await raw_client_->send(std::move(frame));
    EXPECT_TRUE(sent);
  }
  Task<void> receive(std::optional<Result<Frame>>* place) {
    auto frame = co_await raw_client_->receive();
    place->emplace(std::move(frame));
  }
  Result<Frame> next_frame() {
    std::optional<Result<Frame>> frame;
    world_.run(receive(&frame));
    return std::move(*frame);
  }

  /// The server has cut us off, for breaking the protocol.
  void expect_cut_off() {
    for (;;) {
      const auto frame = next_frame();
      if (frame) continue;
      EXPECT_EQ(frame.error().code(), Errc::unreachable);
      break;
    }
    world_.run(pause(1s));
    EXPECT_EQ(server_end_, CloseReason::failed);
    EXPECT_EQ(raw_client_->close_reason(), CloseReason::failed) << "it is a reset";
  }

  template <class Request>
  static Frame request_frame(std::uint64_t number, const Request& request) {
    Frame frame;
    frame.type = Request::kType;
    frame.request = number;
    frame.body = encode(request);
    return frame;
  }

  test::SimWorld world_;
  Service service_{world_.timer()};
  Service client_service_{world_.timer()};
  TaskGroup group_{world_.loop().get_executor()};
  ConnectionPtr raw_client_;
  std::unique_ptr<RpcChannel> server_;
  std::unique_ptr<RpcChannel> client_;
  std::optional<CloseReason> server_end_;
  std::optional<CloseReason> client_end_;
};

TEST_F(RpcTest, a_call_is_answered) {
  connect_channels();
  const auto reply = call(Lookup{InodeId(1), "x"});
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->record->inode, InodeId(2));
  EXPECT_EQ(client_->remote(), world_.b().self());
  EXPECT_EQ(client_->requests_in_flight(), 0u);
}

TEST_F(RpcTest, many_calls_wait_side_by_side) {
  connect_channels();
  std::vector<std::optional<Result<GetInodeReply>>> replies(500);
  const SteadyTime began = world_.timer().clock().steady();
  for (std::size_t i = 0; i < replies.size(); ++i) {
    const auto late = InodeId(1000 - i);  // the last one is answered first
    base::spawn(group_, call_into(GetInode{late, false}, 60s, &replies[i]));
  }
  world_.run(pause(2s));
  for (std::size_t i = 0; i < replies.size(); ++i) {
    ASSERT_TRUE(replies[i] && *replies[i]) << i;
    EXPECT_EQ((*replies[i])->record.inode, InodeId(1000 - i));
  }
  EXPECT_LE(world_.timer().clock().steady() - began, 2s + 1ms);
}

TEST_F(RpcTest, a_handler_may_call_back) {
  connect_channels();
  const auto reply = call(Status{});
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->totals.files, 42u);
}

Task<void> ask_in_order(RpcChannel& channel, Deadline deadline, const int& begun, int* begun_then,
                        std::optional<Result<void>>* outcome) {
  auto told =
      co_await channel.call_in_order(Lookup{InodeId(1), "x"}, deadline,
                                     [&begun, begun_then](LookupReply) { *begun_then = begun; });
  outcome->emplace(std::move(told));
}

TEST_F(RpcTest, an_answer_can_be_taken_before_the_requests_behind_it) {
  connect_raw();
  int begun_then = -1;
  std::optional<Result<void>> outcome;
  base::spawn(group_, ask_in_order(*server_, after(60s), service_.begun, &begun_then, &outcome));
  const auto question = next_frame();
  ASSERT_TRUE(question);
  Frame answer;
  answer.kind = FrameKind::reply;
  answer.type = question->type;
  answer.request = question->request;
  answer.body = encode(LookupReply{});
  world_.run(send(std::move(answer)));
  world_.run(send(request_frame(1, Lookup{InodeId(1), "x"})));
  ASSERT_TRUE(next_frame());
  EXPECT_EQ(begun_then, 0);
  EXPECT_EQ(service_.begun, 1);
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(*outcome);
}

TEST_F(RpcTest, an_error_is_not_taken_for_an_answer) {
  connect_raw();
  int begun_then = -1;
  std::optional<Result<void>> outcome;
  base::spawn(group_, ask_in_order(*server_, after(1s), service_.begun, &begun_then, &outcome));
  world_.run(pause(2s));
  ASSERT_TRUE(outcome);
  ASSERT_FALSE(*outcome);
  EXPECT_EQ(outcome->error().code(), Errc::timed_out);
  EXPECT_EQ(begun_then, -1);
}

TEST_F(RpcTest, errors_come_with_their_sentence) {
  connect_channels();
  const auto reply = call(Find{"no\nthing\x1b[31m", 1});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code(), Errc::not_permitted);
  EXPECT_EQ(reply.error().context(), base::printable("no\nthing\x1b[31m"));
  const auto again = call(Find{std::string(100'000, 'x'), 1});
  ASSERT_FALSE(again);
  EXPECT_LE(again.error().context().size(), 1024u);
}

Task<void> read_content(RpcChannel& channel, Deadline deadline, std::size_t* size) {
  auto reply =
      co_await channel.call_with_payload(ReadContent{InodeId(1), {}, 0, 300'000}, deadline);
  if (reply) *size = reply->payload.size();
}

TEST_F(RpcTest, bytes_travel_behind_the_message) {
  connect_channels();
  std::size_t size = 0;
  world_.run(read_content(*client_, after(1s), &size));
  EXPECT_EQ(size, 300'000u);
}

TEST_F(RpcTest, a_call_that_times_out_cancels_the_handler) {
  connect_channels();
  const auto reply = call(GetInode{InodeId(10'000), false}, 100ms);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code(), Errc::timed_out);
  EXPECT_EQ(client_->requests_in_flight(), 0u);
  world_.run(pause(100ms));
  EXPECT_EQ(service_.canceled, 1);
  EXPECT_EQ(service_.running, 0);
  EXPECT_TRUE(call(Lookup{InodeId(1), "x"})) << "the connection goes on";
}

TEST_F(RpcTest, a_canceled_call_cancels_the_handler) {
  connect_channels();
  std::optional<Result<GetInodeReply>> reply;
  TaskGroup callers(world_.loop().get_executor());
  base::spawn(callers, call_into(GetInode{InodeId(10'000), false}, 60s, &reply));
  world_.run(pause(100ms));
  EXPECT_EQ(service_.running, 1);
  world_.run(callers.stop());
  ASSERT_TRUE(reply && !*reply);
  EXPECT_EQ(reply->error().code(), Errc::canceled);
  world_.run(pause(100ms));
  EXPECT_EQ(service_.canceled, 1);
}

TEST_F(RpcTest, an_answer_that_comes_too_late_is_ignored) {
  connect_channels();
  // Answered just while the cancel frame is under way.
  for (std::uint64_t late = 90; late < 105; ++late) {
    (void)call(GetInode{InodeId(late), false}, 100ms);
  }
  EXPECT_TRUE(call(Lookup{InodeId(1), "x"}));
}

TEST_F(RpcTest, the_end_of_the_connection_fails_calls_and_cancels_handlers) {
  connect_channels();
  std::optional<Result<GetInodeReply>> reply;
  base::spawn(group_, call_into(GetInode{InodeId(10'000), false}, 60s, &reply));
  world_.run(pause(100ms));
  server_->close();
  world_.run(pause(100ms));
  ASSERT_TRUE(reply && !*reply);
  EXPECT_EQ(reply->error().code(), Errc::unreachable);
  EXPECT_EQ(service_.canceled, 1);
  EXPECT_EQ(server_end_, CloseReason::local);
  EXPECT_EQ(client_end_, CloseReason::finished);
  EXPECT_FALSE(client_->is_open());
  EXPECT_EQ(call(Lookup{InodeId(1), "x"}).error().code(), Errc::unreachable);
}

TEST_F(RpcTest, an_abrupt_end_is_told_from_an_orderly_one) {
  connect_channels();
  server_->close(true);
  world_.run(pause(100ms));
  EXPECT_EQ(client_end_, CloseReason::failed);
}

TEST_F(RpcTest, a_channel_that_is_canceled_resets_its_connection) {
  connect_channels();
  TaskGroup callers(world_.loop().get_executor());
  std::optional<Result<GetInodeReply>> reply;
  base::spawn(callers, call_into(GetInode{InodeId(10'000), false}, 60s, &reply));
  world_.run(pause(100ms));
  world_.run(group_.stop());
  EXPECT_EQ(service_.running, 0) << "its handlers have ended with it";
  EXPECT_TRUE(server_end_ && client_end_);
  world_.run(callers.stop());
}

TEST_F(RpcTest, a_channel_may_go_while_a_call_is_under_way) {
  connect_channels();
  std::optional<Result<GetInodeReply>> reply;
  TaskGroup callers(world_.loop().get_executor());
  base::spawn(callers, call_into(GetInode{InodeId(10'000), false}, 60s, &reply));
  world_.run(pause(100ms));
  world_.run(group_.stop());
  client_.reset();
  server_.reset();
  world_.run(pause(100ms));
  ASSERT_TRUE(reply && !*reply);
  EXPECT_EQ(reply->error().code(), Errc::unreachable);
  world_.run(callers.stop());
}

TEST_F(RpcTest, an_unknown_type_ends_the_connection) {
  connect_raw();
  world_.run(send(request_frame(1, Unmount{})));
  expect_cut_off();
}

TEST_F(RpcTest, a_malformed_message_is_answered_as_corrupt) {
  connect_raw();
  Frame frame = request_frame(1, Lookup{InodeId(1), "x"});
  frame.body.pop_back();
  world_.run(send(std::move(frame)));
  const auto answer = next_frame();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->kind, FrameKind::error);
  EXPECT_EQ(answer->request, 1u);
  ASSERT_GE(answer->body.size(), 2u);
  EXPECT_EQ(answer->body[0], static_cast<std::byte>(Errc::corrupt));
  EXPECT_EQ(service_.begun, 0);
  EXPECT_TRUE(server_->is_open());
}

TEST_F(RpcTest, an_answer_to_nothing_ends_the_connection) {
  connect_raw();
  Frame frame;
  frame.kind = FrameKind::reply;
  frame.request = 1;
  world_.run(send(std::move(frame)));
  expect_cut_off();
}

TEST_F(RpcTest, a_request_with_a_payload_ends_the_connection) {
  connect_raw();
  Frame frame = request_frame(1, Lookup{InodeId(1), "x"});
  frame.payload.resize(1);
  world_.run(send(std::move(frame)));
  expect_cut_off();
}

TEST_F(RpcTest, a_cancel_with_a_body_ends_the_connection) {
  connect_raw();
  Frame frame;
  frame.kind = FrameKind::cancel;
  frame.body.resize(1);
  world_.run(send(std::move(frame)));
  expect_cut_off();
}

TEST_F(RpcTest, a_number_used_twice_at_once_ends_the_connection) {
  connect_raw();
  world_.run(send(request_frame(1, GetInode{InodeId(1000), false})));
  world_.run(send(request_frame(1, GetInode{InodeId(1000), false})));
  expect_cut_off();
  EXPECT_EQ(service_.canceled, 1);
}

TEST_F(RpcTest, an_answer_of_another_type_ends_the_connection) {
  connect_raw();
  std::optional<Result<LookupReply>> reply;
  const auto call = [](RpcChannel& channel, Deadline deadline,
                       std::optional<Result<LookupReply>>* place) -> Task<void> {
    auto answer = co_await channel.call(Lookup{InodeId(1), "x"}, deadline);
    place->emplace(std::move(answer));
  };
  base::spawn(group_, call(*server_, after(1s), &reply));
  const auto request = next_frame();
  ASSERT_TRUE(request);
  Frame answer;
  answer.kind = FrameKind::reply;
  answer.type = GetInode::kType;
  answer.request = request->request;
  world_.run(send(std::move(answer)));
  expect_cut_off();
  ASSERT_TRUE(reply && !*reply);
  EXPECT_EQ(reply->error().code(), Errc::unreachable);
}

TEST_F(RpcTest, an_answer_that_does_not_decode_is_corrupt) {
  connect_raw();
  std::optional<Result<LookupReply>> reply;
  const auto call = [](RpcChannel& channel, Deadline deadline,
                       std::optional<Result<LookupReply>>* place) -> Task<void> {
    auto answer = co_await channel.call(Lookup{InodeId(1), "x"}, deadline);
    place->emplace(std::move(answer));
  };
  base::spawn(group_, call(*server_, after(1s), &reply));
  const auto request = next_frame();
  ASSERT_TRUE(request);
  Frame answer;
  answer.kind = FrameKind::reply;
  answer.type = Lookup::kType;
  answer.request = request->request;
  answer.body.resize(7, std::byte{1});
  world_.run(send(std::move(answer)));
  world_.run(pause(100ms));
  ASSERT_TRUE(reply && !*reply);
  EXPECT_EQ(reply->error().code(), Errc::corrupt);
}

TEST_F(RpcTest, more_calls_than_allowed_are_busy_on_our_side) {
  connect_channels();
  std::vector<std::optional<Result<GetInodeReply>>> replies(kMaxRequestsInFlight + 3);
  for (auto& reply : replies) {
    base::spawn(group_, call_into(GetInode{InodeId(500), false}, 60s, &reply));
  }
  world_.run(pause(100ms));
  int busy = 0;
  for (const auto& reply : replies) {
    if (!reply) continue;
    ASSERT_FALSE(*reply);
    EXPECT_EQ(reply->error().code(), Errc::busy);
    ++busy;
  }
  EXPECT_EQ(busy, 3);
  world_.run(pause(1s));
  EXPECT_EQ(service_.begun, static_cast<int>(kMaxRequestsInFlight));
}

TEST_F(RpcTest, a_flood_of_requests_is_refused) {
  connect_raw();
  const auto flood = [this](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      world_.run(send(request_frame(first + i, GetInode{InodeId(60'000), false})));
    }
  };
  flood(1, kMaxRequestsInFlight + 1);
  const auto answer = next_frame();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->kind, FrameKind::error);
  EXPECT_EQ(answer->request, kMaxRequestsInFlight + 1);
  EXPECT_EQ(answer->body[0], static_cast<std::byte>(Errc::busy));
  EXPECT_TRUE(server_->is_open());
  EXPECT_EQ(service_.running, static_cast<int>(kMaxRequestsInFlight));
}

TEST_F(RpcTest, senders_wait_when_the_other_side_does_not_read) {
  connect_raw();
  OpenSession request;
  request.name = std::string(1 << 20, 'x');
  int sent = 0;
  int timed_out = 0;
  const auto call = [](RpcChannel& channel, OpenSession message, Deadline deadline, int* begun,
                       int* late) -> Task<void> {
    ++*begun;
    auto answer = co_await channel.call(std::move(message), deadline);
    if (!answer && answer.error().code() == Errc::timed_out) ++*late;
  };
  for (int i = 0; i < 100; ++i)
    base::spawn(group_, call(*server_, request, after(1s), &sent, &timed_out));
  world_.run(pause(500ms));
  EXPECT_LE(server_->requests_in_flight(), kMaxQueuedBytes / (1 << 20) + 8);
  world_.run(pause(1s));
  EXPECT_EQ(timed_out, 100);
  EXPECT_EQ(server_->requests_in_flight(), 0u);
}

}  // namespace
}  // namespace shoal::wire
