// SPDX-License-Identifier: MIT
#include "base/hash_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "base/random.h"

namespace shoal::base {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class TurnedClock final : public Clock {
 public:
  SteadyTime steady() const override { return now_; }
  WallTime wall() const override { return {}; }
  void turn(Duration by) { now_ += by; }

 private:
  SteadyTime now_;
};

enum class Fault { none, wrong_digest, error, not_here };

/// Hashes with OpenSSL, and takes as long on the clock as it is told.
class FakeHasher final : public LaneHasher {
 public:
  FakeHasher(TurnedClock& clock, std::size_t lanes, Duration pass, const Fault& fault)
      : clock_(clock), lanes_(lanes), pass_(pass), fault_(fault) {}

  bool hash(std::span<const ByteView> leaves, std::span<Digest> digests) override {
    clock_.turn(pass_ * ((leaves.size() + lanes_ - 1) / lanes_));
    for (std::size_t i = 0; i < leaves.size(); ++i) digests[i] = sha256(leaves[i]);
    if (fault_ == Fault::wrong_digest) digests.back().bytes[31] ^= std::byte{1};
    return fault_ != Fault::error;
  }

 private:
  TurnedClock& clock_;
  std::size_t lanes_;
  Duration pass_;
  const Fault& fault_;
};

class HashChoiceTest : public testing::Test {
 protected:
  HashCandidate fake(std::string name, std::size_t lanes, Duration pass, const Fault& fault) {
    return {std::move(name), lanes, [this, lanes, pass, &fault]() -> std::unique_ptr<LaneHasher> {
              if (fault == Fault::not_here) return nullptr;
              return std::make_unique<FakeHasher>(clock_, lanes, pass, fault);
            }};
  }

  std::shared_ptr<const HashChoice> choose(std::string_view wanted = "") {
    using std::chrono_literals::operator""us;
    testing::internal::CaptureStderr();
    auto choice = choose_hasher({fake("openssl", 1, 8us, none_), fake("lib wide", 16, 40us, wide_),
                                 fake("lib narrow", 2, 10us, narrow_)},
                                wanted, clock_);
    logged_ += testing::internal::GetCapturedStderr();
    return choice;
  }

  TurnedClock clock_;
  const Fault none_ = Fault::none;
  Fault wide_ = Fault::none;
  Fault narrow_ = Fault::none;
  std::string logged_;
};

/// Batches of random leaves give OpenSSL's digests.
void expect_right(LeafHasher& hasher, std::uint64_t seed) {
  SCOPED_TRACE(testing::Message() << "seed " << seed << ": SHOAL_SEED=" << seed << " repeats it");
  Random random(seed);
  Bytes data(2 * kLeafBytesMax);
  random.fill(data);
  for (int round = 0; round < 40; ++round) {
    std::vector<ByteView> leaves(1 + random.below(70));
    const std::size_t longest = random.chance(0.3) ? 512 : kLeafBytesMax;
    for (ByteView& leaf : leaves) {
      const std::size_t length = random.below(longest + 1);
      leaf = ByteView(data).subspan(random.below(data.size() - length + 1), length);
    }
    std::vector<Digest> digests(leaves.size());
    hasher.hash(leaves, digests);
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      ASSERT_EQ(digests[i], sha256(leaves[i])) << leaves[i].size() << " bytes, number " << i;
    }
  }
}

std::uint64_t test_seed() {
  const char* const seed = std::getenv("SHOAL_SEED");
  return seed != nullptr ? std::strtoull(seed, nullptr, 10) : system_seed();
}

TEST_F(HashChoiceTest, the_fastest_are_chosen_by_batch_size) {
  const auto choice = choose();
  EXPECT_EQ(choice->name, "lib wide + lib narrow + openssl");
  EXPECT_EQ(choice->plan.steps[16].leaves, 16);
  EXPECT_EQ(choice->hashers[choice->plan.steps[16].hasher].name, "lib wide");
  EXPECT_EQ(choice->hashers[choice->plan.steps[2].hasher].name, "lib narrow");
  EXPECT_EQ(choice->hashers[choice->plan.steps[1].hasher].name, "openssl");
  EXPECT_THAT(logged_, IsEmpty());
  expect_right(*make_leaf_hasher(choice), test_seed());
}

TEST_F(HashChoiceTest, what_disagrees_with_openssl_is_left_out_with_one_line) {
  wide_ = Fault::wrong_digest;
  const auto choice = choose();
  EXPECT_EQ(choice->name, "lib narrow + openssl");
  EXPECT_THAT(logged_, HasSubstr("disagrees with OpenSSL and is left out name=lib wide\n"));
  EXPECT_EQ(std::ranges::count(logged_, '\n'), 1);
  expect_right(*make_leaf_hasher(choice), test_seed());
}

TEST_F(HashChoiceTest, openssl_remains_when_all_others_disagree) {
  wide_ = narrow_ = Fault::wrong_digest;
  const auto choice = choose();
  EXPECT_EQ(choice->name, "openssl");
  expect_right(*make_leaf_hasher(choice), test_seed());
}

TEST_F(HashChoiceTest, what_reports_errors_or_is_not_here_is_not_chosen) {
  wide_ = Fault::error;
  narrow_ = Fault::not_here;
  EXPECT_EQ(choose()->name, "openssl");
}

TEST_F(HashChoiceTest, a_failure_at_work_gives_all_to_openssl_with_one_line) {
  const auto choice = choose();
  const auto first = make_leaf_hasher(choice);
  const auto second = make_leaf_hasher(choice);
  expect_right(*first, test_seed());
  wide_ = Fault::error;
  testing::internal::CaptureStderr();
  expect_right(*first, test_seed());
  expect_right(*second, test_seed());
  const std::string line = testing::internal::GetCapturedStderr();
  EXPECT_THAT(line, HasSubstr("reported an error, OpenSSL takes over name=lib wide\n"));
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
  EXPECT_STREQ(first->name(), "openssl");
  EXPECT_STREQ(second->name(), "openssl");
}

TEST_F(HashChoiceTest, a_hasher_that_cannot_be_made_again_is_replaced) {
  const auto choice = choose();
  narrow_ = Fault::not_here;
  testing::internal::CaptureStderr();
  const auto hasher = make_leaf_hasher(choice);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("could not be made"));
  EXPECT_STREQ(hasher->name(), "openssl");
  expect_right(*hasher, test_seed());
}

TEST_F(HashChoiceTest, a_wish_names_one_or_a_family) {
  EXPECT_EQ(choose("openssl")->name, "openssl");
  EXPECT_EQ(choose("auto")->name, choose()->name);
  EXPECT_EQ(choose("lib")->name, "lib wide + lib narrow");
  EXPECT_EQ(choose("lib narrow")->name, "lib narrow");
  EXPECT_THAT(logged_, IsEmpty());
}

TEST_F(HashChoiceTest, a_wish_that_cannot_be_met_is_openssl_with_a_line) {
  EXPECT_EQ(choose("magic")->name, "openssl");
  EXPECT_THAT(logged_, HasSubstr("no such hasher here, OpenSSL takes its place name=magic"));
  logged_.clear();
  wide_ = Fault::wrong_digest;
  const auto choice = choose("lib wide");
  EXPECT_EQ(choice->name, "openssl");
  EXPECT_THAT(logged_, HasSubstr("disagrees"));
  expect_right(*make_leaf_hasher(choice), test_seed());
}

TEST(HashCandidateTest, every_candidate_of_this_machine_equals_openssl) {
  const std::uint64_t seed = test_seed();
  for (const HashCandidate& candidate : hash_candidates()) {
    SCOPED_TRACE(candidate.name);
    const auto lanes = candidate.make();
    if (lanes == nullptr) continue;
    EXPECT_TRUE(agrees_with_openssl(*lanes));
    std::vector<HashCandidate> candidates = {openssl_candidate()};
    if (candidate.name != candidates.front().name) candidates.push_back(candidate);
    const auto choice = choose_hasher(std::move(candidates), candidate.name, SystemClock());
    EXPECT_EQ(choice->name, candidate.name);
    expect_right(*make_leaf_hasher(choice), seed);
  }
}

TEST(HashCandidateTest, every_length_and_batch_size_equals_openssl) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "seed " << seed << ": SHOAL_SEED=" << seed << " repeats it");
  Random random(seed);
  Bytes data(kLeafBytesMax);
  random.fill(data);
  std::vector<ByteView> leaves;  // all lengths up to four blocks, then some of all sizes
  for (std::size_t n = 0; n <= 256; ++n) leaves.push_back(ByteView(data).last(n));
  for (int i = 0; i < 100; ++i)
    leaves.push_back(ByteView(data).last(random.below(data.size() + 1)));
  leaves.push_back(data);
  leaves.emplace_back();  // no address
  std::vector<Digest> expected;
  for (const ByteView leaf : leaves) expected.push_back(sha256(leaf));
  for (const HashCandidate& candidate : hash_candidates()) {
    SCOPED_TRACE(candidate.name);
    const auto lanes = candidate.make();
    if (lanes == nullptr) continue;
    std::vector<Digest> digests(leaves.size());
    ASSERT_TRUE(lanes->hash(leaves, digests));  // more than the library's queue holds
    EXPECT_EQ(digests, expected);
    for (std::size_t batch = 0; batch <= 70; ++batch) {
      const std::size_t first = random.below(leaves.size() - batch + 1);
      ASSERT_TRUE(
          lanes->hash(std::span(leaves).subspan(first, batch), std::span(digests).first(batch)));
      for (std::size_t i = 0; i < batch; ++i) ASSERT_EQ(digests[i], expected[first + i]) << batch;
    }
  }
}

TEST(HashCandidateTest, threads_hash_side_by_side) {
  const auto choice = choose_hasher(hash_candidates(), "ipsec-mb", SystemClock());
  const std::uint64_t seed = test_seed();
  std::vector<std::jthread> threads;
  for (std::uint64_t i = 0; i < 4; ++i) {
    threads.emplace_back([&choice, seed, i] { expect_right(*make_leaf_hasher(choice), seed + i); });
  }
}

TEST(HashCandidateTest, leaves_beyond_the_contract_are_hashed_too) {
  const Bytes data(100'000, std::byte{3});
  const std::vector<ByteView> leaves(20, ByteView(data));
  std::vector<Digest> digests(leaves.size());
  thread_leaf_hasher().hash(leaves, digests);
  for (const Digest& digest : digests) EXPECT_EQ(digest, sha256(data));
}

}  // namespace
}  // namespace shoal::base
