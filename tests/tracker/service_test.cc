// SPDX-License-Identifier: MIT
// The tracker on a network: sessions of real clients, events, strangers.
#include "tracker/service.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/sim/sim_network.h"
#include "tests/support/virtual_time.h"
#include "tracker/find.h"
#include "tracker/memory_store.h"
#include "wire/codec.h"
#include "wire/limits.h"
#include "wire/tracker_client.h"

namespace shoal::tracker {
namespace {

constexpr const char* kTrackerHost = "10.0.0.1";
constexpr std::uint16_t kPort = 4050;

/// A peer's caches, as far as the tracker sees them.
class Listening final : public wire::TrackerEvents {
 public:
  Task<Result<wire::InvalidateReply>> invalidate(wire::Invalidate event) override {
    for (auto& stale : event.stale) stales.push_back(std::move(stale));
    co_return wire::InvalidateReply{};
  }
  Task<Result<wire::RecallReply>> recall(wire::Recall) override {
    wire::RecallReply reply;
    reply.held = holds;
    reply.size = 55;
    co_return reply;
  }
  Task<Result<wire::Empty>> copy_orders(wire::CopyOrders orders) override {
    copies += orders.orders.size();
    co_return wire::Empty{};
  }
  Task<Result<wire::Empty>> release_orders(wire::ReleaseOrders) override {
    co_return wire::Empty{};
  }
  void members(wire::Members message) override { known = std::move(message.members); }
  wire::Capacity capacity() override { return {1 << 30, 1 << 30, 0, 0}; }
  std::vector<wire::Reclaim> reclaims() override { return {}; }
  void caches_void(bool session_lost) override { voids += session_lost ? 100 : 1; }
  void connected() override { ++connects; }

  std::vector<wire::Stale> stales;
  std::vector<wire::Member> known;
  std::size_t copies = 0;
  int voids = 0;
  int connects = 0;
  bool holds = true;
};

class Swarm {
 public:
  explicit Swarm(std::uint64_t seed = 5) : network(loop, time, seed) { start_tracker(); }
  ~Swarm() { run(stop_all()); }

  void start_tracker() {
    CoreOptions options;
    options.endpoint = {kTrackerHost, kPort};
    options.tracker_id = test::SimNetwork::id_of(kTrackerHost);
    auto started = Core::start(store, options, {time.steady(), time.wall()});
    ASSERT_TRUE(started);
    core = std::move(*started);
    service = std::make_unique<Service>(
        loop.get_executor(), time, [this](Input input) { driver->submit(std::move(input)); },
        [this](wire::Find request) { return search(std::move(request)); });
    driver = make_inline_driver(loop.get_executor(), time, *core, [this](std::vector<Output> out) {
      service->deliver(std::move(out));
    });
    auto listener = network.host(kTrackerHost).listen({kTrackerHost, kPort});
    ASSERT_TRUE(listener) << listener.error().message();
    service->serve(std::move(*listener), false);
  }

  Task<void> stop_tracker() {
    co_await service->stop();
    co_await driver->stop();
    driver.reset();
    service.reset();
    core.reset();
  }

  Task<void> stop_all() {
    for (auto& client : clients) co_await client->stop();
    if (service) co_await stop_tracker();
  }

  void run(Task<void> task) { test::run_virtual_until_done(loop, time, std::move(task)); }

  Task<Result<Service::Paths>> search(wire::Find request) {
    FoundPaths found = find_paths(store, request.pattern, request.limit);
    co_return Service::Paths{std::move(found.paths), found.is_truncated};
  }

  /// A member with a client that is not started yet.
  wire::TrackerClient& add_peer(const std::string& address, Listening& events) {
    test::SimHost& host = network.host(address);
    add_member(host.self(), address);
    wire::TrackerClient::Options options;
    options.tracker = {kTrackerHost, kPort};
    options.tracker_id = test::SimNetwork::id_of(kTrackerHost);
    options.name = address;
    options.endpoints = {{address, 1}};
    clients.push_back(std::make_unique<wire::TrackerClient>(loop.get_executor(), host, time, events,
                                                            std::move(options)));
    return *clients.back();
  }

  void add_member(PeerId id, const std::string& name) {
    // As after an invitation: the core reads its members at the start.
    run(stop_tracker());
    store.begin();
    PeerRow row;
    row.key = PeerKey(static_cast<std::uint32_t>(store.number(Number::next_peer)));
    store.set_number(Number::next_peer, row.key.value() + 1);
    row.id = id;
    row.name = name;
    store.put_peer(row);
    ASSERT_TRUE(store.commit());
    start_tracker();
  }

  base::Loop loop;
  test::VirtualTime time;
  test::SimNetwork network;
  MemoryStore store{Bytes(16), "sim"};
  std::unique_ptr<Core> core;
  std::unique_ptr<Service> service;
  std::unique_ptr<Driver> driver;
  std::vector<std::unique_ptr<wire::TrackerClient>> clients;
};

wire::Operation creation(InodeId inode, const std::string& name, bool delegate = false) {
  wire::Create create;
  create.parent = kRootInode;
  create.name = name;
  create.inode = inode;
  create.delegate = delegate;
  return {create, 1};
}

Deadline soon(const Swarm& swarm) { return Deadline::after(swarm.time, std::chrono::seconds(60)); }

Task<void> start(Swarm& swarm, wire::TrackerClient& client) {
  auto started = co_await client.start(soon(swarm));
  EXPECT_TRUE(started) << started.error().message();
}

Task<void> make_file(Swarm& swarm, wire::TrackerClient& client, std::string name, InodeId* made,
                     bool delegate = false) {
  auto range = co_await client.call(wire::AllocateInodes{}, soon(swarm));
  EXPECT_TRUE(range) << range.error().message();
  if (!range) co_return;
  auto operation = creation(range->first, name, delegate);
  auto done = co_await client.mutate_one(std::move(operation), soon(swarm));
  EXPECT_TRUE(done) << done.error().message();
  *made = range->first;
}

Task<void> look(Swarm& swarm, wire::TrackerClient& client, std::string name,
                std::optional<wire::LookupReply>* found) {
  auto reply = co_await client.call(wire::Lookup{kRootInode, name}, soon(swarm));
  EXPECT_TRUE(reply) << reply.error().message();
  if (reply) *found = *reply;
}

TEST(service, carries_changes_to_those_who_watch) {
  Listening in_a;
  Listening in_b;
  Swarm swarm;
  wire::TrackerClient& a = swarm.add_peer("10.0.0.2", in_a);
  wire::TrackerClient& b = swarm.add_peer("10.0.0.3", in_b);
  swarm.run(start(swarm, a));
  swarm.run(start(swarm, b));
  std::optional<wire::LookupReply> found;
  swarm.run(look(swarm, b, "file", &found));
  ASSERT_TRUE(found && !found->record);
  InodeId made;
  swarm.run(make_file(swarm, a, "file", &made));
  ASSERT_FALSE(in_b.stales.empty());
  EXPECT_EQ(in_b.stales[0].name, "file");
  swarm.run(look(swarm, b, "file", &found));
  ASSERT_TRUE(found->record);
  EXPECT_EQ(found->record->inode, made);
  EXPECT_EQ(in_a.known.size(), 2U);
}

TEST(service, asks_the_writer_for_the_size) {
  Listening in_a;
  Listening in_b;
  Swarm swarm;
  wire::TrackerClient& a = swarm.add_peer("10.0.0.2", in_a);
  wire::TrackerClient& b = swarm.add_peer("10.0.0.3", in_b);
  swarm.run(start(swarm, a));
  swarm.run(start(swarm, b));
  InodeId made;
  swarm.run(make_file(swarm, a, "file", &made, true));
  std::optional<wire::LookupReply> found;
  swarm.run(look(swarm, b, "file", &found));
  ASSERT_TRUE(found && found->record);
  EXPECT_EQ(found->record->attributes.size, 55U);
}

TEST(service, goes_on_at_once_when_a_watching_process_has_died) {
  Listening in_a;
  Listening in_b;
  Swarm swarm;
  wire::TrackerClient& a = swarm.add_peer("10.0.0.2", in_a);
  wire::TrackerClient& b = swarm.add_peer("10.0.0.3", in_b);
  swarm.run(start(swarm, a));
  swarm.run(start(swarm, b));
  std::optional<wire::LookupReply> found;
  swarm.run(look(swarm, b, "file", &found));
  swarm.network.kill_process("10.0.0.3");
  const SteadyTime before = swarm.time.steady();
  InodeId made;
  swarm.run(make_file(swarm, a, "file", &made));
  EXPECT_LT(swarm.time.steady() - before, std::chrono::seconds(1));
}

TEST(service, waits_for_the_lease_of_a_machine_that_fell_silent) {
  Listening in_a;
  Listening in_b;
  Swarm swarm;
  wire::TrackerClient& a = swarm.add_peer("10.0.0.2", in_a);
  wire::TrackerClient& b = swarm.add_peer("10.0.0.3", in_b);
  swarm.run(start(swarm, a));
  swarm.run(start(swarm, b));
  std::optional<wire::LookupReply> found;
  swarm.run(look(swarm, b, "file", &found));
  swarm.network.isolate("10.0.0.3");
  const SteadyTime before = swarm.time.steady();
  InodeId made;
  swarm.run(make_file(swarm, a, "file", &made));
  EXPECT_GT(swarm.time.steady() - before, std::chrono::seconds(10));
  EXPECT_GE(swarm.time.steady(), b.lease_end());
}

TEST(service, finds_sessions_again_after_a_restart) {
  Listening in_a;
  Swarm swarm;
  wire::TrackerClient& a = swarm.add_peer("10.0.0.2", in_a);
  swarm.run(start(swarm, a));
  InodeId made;
  swarm.run(make_file(swarm, a, "file", &made));
  swarm.run(swarm.stop_tracker());
  swarm.start_tracker();
  std::optional<wire::LookupReply> found;
  swarm.run(look(swarm, a, "file", &found));
  ASSERT_TRUE(found && found->record);
  EXPECT_EQ(in_a.voids, 1);
  EXPECT_EQ(in_a.connects, 2);
}

Task<void> knock(Swarm& swarm, std::string address, wire::CloseReason* reason, Errc* answer) {
  const PeerId tracker = test::SimNetwork::id_of(kTrackerHost);
  auto connection =
      co_await swarm.network.host(address).connect({kTrackerHost, kPort}, tracker, soon(swarm));
  EXPECT_TRUE(connection);
  const wire::RpcRouter nothing;
  wire::RpcChannel channel(swarm.loop.get_executor(), swarm.time, std::move(*connection), nothing);
  TaskGroup group(swarm.loop.get_executor());
  const auto ask = [](wire::RpcChannel& on, Deadline until, Errc* code) -> Task<void> {
    auto reply = co_await on.call(wire::Lookup{kRootInode, "x"}, until);
    *code = reply ? Errc::internal : reply.error().code();
  };
  spawn(group, ask(channel, soon(swarm), answer));
  *reason = co_await channel.run();
  co_await group.stop();
}

TEST(service, sends_strangers_away) {
  Swarm swarm;
  wire::CloseReason reason = wire::CloseReason::local;
  Errc answer = Errc::internal;
  const SteadyTime before = swarm.time.steady();
  swarm.run(knock(swarm, "10.0.0.66", &reason, &answer));
  EXPECT_EQ(answer, Errc::unauthenticated);
  EXPECT_EQ(reason, wire::CloseReason::failed);
  EXPECT_LE(swarm.time.steady() - before, wire::kHandshakeTime + std::chrono::seconds(1));
}

Task<void> find(Swarm& swarm, wire::TrackerClient& client, std::string pattern,
                wire::FindReply* reply, std::uint32_t limit = 10) {
  auto found = co_await client.call(wire::Find{pattern, limit}, soon(swarm));
  EXPECT_TRUE(found) << found.error().message();
  if (found) *reply = *found;
}

TEST(service, finds_files_by_name) {
  Listening in_a;
  Swarm swarm;
  wire::TrackerClient& a = swarm.add_peer("10.0.0.2", in_a);
  swarm.run(start(swarm, a));
  InodeId made;
  swarm.run(make_file(swarm, a, "report.txt", &made));
  wire::FindReply reply;
  swarm.run(find(swarm, a, "*.txt", &reply));
  ASSERT_EQ(reply.found.size(), 1U);
  EXPECT_EQ(reply.found[0].path, "/report.txt");
  EXPECT_EQ(reply.found[0].record.inode, made);
}

TEST(service, answers_with_as_many_found_files_as_fit_a_frame) {
  Listening in_a;
  Swarm swarm;
  wire::TrackerClient& a = swarm.add_peer("10.0.0.2", in_a);
  swarm.run(start(swarm, a));
  const std::string folder(250, 'd');
  InodeId parent = kRootInode;
  swarm.store.begin();
  std::uint64_t next = 1'000'000'000;
  const auto add = [&](InodeId in, const std::string& name, wire::FileKind kind) {
    InodeRow row;
    row.inode = InodeId(next++);
    row.kind = kind;
    row.nlink = 1;
    swarm.store.insert_inode(row);
    swarm.store.add_entry(in, name, row.inode);
    return row.inode;
  };
  for (int depth = 0; depth < 12; ++depth) {
    parent = add(parent, folder, wire::FileKind::directory);
  }
  for (int i = 0; i < 1500; ++i) add(parent, fmt::format("{}.txt", i), wire::FileKind::fifo);
  ASSERT_TRUE(swarm.store.commit());
  wire::FindReply reply;
  swarm.run(find(swarm, a, "*.txt", &reply, 1'000'000));
  EXPECT_TRUE(reply.is_truncated);
  EXPECT_GT(reply.found.size(), 500U);
  EXPECT_LT(wire::encode(reply).size(), wire::kMaxBodyBytes);
}

Task<void> mutate_at_once(Swarm& swarm, wire::TrackerClient& client, InodeId first, int number,
                          int* done) {
  auto operation = creation(InodeId(first.value() + static_cast<std::uint64_t>(number)),
                            fmt::format("f{}", number));
  auto reply = co_await client.mutate_one(std::move(operation), soon(swarm));
  EXPECT_TRUE(reply) << reply.error().message();
  ++*done;
}

Task<void> mutate_while_breaking(Swarm& swarm, wire::TrackerClient& client, int count) {
  auto range = co_await client.call(wire::AllocateInodes{}, soon(swarm));
  EXPECT_TRUE(range);
  TaskGroup group(swarm.loop.get_executor());
  int done = 0;
  for (int i = 0; i < count; ++i) {
    spawn(group, mutate_at_once(swarm, client, range->first, i, &done));
    auto waited = co_await swarm.time.wait_for(std::chrono::milliseconds(3));
    EXPECT_TRUE(waited);
    if (i % 10 == 5) swarm.network.break_connections("10.0.0.2");
  }
  while (done < count) {
    auto waited = co_await swarm.time.wait_for(std::chrono::milliseconds(10));
    EXPECT_TRUE(waited);
  }
  co_await group.stop();
}

TEST(service, makes_every_change_once_though_connections_break) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Listening in_a;
    Swarm swarm(seed);
    wire::TrackerClient& a = swarm.add_peer("10.0.0.2", in_a);
    swarm.run(start(swarm, a));
    swarm.run(mutate_while_breaking(swarm, a, 100));
    EXPECT_EQ(swarm.store.children(kRootInode, "", 1000).size(), 100U);
    EXPECT_EQ(in_a.voids, 0);
  }
}

}  // namespace
}  // namespace shoal::tracker
