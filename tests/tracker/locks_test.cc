// SPDX-License-Identifier: MIT
#include "tracker/locks.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace shoal::tracker {
namespace {

using wire::LockKind;
using wire::LockOutcome;
using wire::LockType;

constexpr SessionId kOne{1};
constexpr SessionId kTwo{2};
constexpr InodeId kFile{7};

/// Locks of one file by owners of sessions; each owner is a process of its own.
class LocksTest : public testing::Test {
 protected:
  Locks locks;
  Locks::Answers answers;
  std::uint64_t last_token = 0;

  static wire::Lock request(std::uint64_t owner, LockType type, std::uint64_t first,
                            std::uint64_t last, bool wait = false, LockKind kind = LockKind::posix,
                            InodeId inode = kFile) {
    wire::Lock lock;
    lock.inode = inode;
    lock.kind = kind;
    lock.type = type;
    lock.range = {first, last};
    lock.owner = owner;
    lock.pid = static_cast<std::uint32_t>(owner);
    lock.wait = wait;
    return lock;
  }
  /// The immediate answer; nothing: it waits.
  std::optional<LockOutcome> lock(SessionId session, const wire::Lock& asked) {
    const Token token(++last_token);
    const std::size_t before = answers.size();
    locks.lock(session, token, asked, answers);
    for (std::size_t i = before; i < answers.size(); ++i) {
      if (answers[i].token == token) return answers[i].outcome;
    }
    return std::nullopt;
  }
  std::optional<LockOutcome> flock(SessionId session, std::uint64_t owner, LockType type,
                                   bool wait = false) {
    return lock(session,
                request(owner, type, 0, wire::LockRange::kToTheEnd, wait, LockKind::flock));
  }
  void unlock(SessionId session, std::uint64_t owner, std::uint64_t first = 0,
              std::uint64_t last = wire::LockRange::kToTheEnd, LockKind kind = LockKind::posix,
              InodeId inode = kFile) {
    wire::Unlock gone;
    gone.inode = inode;
    gone.kind = kind;
    gone.owner = owner;
    gone.range = {first, last};
    locks.unlock(session, gone, answers);
  }
  bool was_answered(std::uint64_t token, LockOutcome outcome = LockOutcome::granted) const {
    return std::find(answers.begin(), answers.end(), Locks::Answer{Token(token), outcome}) !=
           answers.end();
  }
  bool is_free(LockType type, std::uint64_t first, std::uint64_t last) const {
    return !locks.test(SessionId(99), {kFile, type, {first, last}, 99}).has_value();
  }
};

constexpr auto kRead = LockType::read;
constexpr auto kWrite = LockType::write;
constexpr auto kGranted = LockOutcome::granted;
constexpr auto kRefused = LockOutcome::refused;

TEST_F(LocksTest, readers_share_and_a_writer_excludes) {
  EXPECT_EQ(lock(kOne, request(1, kRead, 0, 9)), kGranted);
  EXPECT_EQ(lock(kTwo, request(1, kRead, 5, 20)), kGranted);
  EXPECT_EQ(lock(kTwo, request(2, kWrite, 0, 4)), kRefused);
  EXPECT_EQ(lock(kTwo, request(2, kWrite, 21, 30)), kGranted);
  EXPECT_EQ(lock(kOne, request(1, kRead, 0, 21)), kRefused);
}

TEST_F(LocksTest, an_owner_is_never_in_its_own_way) {
  EXPECT_EQ(lock(kOne, request(1, kRead, 0, 99)), kGranted);
  EXPECT_EQ(lock(kOne, request(1, kWrite, 40, 59)), kGranted);
  EXPECT_TRUE(is_free(kRead, 0, 39));
  EXPECT_FALSE(is_free(kRead, 40, 59));
  EXPECT_TRUE(is_free(kRead, 60, 99));
  unlock(kOne, 1, 50, 200);
  EXPECT_TRUE(is_free(kWrite, 50, 200));
  EXPECT_FALSE(is_free(kWrite, 0, 39));
  EXPECT_EQ(locks.held(kOne), 2U);
}

TEST_F(LocksTest, the_same_number_in_two_sessions_is_two_owners) {
  EXPECT_EQ(lock(kOne, request(1, kWrite, 0, 9)), kGranted);
  EXPECT_EQ(lock(kTwo, request(1, kWrite, 0, 9)), kRefused);
}

TEST_F(LocksTest, flock_and_posix_locks_know_nothing_of_each_other) {
  EXPECT_EQ(flock(kOne, 1, kWrite), kGranted);
  EXPECT_EQ(lock(kTwo, request(1, kWrite, 0, 9)), kGranted);
  EXPECT_EQ(flock(kTwo, 1, kRead), kRefused);
}

TEST_F(LocksTest, who_waits_is_served_in_order) {
  EXPECT_EQ(flock(kOne, 1, kWrite), kGranted);
  EXPECT_EQ(flock(kOne, 2, kWrite, true), std::nullopt);  // token 2
  EXPECT_EQ(flock(kTwo, 3, kWrite, true), std::nullopt);  // token 3
  unlock(kOne, 1, 0, wire::LockRange::kToTheEnd, LockKind::flock);
  EXPECT_TRUE(was_answered(2));
  EXPECT_FALSE(was_answered(3));
  unlock(kOne, 2, 0, wire::LockRange::kToTheEnd, LockKind::flock);
  EXPECT_TRUE(was_answered(3));
}

TEST_F(LocksTest, a_stream_of_readers_does_not_starve_a_writer) {
  EXPECT_EQ(flock(kOne, 1, kRead), kGranted);
  EXPECT_EQ(flock(kOne, 2, kWrite, true), std::nullopt);  // token 2
  EXPECT_EQ(flock(kTwo, 3, kRead, true), std::nullopt);   // token 3: behind the writer
  unlock(kOne, 1, 0, wire::LockRange::kToTheEnd, LockKind::flock);
  EXPECT_TRUE(was_answered(2));
  EXPECT_FALSE(was_answered(3));
}

TEST_F(LocksTest, who_tries_is_told_of_holders_only) {
  EXPECT_EQ(flock(kOne, 1, kRead), kGranted);
  EXPECT_EQ(flock(kOne, 2, kWrite, true), std::nullopt);
  EXPECT_EQ(flock(kTwo, 3, kRead), kGranted);
}

TEST_F(LocksTest, who_holds_a_lock_is_not_held_back_for_order_alone) {
  EXPECT_EQ(lock(kOne, request(1, kRead, 0, 9)), kGranted);
  EXPECT_EQ(lock(kTwo, request(2, kWrite, 0, 19, true)), std::nullopt);
  EXPECT_EQ(lock(kOne, request(1, kRead, 10, 19, true)), kGranted);  // else both wait for ever
}

TEST_F(LocksTest, one_who_gives_up_lets_those_behind_go) {
  EXPECT_EQ(flock(kOne, 1, kRead), kGranted);
  EXPECT_EQ(flock(kOne, 2, kWrite, true), std::nullopt);  // token 2
  EXPECT_EQ(flock(kTwo, 3, kRead, true), std::nullopt);   // token 3
  locks.cancel(Token(2), answers);
  EXPECT_FALSE(was_answered(2));
  EXPECT_TRUE(was_answered(3));
}

TEST_F(LocksTest, a_downgrade_lets_readers_in) {
  EXPECT_EQ(flock(kOne, 1, kWrite), kGranted);
  EXPECT_EQ(flock(kTwo, 2, kRead, true), std::nullopt);  // token 2
  EXPECT_EQ(flock(kOne, 1, kRead), kGranted);
  EXPECT_TRUE(was_answered(2));
}

TEST_F(LocksTest, a_flock_conversion_that_cannot_be_gives_the_old_lock_up) {
  EXPECT_EQ(flock(kOne, 1, kRead), kGranted);
  EXPECT_EQ(flock(kTwo, 2, kRead), kGranted);
  EXPECT_EQ(flock(kOne, 1, kWrite), kRefused);
  EXPECT_EQ(flock(kTwo, 2, kWrite), kGranted);  // nobody else is left
}

TEST_F(LocksTest, two_flock_conversions_at_once_do_not_block_each_other) {
  EXPECT_EQ(flock(kOne, 1, kRead), kGranted);
  EXPECT_EQ(flock(kTwo, 2, kRead), kGranted);
  EXPECT_EQ(flock(kOne, 1, kWrite, true), std::nullopt);  // token 3
  EXPECT_EQ(flock(kTwo, 2, kWrite, true), kGranted);
  unlock(kTwo, 2, 0, wire::LockRange::kToTheEnd, LockKind::flock);
  EXPECT_TRUE(was_answered(3));
}

TEST_F(LocksTest, a_posix_upgrade_that_cannot_be_keeps_the_old_lock) {
  EXPECT_EQ(lock(kOne, request(1, kRead, 0, 9)), kGranted);
  EXPECT_EQ(lock(kTwo, request(2, kRead, 0, 9)), kGranted);
  EXPECT_EQ(lock(kOne, request(1, kWrite, 0, 9)), kRefused);
  EXPECT_EQ(lock(kTwo, request(2, kWrite, 0, 9)), kRefused);
}

TEST_F(LocksTest, a_circle_of_two_is_a_deadlock) {
  EXPECT_EQ(lock(kOne, request(1, kWrite, 0, 0)), kGranted);
  EXPECT_EQ(lock(kTwo, request(2, kWrite, 1, 1)), kGranted);
  EXPECT_EQ(lock(kOne, request(1, kWrite, 1, 1, true)), std::nullopt);  // token 3
  EXPECT_EQ(lock(kTwo, request(2, kWrite, 0, 0, true)), LockOutcome::deadlock);
  unlock(kTwo, 2);
  EXPECT_TRUE(was_answered(3));
}

TEST_F(LocksTest, a_circle_may_run_through_several_files_and_readers) {
  const auto at = [](std::uint64_t owner, LockType type, std::uint64_t file, bool wait) {
    return request(owner, type, 0, 9, wait, LockKind::posix, InodeId(file));
  };
  EXPECT_EQ(lock(kOne, at(1, kRead, 1, false)), kGranted);
  EXPECT_EQ(lock(kTwo, at(9, kRead, 1, false)), kGranted);
  EXPECT_EQ(lock(kTwo, at(2, kWrite, 2, false)), kGranted);
  EXPECT_EQ(lock(kOne, at(3, kWrite, 3, false)), kGranted);
  EXPECT_EQ(lock(kOne, at(1, kWrite, 2, true)), std::nullopt);
  EXPECT_EQ(lock(kTwo, at(2, kRead, 3, true)), std::nullopt);
  EXPECT_EQ(lock(kOne, at(3, kWrite, 1, true)), LockOutcome::deadlock);
}

TEST_F(LocksTest, two_upgrades_at_once_are_a_deadlock) {
  EXPECT_EQ(lock(kOne, request(1, kRead, 0, 9)), kGranted);
  EXPECT_EQ(lock(kTwo, request(2, kRead, 0, 9)), kGranted);
  EXPECT_EQ(lock(kOne, request(1, kWrite, 0, 9, true)), std::nullopt);
  EXPECT_EQ(lock(kTwo, request(2, kWrite, 0, 9, true)), LockOutcome::deadlock);
}

TEST_F(LocksTest, the_end_of_a_session_gives_up_what_it_had) {
  EXPECT_EQ(lock(kOne, request(1, kWrite, 0, 9)), kGranted);
  EXPECT_EQ(flock(kOne, 1, kWrite), kGranted);
  EXPECT_EQ(lock(kTwo, request(2, kWrite, 5, 20, true)), std::nullopt);  // token 3
  EXPECT_EQ(flock(kTwo, 2, kRead, true), std::nullopt);                  // token 4
  EXPECT_EQ(flock(kOne, 5, kWrite, true), std::nullopt);                 // token 5
  EXPECT_EQ(locks.end_session(kOne, answers), (std::vector<Token>{Token(5)}));
  EXPECT_TRUE(was_answered(3));
  EXPECT_TRUE(was_answered(4));
  EXPECT_FALSE(was_answered(5));
  EXPECT_EQ(locks.held(kOne), 0U);
}

TEST_F(LocksTest, a_withdrawn_request_leaves_what_was_before) {
  EXPECT_EQ(lock(kOne, request(1, kRead, 0, 9)), kGranted);
  EXPECT_EQ(lock(kTwo, request(2, kRead, 0, 9)), kGranted);
  wire::Lock upgrade = request(1, kWrite, 0, 19, true);
  upgrade.ticket = 77;
  EXPECT_EQ(lock(kOne, upgrade), std::nullopt);  // token 3
  wire::Unlock back;
  back.inode = kFile;
  back.owner = 1;
  back.range = {0, 19};
  back.ticket = 77;
  back.keep = {{{0, 9}, kRead}};
  locks.unlock(kOne, back, answers);
  EXPECT_FALSE(locks.is_waiting(Token(3)));
  // The same when it was granted before anybody heard of it.
  unlock(kTwo, 2);
  EXPECT_EQ(lock(kOne, upgrade), kGranted);
  EXPECT_FALSE(is_free(kRead, 0, 9));
  locks.unlock(kOne, back, answers);
  EXPECT_TRUE(is_free(kRead, 0, 9));
  EXPECT_FALSE(is_free(kWrite, 0, 9));
  EXPECT_TRUE(is_free(kWrite, 10, 19));
}

TEST_F(LocksTest, nothing_is_kept_that_the_owner_does_not_have) {
  wire::Unlock back;
  back.inode = kFile;
  back.owner = 1;
  back.keep = {{{0, 9}, kWrite}};
  locks.unlock(kOne, back, answers);
  EXPECT_TRUE(is_free(kWrite, 0, 9));
  EXPECT_EQ(lock(kOne, request(1, kRead, 0, 4)), kGranted);
  locks.unlock(kOne, back, answers);
  EXPECT_TRUE(is_free(kRead, 0, 9));
  EXPECT_EQ(locks.held(kOne), 1U);
}

TEST_F(LocksTest, a_test_tells_the_first_lock_in_the_way) {
  EXPECT_EQ(lock(kOne, request(5, kWrite, 10, 19)), kGranted);
  EXPECT_EQ(lock(kTwo, request(6, kRead, 0, 5)), kGranted);
  const auto found = locks.test(kOne, {kFile, kWrite, {3, 100}, 9});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->range, (wire::LockRange{0, 5}));
  EXPECT_EQ(found->type, kRead);
  EXPECT_EQ(found->pid, 0U) << "a process of another machine";
  const auto write = locks.test(kOne, {kFile, kRead, {3, 100}, 9});
  ASSERT_TRUE(write);
  EXPECT_EQ(write->range, (wire::LockRange{10, 19}));
  EXPECT_EQ(write->pid, 5U);
  EXPECT_FALSE(locks.test(kOne, {kFile, kWrite, {10, 19}, 5}));
}

TEST_F(LocksTest, a_session_has_limits) {
  locks = Locks({4, 1});
  EXPECT_EQ(lock(kOne, request(1, kWrite, 0, 0)), kGranted);
  EXPECT_EQ(lock(kOne, request(1, kWrite, 2, 2)), kGranted);
  EXPECT_EQ(lock(kOne, request(1, kWrite, 4, 4)), kGranted);
  EXPECT_EQ(lock(kOne, request(1, kWrite, 6, 6)), LockOutcome::too_many);
  EXPECT_EQ(lock(kTwo, request(1, kWrite, 0, 0, true)), std::nullopt);
  EXPECT_EQ(lock(kTwo, request(2, kWrite, 0, 0, true)), LockOutcome::too_many);
}

TEST_F(LocksTest, a_claim_of_what_somebody_has_is_refused) {
  wire::LockClaim claim;
  claim.inode = kFile;
  claim.owner = 1;
  claim.piece = {{0, 9}, kWrite};
  EXPECT_TRUE(locks.claim(kOne, claim));
  EXPECT_TRUE(locks.claim(kOne, claim));
  EXPECT_FALSE(locks.claim(kTwo, claim));
  EXPECT_FALSE(is_free(kRead, 0, 9));
}

// ---- against a model of bytes -----------------------------------------------------------------

constexpr std::size_t kOwners = 5;
constexpr std::size_t kBytes = 24;

/// Who has which byte how: 0 nothing, 1 read, 2 write. Owners of even number are of session one.
class Model {
 public:
  static SessionId session(std::size_t owner) { return owner % 2 == 0 ? kOne : kTwo; }

  std::vector<std::size_t> blockers(std::size_t owner, const wire::Lock& asked) const {
    std::vector<std::size_t> found;
    for (std::size_t other = 0; other < kOwners; ++other) {
      if (other != owner && is_in_way(other, asked)) found.push_back(other);
    }
    return found;
  }
  void set(std::size_t owner, const wire::LockRange& range, int value) {
    for (std::uint64_t i = range.first; i <= range.last; ++i) bytes_[owner][i] = value;
  }
  int at(std::size_t owner, std::size_t byte) const { return bytes_[owner][byte]; }
  bool is_sound() const {
    for (std::size_t i = 0; i < kBytes; ++i) {
      int writers = 0;
      int holders = 0;
      for (const auto& bytes : bytes_) {
        writers += bytes[i] == 2 ? 1 : 0;
        holders += bytes[i] != 0 ? 1 : 0;
      }
      if (writers > 1 || (writers == 1 && holders > 1)) return false;
    }
    return true;
  }

  std::map<Token, std::pair<std::size_t, wire::Lock>> waiting;

  /// Whether the owner, asking for this, would wait for itself.
  bool closes_circle(std::size_t owner, const wire::Lock& asked) const {
    std::set<std::size_t> seen;
    std::vector<std::size_t> open = blockers(owner, asked);
    while (!open.empty()) {
      const std::size_t next = open.back();
      open.pop_back();
      if (next == owner) return true;
      if (!seen.insert(next).second) continue;
      for (const auto& [token, wait] : waiting) {
        if (wait.first != next) continue;
        for (const std::size_t other : blockers(next, wait.second)) open.push_back(other);
      }
    }
    return false;
  }

 private:
  bool is_in_way(std::size_t other, const wire::Lock& asked) const {
    for (std::uint64_t i = asked.range.first; i <= asked.range.last; ++i) {
      const int has = bytes_[other][i];
      if (has == 2 || (has == 1 && asked.type == kWrite)) return true;
    }
    return false;
  }
  std::array<std::array<int, kBytes>, kOwners> bytes_{};
};

class LocksModelTest : public LocksTest {
 protected:
  void take_answers() {
    for (const Locks::Answer& answer : std::exchange(answers, {})) {
      const auto [owner, asked] = model.waiting.at(answer.token);
      model.waiting.erase(answer.token);
      if (answer.outcome == kGranted) {
        EXPECT_TRUE(model.blockers(owner, asked).empty());
        model.set(owner, asked.range, asked.type == kWrite ? 2 : 1);
      } else if (answer.outcome == kRefused) {
        EXPECT_FALSE(asked.wait);
        EXPECT_FALSE(model.blockers(owner, asked).empty());
      } else {
        EXPECT_EQ(answer.outcome, LockOutcome::deadlock);
        EXPECT_TRUE(model.closes_circle(owner, asked));
      }
    }
    ASSERT_TRUE(model.is_sound());
  }
  void compare() {
    for (std::size_t i = 0; i < kBytes; ++i) {
      for (std::size_t owner = 0; owner < kOwners; ++owner) {
        const int has = model.at(owner, i);
        wire::Lock probe = request(owner + 1, has == 2 ? kWrite : kRead, i, i);
        ASSERT_EQ(locks.has(Model::session(owner), probe), has != 0) << owner << " at " << i;
      }
    }
    // Nobody waits without a reason.
    for (const auto& [token, wait] : model.waiting) {
      ASSERT_TRUE(locks.is_waiting(token));
      const bool has_holder = !model.blockers(wait.first, wait.second).empty();
      const bool has_earlier =
          std::any_of(model.waiting.begin(), model.waiting.find(token), [&](const auto& earlier) {
            const wire::LockRange& a = earlier.second.second.range;
            const wire::LockRange& b = wait.second.range;
            return earlier.second.first != wait.first && a.first <= b.last && b.first <= a.last;
          });
      ASSERT_TRUE(has_holder || has_earlier);
      ASSERT_FALSE(model.closes_circle(wait.first, wait.second));
    }
  }
  Model model;
};

TEST_F(LocksModelTest, random_locks_agree_with_an_array_of_bytes) {
  const std::uint64_t seed = base::system_seed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  base::Random random(seed);
  for (int step = 0; step < 20'000; ++step) {
    const std::size_t owner = random.below(kOwners);
    const std::uint64_t first = random.below(kBytes);
    const std::uint64_t last = first + random.below(kBytes - first);
    const std::uint64_t action = random.below(10);
    if (action < 6) {
      const LockType type = random.chance(0.5) ? kRead : kWrite;
      const wire::Lock asked = request(owner + 1, type, first, last, action < 3);
      const Token token(++last_token);
      model.waiting[token] = {owner, asked};
      locks.lock(Model::session(owner), token, asked, answers);
    } else if (action < 9) {
      model.set(owner, {first, last}, 0);
      unlock(Model::session(owner), owner + 1, first, last);
    } else if (!model.waiting.empty()) {
      auto chosen = model.waiting.begin();
      std::advance(chosen, static_cast<std::ptrdiff_t>(random.below(model.waiting.size())));
      const Token token = chosen->first;
      model.waiting.erase(chosen);
      locks.cancel(token, answers);
    }
    take_answers();
    compare();
    if (HasFatalFailure()) return;
  }
  // When all let go of all they get, everybody gets what he waits for.
  while (!model.waiting.empty()) {
    const std::size_t before = model.waiting.size();
    for (std::size_t owner = 0; owner < kOwners; ++owner) {
      model.set(owner, {0, kBytes - 1}, 0);
      unlock(Model::session(owner), owner + 1);
      take_answers();
    }
    ASSERT_LT(model.waiting.size(), before);
  }
}

}  // namespace
}  // namespace shoal::tracker
