// SPDX-License-Identifier: MIT
#include "peerd/picker.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "peerd/limits.h"

namespace shoal::peerd {
namespace {

using Verdict = Picker::Verdict;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kMiB = 1 << 20;
const SteadyTime kStart{std::chrono::hours(1)};

PeerId peer(unsigned number) {
  PeerId id;
  id.digest = base::sha256(as_bytes("peer " + std::to_string(number)));
  return id;
}

std::vector<Picker::Candidate> candidates(unsigned count) {
  std::vector<Picker::Candidate> list;
  for (unsigned i = 0; i < count; ++i) list.push_back({peer(i), true});
  return list;
}

/// One answer of that many bytes that took that long.
void serve(Picker& picker, const PeerId& id, std::uint64_t bytes, Duration took, SteadyTime& now) {
  picker.started(id, bytes, now);
  const SteadyTime asked_at = now;
  now += took;
  picker.succeeded(id, bytes, asked_at, now);
}

/// An answer of peer 0 that does not hash.
Duration lie(Picker& picker, SteadyTime now) {
  picker.started(peer(0), kMiB, now);
  picker.succeeded(peer(0), kMiB, now, now);
  return picker.lied(peer(0), now);
}

TEST(Picker, finds_nobody_among_no_candidates) {
  const Picker picker(1);
  EXPECT_EQ(picker.choose({}, kMiB, 0, kStart).verdict, Verdict::none);
}

TEST(Picker, spreads_requests_of_one_fetcher_over_equal_holders) {
  const Picker picker(1);
  std::set<PeerId> chosen;
  for (std::uint64_t chunk = 0; chunk < 64; ++chunk) {
    chosen.insert(picker.choose(candidates(4), kMiB, chunk, kStart).peer);
  }
  EXPECT_EQ(chosen.size(), 4u);
}

TEST(Picker, starts_elsewhere_for_each_fetcher) {
  std::set<PeerId> chosen;
  for (std::uint64_t self = 0; self < 64; ++self) {
    chosen.insert(Picker(self * 0x9e3779b97f4a7c15u).choose(candidates(4), kMiB, 0, kStart).peer);
  }
  EXPECT_EQ(chosen.size(), 4u);
}

TEST(Picker, prefers_the_holder_with_fewer_bytes_under_way) {
  Picker picker(1);
  const auto list = candidates(2);
  for (int i = 0; i < 8; ++i) picker.started(peer(0), kMiB, kStart);
  for (std::uint64_t chunk = 0; chunk < 32; ++chunk) {
    EXPECT_EQ(picker.choose(list, kMiB, chunk, kStart).peer, peer(1));
  }
}

TEST(Picker, prefers_the_holder_that_was_measured_faster) {
  Picker picker(1);
  SteadyTime now = kStart;
  for (int i = 0; i < 20; ++i) serve(picker, peer(0), kMiB, milliseconds(100), now);
  for (int i = 0; i < 20; ++i) serve(picker, peer(1), kMiB, milliseconds(5), now);
  for (std::uint64_t chunk = 0; chunk < 32; ++chunk) {
    EXPECT_EQ(picker.choose(candidates(2), kMiB, chunk, now).peer, peer(1));
  }
}

TEST(Picker, prefers_the_holder_with_the_lower_latency_for_small_requests) {
  Picker picker(1);
  SteadyTime now = kStart;
  for (int i = 0; i < 20; ++i) serve(picker, peer(0), 16 << 10, milliseconds(40), now);
  for (int i = 0; i < 20; ++i) serve(picker, peer(1), 16 << 10, milliseconds(1), now);
  for (std::uint64_t chunk = 0; chunk < 32; ++chunk) {
    EXPECT_EQ(picker.choose(candidates(2), 16 << 10, chunk, now).peer, peer(1));
  }
}

TEST(Picker, measures_the_rate_of_pipelined_answers_and_not_of_each_request) {
  Picker picker(1);
  // Ten requests at once, an answer every 10 ms: 100 MB/s though each takes up to 100 ms.
  for (int i = 0; i < 10; ++i) picker.started(peer(0), kMiB, kStart);
  SteadyTime now = kStart;
  for (int i = 0; i < 10; ++i) {
    now += milliseconds(10);
    picker.succeeded(peer(0), kMiB, kStart, now);
  }
  const Duration patience = picker.patience(peer(0), 100 * kMiB) - kRequestTime;
  EXPECT_GT(patience, milliseconds(1500));
  EXPECT_LT(patience, milliseconds(2500));
}

TEST(Picker, asks_those_who_are_said_to_be_offline_only_when_nobody_else_is_left) {
  Picker picker(1);
  const std::vector<Picker::Candidate> list{{peer(0), false}, {peer(1), true}};
  picker.started(peer(1), kMiB, kStart);
  EXPECT_EQ(picker.choose(list, kMiB, 0, kStart).peer, peer(1));
  picker.failed(peer(1), kMiB, Picker::Failure::broken, kStart);
  const Picker::Choice choice = picker.choose(list, kMiB, 0, kStart);
  EXPECT_EQ(choice.verdict, Verdict::chosen);
  EXPECT_EQ(choice.peer, peer(0));
}

TEST(Picker, waits_for_a_full_holder_instead_of_asking_one_who_is_offline) {
  Picker picker(1);
  for (std::uint32_t i = 0; i < kMaxPeerRequests; ++i) picker.started(peer(1), 1, kStart);
  const std::vector<Picker::Candidate> list{{peer(0), false}, {peer(1), true}};
  EXPECT_EQ(picker.choose(list, kMiB, 0, kStart).verdict, Verdict::busy);
}

TEST(Picker, keeps_bytes_under_way_to_one_peer_below_its_window) {
  Picker picker(1);
  std::uint64_t asked = 0;
  while (picker.choose(candidates(1), kMiB, 0, kStart).verdict == Verdict::chosen) {
    picker.started(peer(0), kMiB, kStart);
    asked += kMiB;
    ASSERT_LE(asked, kFirstPeerWindow);
  }
  EXPECT_EQ(asked, kFirstPeerWindow);
  EXPECT_EQ(picker.choose(candidates(1), kMiB, 0, kStart).verdict, Verdict::busy);
}

TEST(Picker, waits_for_a_full_holder_that_would_answer_before_a_slow_one) {
  Picker picker(1);
  SteadyTime now = kStart;
  for (int i = 0; i < 20; ++i) serve(picker, peer(0), kMiB, milliseconds(10), now);
  for (int i = 0; i < 20; ++i) serve(picker, peer(1), kMiB, milliseconds(500), now);
  while (!picker.pace(peer(0)).is_full(kMiB)) picker.started(peer(0), kMiB, now);
  EXPECT_EQ(picker.choose(candidates(2), kMiB, 0, now).verdict, Verdict::busy);
  // One that is as good is not left idle.
  EXPECT_EQ(picker.choose(std::vector<Picker::Candidate>{{peer(0)}, {peer(2)}}, kMiB, 0, now).peer,
            peer(2));
}

TEST(Picker, asks_a_dear_holder_only_when_it_is_much_quicker) {
  Picker picker(1);
  const std::vector<Picker::Candidate> list{{peer(0), true, true}, {peer(1), true, false}};
  for (std::uint64_t chunk = 0; chunk < 32; ++chunk) {
    EXPECT_EQ(picker.choose(list, kMiB, chunk, kStart).peer, peer(1));
  }
  SteadyTime now = kStart;
  for (int i = 0; i < 20; ++i) serve(picker, peer(0), kMiB, milliseconds(10), now);
  for (int i = 0; i < 20; ++i) serve(picker, peer(1), kMiB, milliseconds(500), now);
  EXPECT_EQ(picker.choose(list, kMiB, 0, now).peer, peer(0));
}

TEST(Picker, counts_answers_that_are_late_together_once_and_pauses_nobody) {
  Picker picker(1);
  for (int i = 0; i < 50; ++i) picker.late(peer(0), kStart);
  EXPECT_EQ(picker.choose(candidates(1), kMiB, 0, kStart).verdict, Verdict::chosen);
  picker.started(peer(1), 5 * kMiB, kStart);
  EXPECT_EQ(picker.choose(candidates(2), kMiB, 0, kStart).peer, peer(0));
}

TEST(Picker, pauses_a_silent_holder_once_for_all_its_requests) {
  Picker picker(1);
  for (int i = 0; i < 50; ++i) picker.silent(peer(0), kStart);
  const Picker::Choice choice = picker.choose(candidates(1), kMiB, 0, kStart);
  ASSERT_EQ(choice.verdict, Verdict::later);
  EXPECT_LE(choice.retry_at - kStart, milliseconds(500));
}

TEST(Picker, avoids_a_late_holder_for_a_while) {
  Picker picker(1);
  picker.late(peer(0), kStart);
  for (std::uint64_t chunk = 0; chunk < 32; ++chunk) {
    EXPECT_EQ(picker.choose(candidates(2), kMiB, chunk, kStart).peer, peer(1));
  }
  const SteadyTime later = kStart + seconds(60);
  std::set<PeerId> chosen;
  for (std::uint64_t chunk = 0; chunk < 64; ++chunk) {
    chosen.insert(picker.choose(candidates(2), kMiB, chunk, later).peer);
  }
  EXPECT_EQ(chosen.size(), 2u);
}

TEST(Picker, pauses_a_failing_holder_longer_each_time_and_forgives_with_time) {
  Picker picker(1);
  SteadyTime now = kStart;
  Duration last{};
  for (int i = 0; i < 5; ++i) {
    picker.started(peer(0), kMiB, now);
    picker.failed(peer(0), kMiB, Picker::Failure::broken, now);
    const Picker::Choice choice = picker.choose(candidates(1), kMiB, 0, now);
    ASSERT_EQ(choice.verdict, Verdict::later);
    EXPECT_GT(choice.retry_at - now, last);
    last = choice.retry_at - now;
    now = choice.retry_at;
    EXPECT_EQ(picker.choose(candidates(1), kMiB, 0, now).verdict, Verdict::chosen);
  }
  now += seconds(120);
  picker.started(peer(0), kMiB, now);
  picker.failed(peer(0), kMiB, Picker::Failure::broken, now);
  EXPECT_LT(picker.choose(candidates(1), kMiB, 0, now).retry_at - now, last / 4);
}

TEST(Picker, takes_another_holder_while_one_pauses) {
  Picker picker(1);
  picker.started(peer(0), kMiB, kStart);
  picker.failed(peer(0), kMiB, Picker::Failure::stalled, kStart);
  for (std::uint64_t chunk = 0; chunk < 32; ++chunk) {
    EXPECT_EQ(picker.choose(candidates(2), kMiB, chunk, kStart).peer, peer(1));
  }
}

TEST(Picker, bans_a_liar_longer_each_time) {
  Picker picker(1);
  const Duration first = lie(picker, kStart);
  EXPECT_TRUE(picker.is_banned(peer(0), kStart));
  EXPECT_EQ(picker.choose(candidates(1), kMiB, 0, kStart).verdict, Verdict::none);
  const SteadyTime back = kStart + first;
  EXPECT_FALSE(picker.is_banned(peer(0), back));
  EXPECT_GT(lie(picker, back), first + first / 2);
}

TEST(Picker, never_bans_for_longer_than_the_limit) {
  Picker picker(1);
  SteadyTime now = kStart;
  for (int i = 0; i < 30; ++i) {
    const Duration ban = lie(picker, now);
    EXPECT_LE(ban, kMaxBanTime);
    now += ban;
  }
}

TEST(Picker, is_patient_in_proportion_to_the_bytes) {
  const Picker picker(1);
  EXPECT_GE(picker.patience(peer(0), 16 << 10), kRequestTime);
  EXPECT_LT(picker.patience(peer(0), 16 << 10), kRequestTime + milliseconds(10));
  EXPECT_GT(picker.patience(peer(0), 16 * kMiB), picker.patience(peer(0), kMiB));
}

}  // namespace
}  // namespace shoal::peerd
