// SPDX-License-Identifier: MIT
// How the hasher of this machine is found: every candidate is measured once in a process, the
// fastest are tested against OpenSSL before they are used, and OpenSSL takes over from one that
// fails. What the CPU is called plays no part.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/hash_plan.h"

namespace shoal::base {

/// SHA-256 of many messages in an implementation that may fail; a LeafHasher stands in front of it.
/// Thread: one owner.
class LaneHasher {
 public:
  virtual ~LaneHasher() = default;
  /// Shape: as LeafHasher::hash. False when the implementation reports an error; the digests are
  /// worth nothing then.
  [[nodiscard]] virtual bool hash(std::span<const ByteView> leaves, std::span<Digest> digests) = 0;
};

struct HashCandidate {
  std::string name;
  /// Leaves that it hashes side by side: 1 to HashPlan::kGroupLeaves.
  std::size_t lanes = 1;
  /// Null when this machine cannot run it.
  std::function<std::unique_ptr<LaneHasher>()> make;
};

/// The reference; it always works.
HashCandidate openssl_candidate();
/// OpenSSL first, then those of libipsec-mb when built with it.
std::vector<HashCandidate> hash_candidates();

/// Whether hasher agrees with OpenSSL on lengths from 0 to 16 KiB and batches of 1 to 70.
bool agrees_with_openssl(LaneHasher& hasher);
/// The best of a few runs.
HashCost measure_hasher(LaneHasher& hasher, std::size_t lanes, const Clock& clock);

/// The decision that all hashers of a process share. Thread: any.
struct HashChoice {
  /// OpenSSL, then what the plan uses of the others.
  std::vector<HashCandidate> hashers;
  HashPlan plan;
  /// The hasher of full batches first: "ipsec-mb avx512 + ipsec-mb sha-ni + openssl".
  std::string name;
  /// Set when a hasher failed at its work: from then on all is done by OpenSSL.
  mutable std::atomic<bool> is_broken{false};
};

/// Decides among candidates, of which the first is the reference.
/// `wanted` is "" or "auto" for the fastest mixture, or allows besides the reference only those
/// named so or of that family: "openssl", "ipsec-mb", "ipsec-mb avx512". All but one to three short
/// messages then goes to them; when they are not there, OpenSSL takes their place.
std::shared_ptr<const HashChoice> choose_hasher(std::vector<HashCandidate> candidates,
                                                std::string_view wanted, const Clock& clock);
std::unique_ptr<LeafHasher> make_leaf_hasher(std::shared_ptr<const HashChoice> choice);

}  // namespace shoal::base
