// SPDX-License-Identifier: MIT
// What every Network promises, on the simulation and over TLS.
#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/wire/network_worlds.h"
#include "wire/limits.h"
#include "wire/transport.h"

namespace shoal::wire {
namespace {

using namespace std::chrono_literals;
using ConnectionPtr = std::unique_ptr<Connection>;

/// Two ends of one connection.
struct Pair {
  std::unique_ptr<Listener> listener;
  ConnectionPtr client;
  ConnectionPtr server;
};

template <class World>
Deadline soon(World& world) {
  return Deadline::after(world.timer().clock(), 10s);
}

template <class World>
Task<Pair> connect_pair(World& world) {
  Pair pair;
  auto listener = world.b().listen(Endpoint{world.b_host(), 0});
  CHECK(listener.has_value(), "{}", listener.error().message());
  pair.listener = std::move(*listener);
  auto client = co_await world.a().connect(pair.listener->local(), world.b().self(), soon(world));
  CHECK(client.has_value(), "{}", client.error().message());
  pair.client = std::move(*client);
  auto server = co_await pair.listener->accept();
  CHECK(server.has_value(), "{}", server.error().message());
  pair.server = std::move(*server);
  co_return pair;
}

Bytes filled(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  base::Random(seed).fill(bytes);
  return bytes;
}

Frame frame_of(std::uint64_t number, std::size_t body, std::size_t payload) {
  Frame frame;
  frame.type = static_cast<std::uint16_t>(number & 0xffff);
  frame.kind = number % 2 == 0 ? FrameKind::request : FrameKind::reply;
  frame.request = number;
  frame.body = filled(body, number);
  frame.payload = filled(payload, number + 1);
  return frame;
}

Task<Result<Frame>> receive_within(Timer& timer, Connection& connection, Duration duration) {
  auto frame = co_await base::with_deadline(timer, Deadline::after(timer.clock(), duration),
                                            connection.receive());
  co_return frame;
}

template <class World>
class TransportContractTest : public testing::Test {
 protected:
  World world_;
};

using Worlds = testing::Types<test::SimWorld, test::TlsWorld>;
TYPED_TEST_SUITE(TransportContractTest, Worlds);

template <class World>
Task<void> check_identities(World& world) {
  Pair pair = co_await connect_pair(world);
  EXPECT_EQ(pair.client->remote(), world.b().self());
  EXPECT_EQ(pair.server->remote(), world.a().self());
  EXPECT_NE(world.a().self(), world.b().self());
  EXPECT_NE(pair.listener->local().port, 0);
}
TYPED_TEST(TransportContractTest, both_ends_know_each_other) {
  this->world_.run(check_identities(this->world_));
}

struct Size {
  std::size_t body;
  std::size_t payload;
};
constexpr Size kSizes[] = {{0, 0},
                           {1, 0},
                           {0, 1},
                           {100, 16384},
                           {16383, 0},
                           {16384, 16384},
                           {70'000, 3},
                           {5, 1 << 20},
                           {kMaxBodyBytes, 0},
                           {24, 3 << 20},
                           {0, kMaxPayloadBytes}};

Task<void> send_all(Connection& connection, std::uint64_t first) {
  std::uint64_t number = first;
  for (int round = 0; round < 2; ++round) {
    for (const Size& size : kSizes) {
      const Result<void> sent =
          co_await connection.send(frame_of(number++, size.body, size.payload));
      EXPECT_TRUE(sent);
    }
  }
}

Task<void> receive_all(Connection& connection, std::uint64_t first) {
  std::uint64_t number = first;
  for (int round = 0; round < 2; ++round) {
    for (const Size& size : kSizes) {
      const auto frame = co_await connection.receive();
      if (!frame) {
        ADD_FAILURE() << frame.error().message();
        co_return;
      }
      const Frame expected = frame_of(number++, size.body, size.payload);
      EXPECT_EQ(frame->type, expected.type);
      EXPECT_EQ(frame->kind, expected.kind);
      EXPECT_EQ(frame->request, expected.request);
      EXPECT_TRUE(frame->body == expected.body);
      EXPECT_TRUE(frame->payload == expected.payload);
    }
  }
}

template <class World>
Task<void> check_order(World& world) {
  Pair pair = co_await connect_pair(world);
  TaskGroup group(world.loop().get_executor());
  spawn(group, send_all(*pair.client, 100));
  spawn(group, send_all(*pair.server, 900));
  spawn(group, receive_all(*pair.server, 100));
  co_await receive_all(*pair.client, 900);
  while (group.size() != 0) (void)co_await world.timer().wait_for(1ms);
  co_await group.stop();
}
TYPED_TEST(TransportContractTest, frames_arrive_whole_and_in_order_in_both_directions) {
  this->world_.run(check_order(this->world_));
}

template <class World>
Task<void> check_wrong_identity(World& world) {
  auto listener = world.b().listen(Endpoint{world.b_host(), 0});
  CHECK(listener.has_value());
  const auto client =
      co_await world.a().connect((*listener)->local(), world.a().self(), soon(world));
  EXPECT_FALSE(client);
  if (!client) EXPECT_EQ(client.error().code(), Errc::unauthenticated);
}
TYPED_TEST(TransportContractTest, somebody_else_is_not_connected_to) {
  this->world_.run(check_wrong_identity(this->world_));
}

template <class World>
Task<void> check_deaf(World& world) {
  const auto client = co_await world.a().connect(world.deaf(), world.b().self(), soon(world));
  EXPECT_FALSE(client);
  if (!client) EXPECT_EQ(client.error().code(), Errc::unreachable);
}
TYPED_TEST(TransportContractTest, where_nobody_listens_is_unreachable) {
  this->world_.run(check_deaf(this->world_));
}

template <class World>
Task<void> check_silent(World& world) {
  const Deadline deadline = Deadline::after(world.timer().clock(), 50ms);
  const auto client = co_await world.a().connect(world.silent(), world.b().self(), deadline);
  EXPECT_FALSE(client);
  if (!client) EXPECT_EQ(client.error().code(), Errc::timed_out) << client.error().message();
}
TYPED_TEST(TransportContractTest, a_silent_other_side_times_out) {
  this->world_.run(check_silent(this->world_));
}

template <class World>
Task<void> check_clean_close(World& world) {
  Pair pair = co_await connect_pair(world);
  const Result<void> sent = co_await pair.client->send(frame_of(1, 10, 100'000));
  EXPECT_TRUE(sent);
  pair.client->close();
  EXPECT_EQ(pair.client->close_reason(), CloseReason::local);
  const auto frame = co_await pair.server->receive();
  EXPECT_TRUE(frame) << "what was sent before the end arrives";
  const auto end = co_await pair.server->receive();
  EXPECT_FALSE(end);
  if (!end) EXPECT_EQ(end.error().code(), Errc::unreachable);
  EXPECT_EQ(pair.server->close_reason(), CloseReason::finished);
}
TYPED_TEST(TransportContractTest, an_orderly_end_is_told_from_a_failure) {
  this->world_.run(check_clean_close(this->world_));
}

template <class World>
Task<void> check_abrupt_close(World& world) {
  Pair pair = co_await connect_pair(world);
  pair.client->close(true);
  const auto end = co_await pair.server->receive();
  EXPECT_FALSE(end);
  if (!end) EXPECT_EQ(end.error().code(), Errc::unreachable);
  EXPECT_EQ(pair.server->close_reason(), CloseReason::failed);
  EXPECT_EQ(pair.client->close_reason(), CloseReason::local);
}
TYPED_TEST(TransportContractTest, an_abrupt_end_is_a_failure) {
  this->world_.run(check_abrupt_close(this->world_));
}

Task<void> expect_unreachable(Connection& connection, int* ended) {
  const auto frame = co_await connection.receive();
  EXPECT_FALSE(frame);
  if (!frame) EXPECT_EQ(frame.error().code(), Errc::unreachable);
  ++*ended;
}

template <class World>
Task<void> check_local_close(World& world) {
  Pair pair = co_await connect_pair(world);
  TaskGroup group(world.loop().get_executor());
  int ended = 0;
  spawn(group, expect_unreachable(*pair.client, &ended));
  (void)co_await world.timer().wait_for(1ms);
  pair.client->close();
  pair.client->close();
  while (ended == 0) (void)co_await world.timer().wait_for(1ms);
  co_await group.stop();
  EXPECT_EQ(pair.client->close_reason(), CloseReason::local);
  const Result<void> sent = co_await pair.client->send(frame_of(1, 1, 1));
  EXPECT_FALSE(sent);
}
TYPED_TEST(TransportContractTest, closing_wakes_the_own_receiver) {
  this->world_.run(check_local_close(this->world_));
}

template <class World>
Task<void> check_canceled_receive(World& world) {
  Pair pair = co_await connect_pair(world);
  const auto nothing = co_await receive_within(world.timer(), *pair.server, 5ms);
  EXPECT_FALSE(nothing);
  if (!nothing) EXPECT_EQ(nothing.error().code(), Errc::timed_out);
  for (std::uint64_t number = 1; number <= 5; ++number) {
    const Result<void> sent = co_await pair.client->send(frame_of(number, 1000, 50'000));
    EXPECT_TRUE(sent);
  }
  // Interrupted again and again: no frame is lost, torn or seen twice.
  std::uint64_t expected = 1;
  while (expected <= 5) {
    const auto frame = co_await receive_within(world.timer(), *pair.server, 100us);
    if (!frame && frame.error().code() == Errc::timed_out) continue;
    EXPECT_TRUE(frame);
    if (!frame) co_return;
    EXPECT_EQ(frame->request, expected);
    EXPECT_TRUE(frame->payload == filled(50'000, expected + 1));
    ++expected;
  }
}
TYPED_TEST(TransportContractTest, a_receive_given_up_loses_nothing) {
  this->world_.run(check_canceled_receive(this->world_));
}

TYPED_TEST(TransportContractTest, an_address_in_use_is_busy) {
  auto first = this->world_.b().listen(Endpoint{this->world_.b_host(), 0});
  ASSERT_TRUE(first);
  const auto second = this->world_.b().listen((*first)->local());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Errc::busy);
}

TYPED_TEST(TransportContractTest, an_address_of_another_machine_is_invalid) {
  const auto listener = this->world_.b().listen(Endpoint{"192.0.2.1", 0});
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code(), Errc::invalid);
}

Task<void> expect_accept_canceled(Listener& listener, int* ended) {
  const auto connection = co_await listener.accept();
  EXPECT_FALSE(connection);
  if (!connection) EXPECT_EQ(connection.error().code(), Errc::canceled);
  ++*ended;
}

template <class World>
Task<void> check_listener_close(World& world) {
  auto listener = world.b().listen(Endpoint{world.b_host(), 0});
  CHECK(listener.has_value());
  const Endpoint where = (*listener)->local();
  TaskGroup group(world.loop().get_executor());
  int ended = 0;
  spawn(group, expect_accept_canceled(**listener, &ended));
  (void)co_await world.timer().wait_for(1ms);
  (*listener)->close();
  while (ended == 0) (void)co_await world.timer().wait_for(1ms);
  co_await group.stop();
  auto again = world.b().listen(where);
  EXPECT_TRUE(again) << "the address is free again";
}
TYPED_TEST(TransportContractTest, closing_a_listener_wakes_accept_and_frees_the_address) {
  this->world_.run(check_listener_close(this->world_));
}

Task<void> connect_and_greet(Network& network, Endpoint endpoint, PeerId expected, Timer& timer,
                             std::uint64_t number, int* done) {
  auto connection =
      co_await network.connect(endpoint, expected, Deadline::after(timer.clock(), 10s));
  EXPECT_TRUE(connection);
  if (!connection) co_return;
  const Result<void> sent = co_await (*connection)->send(frame_of(number, 8, 8));
  EXPECT_TRUE(sent);
  const auto answer = co_await (*connection)->receive();
  EXPECT_TRUE(answer);
  if (answer) EXPECT_EQ(answer->request, number);
  ++*done;
}

template <class World>
Task<void> check_many(World& world) {
  auto listener = world.b().listen(Endpoint{world.b_host(), 0});
  CHECK(listener.has_value());
  TaskGroup group(world.loop().get_executor());
  int done = 0;
  constexpr int kMany = 100;  // more than may shake hands at once
  for (int i = 0; i < kMany; ++i) {
    spawn(group, connect_and_greet(world.a(), (*listener)->local(), world.b().self(), world.timer(),
                                   static_cast<std::uint64_t>(i), &done));
  }
  std::vector<ConnectionPtr> connections;
  for (int i = 0; i < kMany; ++i) {
    auto connection = co_await (*listener)->accept();
    EXPECT_TRUE(connection);
    if (!connection) break;
    auto frame = co_await (*connection)->receive();
    EXPECT_TRUE(frame);
    if (!frame) break;
    const Result<void> sent = co_await (*connection)->send(std::move(*frame));
    EXPECT_TRUE(sent);
    connections.push_back(std::move(*connection));
  }
  while (done < kMany && !testing::Test::HasFailure()) (void)co_await world.timer().wait_for(1ms);
  co_await group.stop();
}
TYPED_TEST(TransportContractTest, many_connect_at_once) {
  this->world_.run(check_many(this->world_));
}

}  // namespace
}  // namespace shoal::wire
