// SPDX-License-Identifier: MIT
#include "base/hash_choice.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/hash_ipsec_mb.h"
#include "base/log.h"
#include "base/random.h"

namespace shoal::base {
namespace {

/// Messages up to this length are short: starting a job costs more than hashing them.
constexpr std::size_t kShortBytes = 512;
/// Below this, batches of short messages are not worth another hasher's start.
constexpr std::size_t kFewPairs = 4;
constexpr double kNever = std::numeric_limits<double>::infinity();

class OpensslHasher final : public LaneHasher {
 public:
  bool hash(std::span<const ByteView> leaves, std::span<Digest> digests) override {
    CHECK(leaves.size() == digests.size());
    for (std::size_t i = 0; i < leaves.size(); ++i) digests[i] = sha256(leaves[i]);
    return true;
  }
};

/// Splits batches as planned. Hasher 0 is OpenSSL, which is always there.
class PlannedHasher final : public LeafHasher {
 public:
  explicit PlannedHasher(std::shared_ptr<const HashChoice> choice) : choice_(std::move(choice)) {
    for (const HashCandidate& candidate : choice_->hashers) {
      hashers_.push_back(candidate.make());
      if (hashers_.back() == nullptr) give_up(candidate.name, "could not be made");
    }
  }

  void hash(std::span<const ByteView> leaves, std::span<Digest> digests) override {
    CHECK(leaves.size() == digests.size());
    if (hashers_.size() == 1 || choice_->is_broken.load(std::memory_order_relaxed)) {
      return run(0, leaves, digests);
    }
    std::size_t longest = 0;
    for (const ByteView leaf : leaves) longest = std::max(longest, leaf.size());
    if (longest > kLeafBytesMax) return run(0, leaves, digests);
    if (longest <= kShortBytes) {
      return run(leaves.size() < kFewPairs ? 0 : choice_->plan.pair_hasher, leaves, digests);
    }
    run_steps(leaves, digests);
  }

  const char* name() const override {
    return choice_->is_broken.load(std::memory_order_relaxed) ? "openssl" : choice_->name.c_str();
  }

 private:
  void run_steps(std::span<const ByteView> leaves, std::span<Digest> digests) {
    constexpr std::size_t kGroup = HashPlan::kGroupLeaves;
    while (!leaves.empty()) {
      const HashStep step = choice_->plan.steps[std::min(leaves.size(), kGroup)];
      std::size_t count = step.leaves;
      if (count == kGroup) count = leaves.size() / kGroup * kGroup;
      run(step.hasher, leaves.first(count), digests.first(count));
      leaves = leaves.subspan(count);
      digests = digests.subspan(count);
    }
  }

  void run(std::size_t hasher, std::span<const ByteView> leaves, std::span<Digest> digests) {
    if (hashers_[hasher] != nullptr && hashers_[hasher]->hash(leaves, digests)) return;
    if (hashers_[hasher] != nullptr) {
      give_up(choice_->hashers[hasher].name, "reported an error");
      hashers_[hasher].reset();
    }
    const bool done = hashers_[0]->hash(leaves, digests);
    CHECK(done, "OpenSSL cannot hash");
  }

  /// One line in a process, however many threads meet the failure.
  void give_up(const std::string& name, std::string_view what) {
    if (choice_->is_broken.exchange(true)) return;
    log_warning("a hasher {}, OpenSSL takes over name={}", what, name);
  }

  std::shared_ptr<const HashChoice> choice_;
  std::vector<std::unique_ptr<LaneHasher>> hashers_;
};

/// Keeps the reference and what `wanted` allows besides. True when the reference may be used.
bool keep_wanted(std::vector<HashCandidate>& candidates, std::string_view wanted) {
  if (wanted.empty() || wanted == "auto") return true;
  const auto is_other = [wanted](const HashCandidate& candidate) {
    const std::string_view name = candidate.name;
    return name != wanted && !(name.starts_with(wanted) && name[wanted.size()] == ' ');
  };
  const bool is_reference = candidates.front().name == wanted;
  candidates.erase(std::remove_if(candidates.begin() + 1, candidates.end(), is_other),
                   candidates.end());
  return is_reference;
}

struct Contender {
  HashCandidate candidate;
  std::unique_ptr<LaneHasher> hasher;
  HashCost cost;
  bool is_tested = false;
};

std::vector<Contender> measure_all(std::vector<HashCandidate> candidates, const Clock& clock) {
  std::vector<Contender> contenders;
  for (HashCandidate& candidate : candidates) {
    auto hasher = candidate.make();
    if (hasher == nullptr) continue;
    HashCost cost{.lanes = candidate.lanes};
    if (candidates.size() > 1) cost = measure_hasher(*hasher, candidate.lanes, clock);
    contenders.push_back({std::move(candidate), std::move(hasher), cost});
  }
  CHECK(!contenders.empty());
  return contenders;
}

HashPlan plan_for(std::span<const Contender> contenders) {
  std::vector<HashCost> costs;
  for (const Contender& contender : contenders) costs.push_back(contender.cost);
  return plan_hashing(costs);
}

/// Plans until all that the plan uses have passed their test, and drops the others.
HashPlan plan_and_test(std::vector<Contender>& contenders) {
  HashPlan plan = plan_for(contenders);
  for (std::size_t i = 1; i < contenders.size();) {
    Contender& contender = contenders[i];
    if (!plan.uses(i) || contender.is_tested) {
      ++i;
    } else if (agrees_with_openssl(*contender.hasher)) {
      contender.is_tested = true;
    } else {
      log_warning("a hasher disagrees with OpenSSL and is left out name={}",
                  contender.candidate.name);
      contenders.erase(contenders.begin() + static_cast<std::ptrdiff_t>(i));
      plan = plan_for(contenders);
      i = 1;
    }
  }
  for (std::size_t i = contenders.size() - 1; i >= 1; --i) {
    if (!plan.uses(i)) contenders.erase(contenders.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return plan_for(contenders);  // the same with other numbers
}

std::string describe(const HashChoice& choice) {
  const HashPlan& plan = choice.plan;
  std::vector<std::size_t> order;  // full batches first
  for (std::size_t n = HashPlan::kGroupLeaves; n >= 1; --n) order.push_back(plan.steps[n].hasher);
  order.push_back(plan.pair_hasher);
  std::string text;
  std::vector<bool> is_named(choice.hashers.size());
  for (const std::size_t hasher : order) {
    if (is_named[hasher]) continue;
    is_named[hasher] = true;
    text += (text.empty() ? "" : " + ") + choice.hashers[hasher].name;
  }
  return text;
}

const std::shared_ptr<const HashChoice>& process_choice() {
  static const std::shared_ptr<const HashChoice> choice = [] {
    const char* const wanted = std::getenv("SHOAL_HASHER");
    auto made = choose_hasher(hash_candidates(), wanted != nullptr ? wanted : "", SystemClock());
    log_debug("hashing with {}", made->name);
    return made;
  }();
  return choice;
}

}  // namespace

HashCandidate openssl_candidate() {
  return {"openssl", 1, [] { return std::make_unique<OpensslHasher>(); }};
}

std::vector<HashCandidate> hash_candidates() {
  std::vector<HashCandidate> candidates = {openssl_candidate()};
  for (HashCandidate& candidate : ipsec_mb_candidates()) candidates.push_back(std::move(candidate));
  return candidates;
}

bool agrees_with_openssl(LaneHasher& hasher) {
  constexpr std::size_t kMessages = 70;
  // Where padding spills into another block of 64 bytes, and around a whole leaf.
  constexpr std::array<std::size_t, 14> kLengths = {0,   1,   55,  56,  63,     64,     65,
                                                    119, 120, 127, 128, 16'320, 16'383, 16'384};
  Random random(kMessages);
  Bytes data(kLeafBytesMax);
  random.fill(data);
  std::vector<ByteView> messages;
  std::vector<Digest> expected;
  for (std::size_t i = 0; i < kMessages; ++i) {
    const std::size_t length =
        i % 2 == 0 ? kLengths[i / 2 % kLengths.size()] : random.below(i % 10 == 1 ? 16'384 : 1'024);
    messages.push_back(ByteView(data).subspan(random.below(data.size() - length + 1), length));
    expected.push_back(sha256(messages.back()));
  }
  std::vector<Digest> digests(kMessages);
  for (std::size_t batch = 1; batch <= kMessages; batch += batch < 18 || batch > 67 ? 1 : 5) {
    const std::size_t first = random.below(kMessages - batch + 1);
    std::ranges::fill(digests, Digest{});
    if (!hasher.hash(std::span(messages).subspan(first, batch), std::span(digests).first(batch)) ||
        !std::equal(digests.begin(), digests.begin() + static_cast<std::ptrdiff_t>(batch),
                    expected.begin() + static_cast<std::ptrdiff_t>(first))) {
      return false;
    }
  }
  return true;
}

HashCost measure_hasher(LaneHasher& hasher, std::size_t lanes, const Clock& clock) {
  constexpr int kRuns = 6;
  constexpr std::size_t kPairs = 32;
  const Bytes data(std::max(lanes * kLeafBytesMax, kPairs * 2 * Digest::kBytes), std::byte{1});
  std::vector<ByteView> messages;
  std::vector<Digest> digests(std::max(lanes, kPairs));
  const auto best_of = [&](std::size_t count, std::size_t length) {
    messages.clear();
    for (std::size_t i = 0; i < count; ++i) {
      messages.push_back(ByteView(data).subspan(i * length, length));
    }
    double best = kNever;  // for one that fails
    for (int run = 0; run < kRuns; ++run) {
      const SteadyTime start = clock.steady();
      if (!hasher.hash(messages, std::span(digests).first(count))) break;
      best = std::min(best, std::chrono::duration<double>(clock.steady() - start).count());
    }
    return best;
  };
  HashCost cost{.lanes = lanes};
  cost.pass_seconds = best_of(lanes, kLeafBytesMax);
  cost.pair_seconds = best_of(kPairs, 2 * Digest::kBytes) / kPairs;
  return cost;
}

std::shared_ptr<const HashChoice> choose_hasher(std::vector<HashCandidate> candidates,
                                                std::string_view wanted, const Clock& clock) {
  CHECK(!candidates.empty());
  const bool may_use_reference = keep_wanted(candidates, wanted);
  std::vector<Contender> contenders = measure_all(std::move(candidates), clock);
  if (!may_use_reference) {
    contenders.front().cost.pass_seconds = kNever;
    contenders.front().cost.pair_seconds = kNever;
    if (contenders.size() == 1) {
      log_warning("no such hasher here, OpenSSL takes its place name={}", wanted);
    }
  }
  auto choice = std::make_shared<HashChoice>();
  choice->plan = plan_and_test(contenders);
  for (Contender& contender : contenders) {
    choice->hashers.push_back(std::move(contender.candidate));
  }
  choice->name = describe(*choice);
  return choice;
}

std::unique_ptr<LeafHasher> make_leaf_hasher(std::shared_ptr<const HashChoice> choice) {
  return std::make_unique<PlannedHasher>(std::move(choice));
}

std::unique_ptr<LeafHasher> make_leaf_hasher() { return make_leaf_hasher(process_choice()); }

LeafHasher& thread_leaf_hasher() {
  thread_local const std::unique_ptr<LeafHasher> hasher = make_leaf_hasher();
  return *hasher;
}

}  // namespace shoal::base
