// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "tests/tracker/rig.h"

namespace shoal::tracker {
namespace {

using wire::LockKind;
using wire::LockOutcome;
using wire::LockType;

class LockRequests : public testing::Test {
 protected:
  Rig rig;
  TestPeer& a = rig.join("a");
  TestPeer& b = rig.join("b");
  InodeId file = *a.create(kRootInode, "file");

  wire::Lock request(bool wait = false, std::uint64_t owner = 1) const {
    wire::Lock lock;
    lock.inode = file;
    lock.kind = LockKind::flock;
    lock.type = LockType::write;
    lock.owner = owner;
    lock.wait = wait;
    return lock;
  }
  wire::Unlock release(std::uint64_t owner = 1) const {
    wire::Unlock unlock;
    unlock.inode = file;
    unlock.kind = LockKind::flock;
    unlock.owner = owner;
    return unlock;
  }
  wire::ClaimLocks claim(bool has_lock, std::uint64_t owner = 1) const {
    wire::ClaimLocks claims;
    if (has_lock) claims.claims.push_back({file, LockKind::flock, owner, 0, {{}, LockType::write}});
    return claims;
  }
  /// nullopt: it waits.
  std::optional<LockOutcome> outcome(TestPeer& peer, Token token) {
    const auto reply = peer.result<wire::Lock>(token);
    if (!reply) return std::nullopt;
    EXPECT_TRUE(*reply) << reply->error().message();
    return (*reply)->outcome;
  }
  std::optional<LockOutcome> lock(TestPeer& peer, const wire::Lock& asked) {
    return outcome(peer, peer.send(asked));
  }
};

constexpr auto kGranted = LockOutcome::granted;
constexpr auto kRefused = LockOutcome::refused;

TEST_F(LockRequests, a_lock_is_seen_by_all_sessions) {
  EXPECT_EQ(lock(a, request()), kGranted);
  EXPECT_EQ(lock(b, request()), kRefused);
  const Token waiting = b.send(request(true));
  EXPECT_EQ(outcome(b, waiting), std::nullopt);
  EXPECT_TRUE(a.call(release()));
  EXPECT_EQ(outcome(b, waiting), kGranted);
}

TEST_F(LockRequests, improper_requests_are_refused) {
  wire::Lock lock = request();
  lock.range = {0, 5};  // flock is about the whole file
  EXPECT_EQ(a.call(lock).error().code(), Errc::invalid);
  lock.kind = LockKind::posix;
  lock.range = {5, 4};
  EXPECT_EQ(a.call(lock).error().code(), Errc::invalid);
  wire::Unlock unlock = release();
  unlock.range = {5, 4};
  EXPECT_EQ(a.call(unlock).error().code(), Errc::invalid);
  EXPECT_EQ(a.call(wire::TestLock{file, LockType::read, {5, 4}, 1}).error().code(), Errc::invalid);
}

TEST_F(LockRequests, a_canceled_request_is_withdrawn) {
  EXPECT_EQ(lock(a, request()), kGranted);
  const Token given_up = b.send(request(true));
  const Token waiting = b.send(request(true, 2));
  rig.run({Canceled{given_up}});
  EXPECT_TRUE(a.call(release()));
  EXPECT_EQ(outcome(b, given_up), std::nullopt);
  EXPECT_EQ(outcome(b, waiting), kGranted);
}

TEST_F(LockRequests, the_end_of_a_process_gives_its_locks_up) {
  EXPECT_EQ(lock(a, request()), kGranted);
  const Token waiting = b.send(request(true));
  a.disconnect(true);
  EXPECT_EQ(outcome(b, waiting), kGranted);
}

TEST_F(LockRequests, a_lost_connection_keeps_locks_until_the_lease_is_over) {
  EXPECT_EQ(lock(a, request()), kGranted);
  const Token waiting = b.send(request(true));
  a.disconnect(false);
  EXPECT_EQ(outcome(b, waiting), std::nullopt);
  rig.advance(wire::kLeaseTerm / 2);
  EXPECT_TRUE(b.call(wire::Heartbeat{}));
  rig.advance(wire::kLeaseTerm / 2);
  rig.tick();
  EXPECT_EQ(outcome(b, waiting), kGranted);
}

TEST_F(LockRequests, a_resumed_session_has_its_locks_and_may_repeat_its_requests) {
  EXPECT_EQ(lock(b, request(false, 2)), kGranted);
  const Token first = a.send(request(true));
  a.disconnect(false);
  a.open(true);
  const Token again = a.send(request(true));
  rig.run({Canceled{first}});
  EXPECT_TRUE(b.call(release(2)));
  EXPECT_EQ(outcome(a, again), kGranted);
  EXPECT_EQ(lock(a, request()), kGranted) << "the same once more";
  a.disconnect(false);
  a.open(true);
  EXPECT_EQ(lock(b, request(false, 2)), kRefused);
}

TEST_F(LockRequests, waiting_requests_end_with_their_session) {
  EXPECT_EQ(lock(a, request()), kGranted);
  const Token waiting = b.send(request(true));
  b.open();  // a new one
  const auto reply = b.result<wire::Lock>(waiting);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->error().code(), Errc::stale);
}

TEST_F(LockRequests, unlinking_a_file_keeps_its_locks) {
  EXPECT_EQ(lock(a, request()), kGranted);
  a.open_files.insert(file);
  wire::Unlink unlink;
  unlink.parent = kRootInode;
  unlink.name = "file";
  ASSERT_TRUE(b.change(unlink));
  EXPECT_EQ(lock(b, request()), kRefused);
}

TEST_F(LockRequests, after_a_restart_new_locks_wait_until_all_have_claimed_theirs) {
  EXPECT_EQ(lock(a, request()), kGranted);
  rig.restart();
  b.open(true);
  EXPECT_TRUE(b.call(claim(false)));
  const Token new_lock = b.send(request());
  const Token test = b.send(wire::TestLock{file, LockType::write, {}, 1});
  EXPECT_EQ(outcome(b, new_lock), std::nullopt);
  a.open(true);
  EXPECT_EQ(outcome(b, new_lock), std::nullopt) << "its locks are not known yet";
  EXPECT_TRUE(a.call(claim(true)));
  EXPECT_EQ(outcome(b, new_lock), kRefused);
  EXPECT_TRUE(b.result<wire::TestLock>(test));
  EXPECT_EQ(lock(a, request()), kGranted);
}

TEST_F(LockRequests, who_does_not_come_back_is_waited_for_one_term) {
  EXPECT_EQ(lock(a, request()), kGranted);
  rig.restart();
  b.open(true);
  EXPECT_TRUE(b.call(claim(false)));
  const Token new_lock = b.send(request(true));
  rig.advance(wire::kLeaseTerm / 2);
  EXPECT_TRUE(b.call(wire::Heartbeat{}));
  rig.advance(wire::kLeaseTerm / 2);
  rig.tick();
  EXPECT_EQ(outcome(b, new_lock), kGranted);
}

TEST_F(LockRequests, what_is_held_is_confirmed_and_given_up_during_the_grace) {
  EXPECT_EQ(lock(a, request()), kGranted);
  rig.restart();
  a.open(true);
  EXPECT_TRUE(a.call(claim(true)));
  EXPECT_EQ(lock(a, request()), kGranted);
  EXPECT_TRUE(a.call(release()));
  const Token again = a.send(request());
  EXPECT_EQ(outcome(a, again), std::nullopt);
  b.open(true);
  EXPECT_TRUE(b.call(claim(false)));
  EXPECT_EQ(outcome(a, again), kGranted);
}

TEST_F(LockRequests, a_claim_of_what_another_has_ends_the_session) {
  rig.restart();
  a.open(true);
  EXPECT_TRUE(a.call(claim(true)));
  b.open(true);
  EXPECT_EQ(b.call(claim(true)).error().code(), Errc::stale);
  EXPECT_EQ(b.call(wire::Heartbeat{}).error().code(), Errc::stale);
  EXPECT_EQ(lock(a, request()), kGranted);
}

TEST_F(LockRequests, claims_count_only_after_a_restart) {
  EXPECT_TRUE(a.call(claim(true)));
  EXPECT_EQ(lock(b, request()), kGranted);
}

TEST_F(LockRequests, answers_stand_when_the_database_refuses_the_batch) {
  const Token token = rig.next_token();
  const Token other = rig.next_token();
  wire::Mutate mutate;
  mutate.first = Sequence(a.sequence + 1);
  mutate.operations.push_back({a.creation(kRootInode, "refused"), 1});
  rig.memory().fail_next_commit(Error(Errc::no_space, "full"));
  rig.run({Request{a.connection, token, request()}, Request{a.connection, other, mutate}});
  EXPECT_EQ(outcome(a, token), kGranted);
  EXPECT_EQ(lock(b, request()), kRefused);
}

}  // namespace
}  // namespace shoal::tracker
