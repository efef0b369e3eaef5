// SPDX-License-Identifier: MIT
#include "wire/tracker_client.h"

#include <gtest/gtest.h>

#include "base/metrics.h"
#include "tests/support/virtual_time.h"
#include "tests/wire/scripted_tracker.h"
#include "wire/limits.h"

namespace shoal::wire {
namespace {

using namespace std::chrono_literals;
using test::ScriptedTracker;
using test::SimNetwork;
using test::VirtualTime;

/// Notes what the client tells, in order.
struct Events final : TrackerEvents {
  Task<Result<InvalidateReply>> invalidate(Invalidate event) override {
    ++invalidations;
    InvalidateReply reply;
    for (const Stale& stale : event.stale) reply.still_open.push_back(stale.inode);
    co_return reply;
  }
  Task<Result<RecallReply>> recall(Recall) override { co_return RecallReply{}; }
  Task<Result<Empty>> copy_orders(CopyOrders) override { co_return Empty{}; }
  Task<Result<Empty>> release_orders(ReleaseOrders) override { co_return Empty{}; }
  void members(Members now) override { member_count = now.members.size(); }
  Capacity capacity() override { return Capacity{1000, 900, 100, 1}; }
  std::vector<Reclaim> reclaims() override { return {{InodeId(5), 3}}; }
  std::vector<LockClaim> lock_claims() override { return claims; }
  void caches_void(bool session_lost) override {
    log.push_back(session_lost ? "lost" : "void");
    if (on_void) on_void();
  }
  void connected() override { log.push_back("connected"); }

  std::vector<std::string> log;
  std::function<void()> on_void;
  std::vector<LockClaim> claims;
  int invalidations = 0;
  std::size_t member_count = 0;
};

class TrackerClientTest : public testing::Test {
 protected:
  explicit TrackerClientTest(std::uint64_t seed = 1)
      : network_(loop_, time_, seed), tracker_(loop_, time_, network_.host(kTracker), kEndpoint) {
    options_.tracker = kEndpoint;
    options_.tracker_id = SimNetwork::id_of(kTracker);
    options_.name = "one";
    options_.endpoints = {{"10.0.0.1", 7100}};
    options_.jitter_seed = 1;
    make_client();
  }
  ~TrackerClientTest() override {
    run(client_->stop());
    run(tracker_.stop());
    run(group_.stop());
  }

  void make_client() {
    client_ = std::make_unique<TrackerClient>(loop_.get_executor(), network_.host("10.0.0.1"),
                                              time_, events_, options_);
  }

  void run(Task<void> task) { test::run_virtual_until_done(loop_, time_, std::move(task)); }
  Task<void> pause(Duration duration) { (void)co_await time_.wait_for(duration); }
  void go_on(Duration duration) { run(pause(duration)); }
  Deadline after(Duration duration) { return Deadline::after(time_, duration); }
  Task<void> start_into(Duration patience, std::optional<Result<void>>* place) {
    Result<void> started = co_await client_->start(after(patience));
    place->emplace(std::move(started));
  }
  Result<void> start(Duration patience = 10s) {
    std::optional<Result<void>> started;
    run(start_into(patience, &started));
    return std::move(*started);
  }

  static Operation create(std::string name) {
    Create change;
    change.parent = kRootInode;
    change.name = std::move(name);
    return Operation{std::move(change), 0};
  }

  using Mutated = Result<std::vector<OperationReply>>;
  Task<void> mutate_into(std::vector<std::string> names, Duration patience,
                         std::optional<Mutated>* place) {
    std::vector<Operation> operations;
    for (std::string& name : names) operations.push_back(create(std::move(name)));
    auto replies = co_await client_->mutate(std::move(operations), after(patience));
    place->emplace(std::move(replies));
  }
  Task<void> mutate_journal(std::vector<std::uint64_t> numbers, std::optional<Mutated>* place) {
    std::vector<Operation> operations;
    for (const std::uint64_t number : numbers) {
      operations.push_back(create("a"));
      operations.back().journal = number;
    }
    auto replies = co_await client_->mutate(std::move(operations), after(std::chrono::seconds(60)));
    place->emplace(std::move(replies));
  }
  std::optional<Mutated>& begin_mutate(std::vector<std::string> names, Duration patience = 60s) {
    auto& place = mutations_.emplace_back(std::make_unique<std::optional<Mutated>>());
    spawn(group_, mutate_into(std::move(names), patience, place.get()));
    return *place;
  }
  Mutated mutate(std::vector<std::string> names, Duration patience = 60s) {
    std::optional<Mutated> replies;
    run(mutate_into(std::move(names), patience, &replies));
    return std::move(*replies);
  }

  using LookedUp = Result<LookupReply>;
  Task<void> look_up_into(std::string name, Duration patience, std::optional<LookedUp>* place) {
    auto reply = co_await client_->call(Lookup{kRootInode, std::move(name)}, after(patience));
    place->emplace(std::move(reply));
  }
  std::optional<LookedUp>& begin_look_up(std::string name, Duration patience = 60s) {
    auto& place = lookups_.emplace_back(std::make_unique<std::optional<LookedUp>>());
    spawn(group_, look_up_into(std::move(name), patience, place.get()));
    return *place;
  }
  LookedUp look_up(std::string name, Duration patience = 60s) {
    std::optional<LookedUp> reply;
    run(look_up_into(std::move(name), patience, &reply));
    return std::move(*reply);
  }

  static constexpr const char* kTracker = "10.0.0.9";
  static inline const Endpoint kEndpoint{kTracker, 7000};

  Loop loop_;
  VirtualTime time_;
  SimNetwork network_;
  ScriptedTracker tracker_;
  Events events_;
  TrackerClient::Options options_;
  std::unique_ptr<TrackerClient> client_;
  TaskGroup group_{loop_.get_executor()};
  std::vector<std::unique_ptr<std::optional<Mutated>>> mutations_;
  std::vector<std::unique_ptr<std::optional<LookedUp>>> lookups_;
};

TEST_F(TrackerClientTest, opens_a_session) {
  EXPECT_LT(client_->lease_end(), time_.steady());
  const SteadyTime began = time_.steady();
  ASSERT_TRUE(start());
  EXPECT_TRUE(client_->is_connected());
  EXPECT_EQ(client_->session_generation(), 1u);
  EXPECT_EQ(client_->session(), SessionId(100));
  EXPECT_EQ(client_->swarm(), tracker_.swarm);
  EXPECT_EQ(client_->swarm_name(), "sim");
  ASSERT_EQ(tracker_.opened.size(), 1u);
  EXPECT_FALSE(tracker_.opened[0].resume);
  EXPECT_EQ(tracker_.opened[0].name, "one");
  EXPECT_EQ(tracker_.opened[0].endpoints, options_.endpoints);
  EXPECT_EQ(tracker_.opened[0].capacity.free_bytes, 900u);
  EXPECT_TRUE(tracker_.opened[0].reclaims.empty());
  EXPECT_EQ(events_.log, std::vector<std::string>{"connected"});
  EXPECT_GT(client_->lease_end(), began + ScriptedTracker::kLease);
  EXPECT_LT(client_->lease_end(), time_.steady() + ScriptedTracker::kLease)
      << "the term begins when the request was sent, not when it was answered";
}

TEST_F(TrackerClientTest, heartbeats_renew_the_lease) {
  ASSERT_TRUE(start());
  for (int i = 0; i < 20; ++i) {
    go_on(kHeartbeatInterval);
    EXPECT_GE(client_->lease_end(), time_.steady() + kLeaseTerm - kHeartbeatInterval - 1s);
    if (i > 0) EXPECT_LE(client_->lease_end(), tracker_.last_heartbeat + kLeaseTerm);
  }
  EXPECT_GE(tracker_.heartbeats, 19);
  EXPECT_EQ(client_->totals().files, static_cast<std::uint64_t>(tracker_.heartbeats));
  EXPECT_EQ(tracker_.opened.size(), 1u);
}

TEST_F(TrackerClientTest, starting_without_a_tracker_times_out_and_says_why) {
  network_.isolate(kTracker);
  const Result<void> started = start(5s);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), Errc::timed_out);
  network_.rejoin(kTracker);
  go_on(15s);
  EXPECT_TRUE(client_->is_connected()) << "it goes on trying";
}

TEST_F(TrackerClientTest, a_tracker_that_does_not_know_us_is_an_error_at_once) {
  tracker_.refuses_strangers = true;
  const Result<void> started = start(60s);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), Errc::unauthenticated);
  EXPECT_EQ(started.error().context(), "who are you?");
}

TEST_F(TrackerClientTest, somebody_else_in_the_trackers_place_is_an_error_at_once) {
  options_.tracker_id = SimNetwork::id_of("10.0.0.77");
  make_client();
  const Result<void> started = start(60s);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), Errc::unauthenticated);
}

TEST_F(TrackerClientTest, another_swarm_is_an_error_at_once) {
  options_.expected_swarm = Bytes(16, std::byte{6});
  make_client();
  const Result<void> started = start(60s);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), Errc::unauthenticated);
}

TEST_F(TrackerClientTest, a_lost_connection_resumes_the_session) {
  ASSERT_TRUE(start());
  tracker_.drop_connections();
  go_on(1s);
  ASSERT_EQ(tracker_.opened.size(), 2u);
  EXPECT_EQ(tracker_.opened[1].resume, SessionId(100));
  ASSERT_EQ(tracker_.opened[1].reclaims.size(), 1u);
  EXPECT_EQ(tracker_.opened[1].reclaims[0].inode, InodeId(5));
  EXPECT_TRUE(client_->is_connected());
  EXPECT_EQ(client_->session_generation(), 1u);
  EXPECT_EQ(events_.log, (std::vector<std::string>{"connected", "connected"}));
}

TEST_F(TrackerClientTest, a_connection_it_gives_up_is_reset_not_finished) {
  ASSERT_TRUE(start());
  tracker_.answers_heartbeats = false;
  go_on(20s);
  ASSERT_FALSE(tracker_.ends.empty());
  for (const CloseReason reason : tracker_.ends) EXPECT_EQ(reason, CloseReason::failed);
}

TEST_F(TrackerClientTest, a_tracker_that_does_not_answer_heartbeats_is_connected_to_again) {
  ASSERT_TRUE(start());
  const SteadyTime began = time_.steady();
  tracker_.answers_heartbeats = false;
  while (tracker_.opened.size() < 2) go_on(100ms);
  EXPECT_LE(time_.steady() - began, 16s) << "while there is lease left";
  EXPECT_GT(client_->lease_end(), time_.steady());
}

TEST_F(TrackerClientTest, requests_under_way_are_repeated_on_the_next_connection) {
  ASSERT_TRUE(start());
  tracker_.pause = 1s;
  auto& reply = begin_look_up("x");
  go_on(500ms);
  EXPECT_EQ(tracker_.lookups, 1);
  tracker_.drop_connections();
  go_on(3s);
  EXPECT_EQ(tracker_.lookups, 2);
  ASSERT_TRUE(reply && *reply);
  EXPECT_EQ((*reply)->record->target, "x");
}

TEST_F(TrackerClientTest, requests_wait_for_a_connection) {
  auto& reply = begin_look_up("x");
  auto& created = begin_mutate({"a"});
  go_on(1s);
  EXPECT_FALSE(reply || created);
  ASSERT_TRUE(start());
  go_on(1s);
  EXPECT_TRUE(reply && *reply);
  EXPECT_TRUE(created && *created);
}

TEST_F(TrackerClientTest, without_a_tracker_requests_end_at_their_deadline) {
  ASSERT_TRUE(start());
  network_.kill_process(kTracker);
  go_on(1s);
  EXPECT_EQ(look_up("x", 2s).error().code(), Errc::unreachable);
  EXPECT_EQ(mutate({"never"}, 2s).error().code(), Errc::unreachable);
  tracker_.start();
  go_on(5s);
  EXPECT_TRUE(mutate({"a"}));
  EXPECT_EQ(tracker_.applied, std::vector<std::string>{"a"})
      << "what was given up unsent is not sent";
}

TEST_F(TrackerClientTest, messages_with_requests_are_counted_and_heartbeats_are_not) {
  const base::Counter& requests = base::counter("shoal_tracker_requests_total");
  const base::Counter& changes = base::counter("shoal_tracker_requests_mutate_total");
  const base::Counter& lookups = base::counter("shoal_tracker_requests_lookup_total");
  const std::uint64_t before = requests.value();
  const std::uint64_t changes_before = changes.value();
  const std::uint64_t lookups_before = lookups.value();
  ASSERT_TRUE(start());
  ASSERT_TRUE(mutate({"a", "b", "c"}));
  ASSERT_TRUE(look_up("a"));
  go_on(3 * kHeartbeatInterval);
  EXPECT_GT(tracker_.heartbeats, 0);
  EXPECT_EQ(requests.value() - before, 2u);
  EXPECT_EQ(changes.value() - changes_before, 1u);
  EXPECT_EQ(lookups.value() - lookups_before, 1u);
}

TEST_F(TrackerClientTest, knows_how_far_the_tracker_has_applied_the_journal) {
  ASSERT_TRUE(start());
  EXPECT_EQ(client_->journal_applied(), 0u);
  std::optional<Mutated> replies;
  run(mutate_journal({7, 8}, &replies));
  ASSERT_TRUE(replies && *replies);
  EXPECT_EQ(client_->journal_applied(), 8u);
}

TEST_F(TrackerClientTest, operations_are_applied_in_order_and_answered) {
  ASSERT_TRUE(start());
  const auto replies = mutate({"a", "refused", "b"});
  ASSERT_TRUE(replies);
  ASSERT_EQ(replies->size(), 3u);
  EXPECT_EQ((*replies)[0].records.at(0).target, "a");
  EXPECT_EQ((*replies)[1].error, Errc::exists);
  EXPECT_EQ((*replies)[2].records.at(0).target, "b");
  EXPECT_EQ(tracker_.applied, (std::vector<std::string>{"a", "refused", "b"}));
}

Task<void> mutate_one_into(TrackerClient& client, Operation operation, Deadline deadline,
                           std::optional<Result<OperationReply>>* place) {
  auto reply = co_await client.mutate_one(std::move(operation), deadline);
  place->emplace(std::move(reply));
}

TEST_F(TrackerClientTest, the_error_of_a_single_operation_is_the_calls) {
  ASSERT_TRUE(start());
  std::optional<Result<OperationReply>> reply;
  run(mutate_one_into(*client_, create("refused"), after(1s), &reply));
  ASSERT_TRUE(reply && !*reply);
  EXPECT_EQ(reply->error().code(), Errc::exists);
  EXPECT_EQ(reply->error().context(), "there already");
}

TEST_F(TrackerClientTest, operations_under_way_are_repeated_under_their_numbers) {
  ASSERT_TRUE(start());
  tracker_.pause = 1s;
  std::vector<std::string> names;
  for (int i = 0; i < 10; ++i) {
    names.push_back(fmt::format("f{}", i));
    begin_mutate({names.back()});
  }
  go_on(500ms);
  tracker_.drop_connections();
  begin_mutate({"later"});
  names.emplace_back("later");
  go_on(5s);
  EXPECT_EQ(tracker_.applied, names);
  EXPECT_EQ(tracker_.repeats, 10);
  for (const auto& place : mutations_) EXPECT_TRUE(*place && **place);
}

TEST_F(TrackerClientTest, more_operations_than_fit_the_window_keep_their_order) {
  ASSERT_TRUE(start());
  tracker_.pause = 10ms;
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) {
    names.push_back(fmt::format("f{}", i));
    begin_mutate({names.back()});
  }
  go_on(2s);
  EXPECT_EQ(tracker_.applied, names);
  for (const auto& place : mutations_) ASSERT_TRUE(*place && **place);
}

TEST_F(TrackerClientTest, an_operation_given_up_after_it_was_sent_leaves_no_gap) {
  ASSERT_TRUE(start());
  tracker_.pause = 5s;
  auto& given_up = begin_mutate({"a"}, 1s);
  auto& other = begin_mutate({"b"});
  go_on(2s);
  ASSERT_TRUE(given_up && !*given_up);
  EXPECT_EQ(given_up->error().code(), Errc::timed_out);
  tracker_.drop_connections();
  tracker_.pause = 0s;
  go_on(2s);
  EXPECT_TRUE(other && *other);
  EXPECT_TRUE(mutate({"c"}));
  EXPECT_EQ(tracker_.applied, (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(TrackerClientTest, a_session_that_has_ended_voids_caches_before_anything_is_answered) {
  ASSERT_TRUE(start());
  tracker_.pause = 10s;
  auto& created = begin_mutate({"a"});
  auto& looked_up = begin_look_up("x");
  go_on(1s);
  bool was_first = false;
  events_.on_void = [&] {
    was_first = !created && !looked_up && client_->lease_end() < time_.steady();
  };
  tracker_.forget_sessions();
  tracker_.drop_connections();
  tracker_.pause = 0s;
  go_on(3s);
  EXPECT_TRUE(was_first);
  EXPECT_EQ(events_.log, (std::vector<std::string>{"connected", "lost", "connected"}));
  ASSERT_TRUE(created && !*created);
  EXPECT_EQ(created->error().code(), Errc::stale);
  ASSERT_TRUE(looked_up && !*looked_up);
  EXPECT_EQ(looked_up->error().code(), Errc::stale);
  EXPECT_EQ(client_->session_generation(), 2u);
  EXPECT_EQ(client_->session(), SessionId(101));
  EXPECT_GT(client_->lease_end(), time_.steady());
  EXPECT_TRUE(mutate({"b"})) << "numbers begin anew";
}

TEST_F(TrackerClientTest, a_heartbeat_refused_as_stale_ends_the_session) {
  ASSERT_TRUE(start());
  tracker_.knows_sessions = false;
  tracker_.forget_sessions();
  while (events_.log.size() < 2) go_on(100ms);
  tracker_.knows_sessions = true;
  go_on(3s);
  EXPECT_EQ(events_.log, (std::vector<std::string>{"connected", "lost", "connected"}));
  EXPECT_TRUE(client_->is_connected());
}

TEST_F(TrackerClientTest, operations_refused_as_stale_are_answered_after_the_caches_are_void) {
  ASSERT_TRUE(start());
  tracker_.forget_sessions();
  auto& created = begin_mutate({"a"});
  bool was_first = false;
  events_.on_void = [&] { was_first = !created; };
  go_on(3s);
  EXPECT_TRUE(was_first);
  ASSERT_TRUE(created && !*created);
  EXPECT_EQ(created->error().code(), Errc::stale);
  EXPECT_TRUE(tracker_.applied.empty());
}

TEST_F(TrackerClientTest, a_stale_answer_of_a_living_session_is_passed_on) {
  ASSERT_TRUE(start());
  tracker_.answers_lookups_as_stale = true;
  EXPECT_EQ(look_up("x").error().code(), Errc::stale);
  EXPECT_EQ(events_.log, std::vector<std::string>{"connected"});
  EXPECT_EQ(tracker_.opened.size(), 1u);
}

TEST_F(TrackerClientTest, a_restarted_tracker_voids_caches_but_keeps_the_session) {
  ASSERT_TRUE(start());
  tracker_.pause = 1s;
  auto& created = begin_mutate({"a"});
  go_on(500ms);
  run(tracker_.restart());
  go_on(5s);
  EXPECT_EQ(events_.log, (std::vector<std::string>{"connected", "void", "connected"}));
  EXPECT_EQ(client_->session_generation(), 1u);
  EXPECT_TRUE(created && *created);
  EXPECT_EQ(tracker_.applied, std::vector<std::string>{"a"});
}

TEST_F(TrackerClientTest, locks_are_claimed_from_a_restarted_tracker_alone) {
  events_.claims.resize(kMaxLockClaims + 1);
  events_.claims.back().inode = InodeId(9);
  ASSERT_TRUE(start());
  tracker_.drop_connections();
  go_on(5s);
  EXPECT_EQ(tracker_.opened.size(), 2u);
  EXPECT_TRUE(tracker_.claimed.empty());
  run(tracker_.restart());
  go_on(5s);
  ASSERT_EQ(tracker_.claimed.size(), 2u);
  EXPECT_FALSE(tracker_.claimed[0].is_last);
  ASSERT_EQ(tracker_.claimed[1].claims.size(), 1u);
  EXPECT_EQ(tracker_.claimed[1].claims.front().inode, InodeId(9));
  EXPECT_TRUE(tracker_.claimed[1].is_last);
}

Task<void> invalidate_into(RpcChannel& channel, Deadline deadline,
                           std::optional<Result<InvalidateReply>>* place) {
  Invalidate event;
  event.stale.emplace_back().inode = InodeId(7);
  auto reply = co_await channel.call(std::move(event), deadline);
  place->emplace(std::move(reply));
}

TEST_F(TrackerClientTest, events_are_answered) {
  ASSERT_TRUE(start());
  std::optional<Result<InvalidateReply>> reply;
  run(invalidate_into(tracker_.channel(), after(1s), &reply));
  ASSERT_TRUE(reply && *reply);
  EXPECT_EQ((*reply)->still_open, std::vector<InodeId>{InodeId(7)});
  EXPECT_EQ(events_.invalidations, 1);
}

TEST_F(TrackerClientTest, stopping_ends_the_session_in_order) {
  ASSERT_TRUE(start());
  tracker_.pause = 1h;
  auto& looked_up = begin_look_up("x", 2h);
  auto& created = begin_mutate({"a"}, 2h);
  go_on(1s);
  run(client_->stop());
  go_on(1s);
  EXPECT_EQ(tracker_.closed_sessions, 1);
  EXPECT_EQ(tracker_.ends, std::vector<CloseReason>{CloseReason::finished});
  ASSERT_TRUE(looked_up && !*looked_up);
  EXPECT_EQ(looked_up->error().code(), Errc::canceled);
  ASSERT_TRUE(created && !*created);
  EXPECT_EQ(created->error().code(), Errc::canceled);
  EXPECT_LT(client_->lease_end(), time_.steady());
  EXPECT_EQ(look_up("y").error().code(), Errc::canceled);
  EXPECT_EQ(mutate({"b"}).error().code(), Errc::canceled);
}

TEST_F(TrackerClientTest, stopping_abruptly_leaves_the_session_to_its_lease) {
  ASSERT_TRUE(start());
  run(client_->stop(true));
  go_on(1s);
  EXPECT_EQ(tracker_.closed_sessions, 0);
  EXPECT_EQ(tracker_.ends, std::vector<CloseReason>{CloseReason::failed});
}

TEST_F(TrackerClientTest, a_partition_shorter_than_the_lease_costs_nothing_but_time) {
  ASSERT_TRUE(start());
  network_.cut("10.0.0.1", kTracker);
  auto& created = begin_mutate({"a"});
  go_on(8s);
  EXPECT_FALSE(created);
  network_.heal("10.0.0.1", kTracker);
  go_on(12s);
  EXPECT_TRUE(created && *created);
  EXPECT_EQ(tracker_.applied, std::vector<std::string>{"a"});
  EXPECT_EQ(client_->session_generation(), 1u);
}

TEST_F(TrackerClientTest, a_one_way_cut_is_noticed_from_both_sides) {
  for (const bool is_outward : {true, false}) {
    if (is_outward) ASSERT_TRUE(start());
    if (is_outward) {
      network_.cut_one_way("10.0.0.1", kTracker);
    } else {
      network_.cut_one_way(kTracker, "10.0.0.1");
    }
    go_on(60s);
    EXPECT_FALSE(client_->is_connected());
    EXPECT_LT(client_->lease_end(), time_.steady());
    network_.heal("10.0.0.1", kTracker);
    go_on(15s);
    EXPECT_TRUE(client_->is_connected());
  }
}

/// Many writers on a network that breaks all the time: each operation happens once, in the order in
/// which the calls were made, and is answered with its own answer.
class TrackerClientStormTest : public TrackerClientTest,
                               public testing::WithParamInterface<std::uint64_t> {
 protected:
  TrackerClientStormTest() : TrackerClientTest(GetParam()) {}
};

TEST_P(TrackerClientStormTest, operations_happen_once_and_in_order) {
  SCOPED_TRACE(fmt::format("seed {}", GetParam()));
  base::Random random(GetParam());
  ASSERT_TRUE(start());
  network_.set_break_chance(0.05);
  tracker_.pause = 3ms;
  std::vector<std::string> names;
  for (int i = 0; i < 400; ++i) {
    std::vector<std::string> batch;
    for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
      names.push_back(fmt::format("f{}.{}", i, n));
      batch.push_back(names.back());
    }
    begin_mutate(std::move(batch), 1h);
    if (random.chance(0.3)) go_on(std::chrono::milliseconds(random.below(20)));
    if (random.chance(0.02)) run(tracker_.restart());
    if (random.chance(0.02)) {
      network_.cut("10.0.0.1", kTracker);
      go_on(std::chrono::seconds(random.below(15)));
      network_.heal("10.0.0.1", kTracker);
    }
  }
  network_.set_break_chance(0);
  go_on(120s);
  EXPECT_EQ(tracker_.applied, names);
  EXPECT_EQ(client_->session_generation(), 1u);
  std::size_t at = 0;
  for (const auto& place : mutations_) {
    ASSERT_TRUE(*place && **place);
    for (const OperationReply& reply : ***place) EXPECT_EQ(reply.records.at(0).target, names[at++]);
  }
  for (const CloseReason reason : tracker_.ends) EXPECT_NE(reason, CloseReason::finished);
}

INSTANTIATE_TEST_SUITE_P(Seeds, TrackerClientStormTest, testing::Range<std::uint64_t>(1, 11));

}  // namespace
}  // namespace shoal::wire
