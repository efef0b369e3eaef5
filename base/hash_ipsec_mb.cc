// SPDX-License-Identifier: MIT
// Compiles with libipsec-mb 1.3 and 2.0. The library looks after order and a full queue by itself:
// a job that is submitted may bring back an earlier one, and flushing brings back the rest.
#include "base/hash_ipsec_mb.h"

#include <intel-ipsec-mb.h>

#include "base/check.h"

namespace shoal::base {
namespace {

struct FreeManager {
  void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};
using ManagerPtr = std::unique_ptr<IMB_MGR, FreeManager>;

class IpsecMbHasher final : public LaneHasher {
 public:
  explicit IpsecMbHasher(ManagerPtr manager) : manager_(std::move(manager)) {}

  bool hash(std::span<const ByteView> leaves, std::span<Digest> digests) override {
    CHECK(leaves.size() == digests.size());
    completed_ = 0;
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      fill(*IMB_GET_NEXT_JOB(manager_.get()), leaves[i], digests[i]);
      IMB_JOB* job = IMB_SUBMIT_JOB(manager_.get());
      for (; job != nullptr; job = IMB_GET_COMPLETED_JOB(manager_.get())) count(*job);
    }
    // Always to the end: a job that stayed behind would write into memory that is gone.
    while (const IMB_JOB* job = IMB_FLUSH_JOB(manager_.get())) count(*job);
    return completed_ == leaves.size();
  }

 private:
  static void fill(IMB_JOB& job, ByteView leaf, Digest& digest) {
    static constexpr std::uint8_t kNoBytes = 0;  // an empty leaf may have no address
    job.cipher_mode = IMB_CIPHER_NULL;
    job.cipher_direction = IMB_DIR_ENCRYPT;
    job.chain_order = IMB_ORDER_HASH_CIPHER;
    job.hash_alg = IMB_AUTH_SHA_256;
    job.src = leaf.empty() ? &kNoBytes : reinterpret_cast<const std::uint8_t*>(leaf.data());
    job.hash_start_src_offset_in_bytes = 0;
    job.msg_len_to_hash_in_bytes = leaf.size();
    job.auth_tag_output = reinterpret_cast<std::uint8_t*>(digest.bytes.data());
    job.auth_tag_output_len_in_bytes = Digest::kBytes;
  }

  void count(const IMB_JOB& job) { completed_ += job.status == IMB_STATUS_COMPLETED ? 1 : 0; }

  ManagerPtr manager_;
  std::size_t completed_ = 0;
};

/// Null when the CPU lacks the features, memory is short or the library's own self-test fails.
std::unique_ptr<LaneHasher> make(void (*init)(IMB_MGR*), std::uint64_t flags,
                                 std::uint64_t features) {
  ManagerPtr manager(alloc_mb_mgr(flags));
  if (manager == nullptr || (manager->features & features) != features) return nullptr;
  init(manager.get());
  constexpr std::uint64_t kTested = IMB_FEATURE_SELF_TEST | IMB_FEATURE_SELF_TEST_PASS;
  if (imb_get_errno(manager.get()) != 0 || (manager->features & kTested) == IMB_FEATURE_SELF_TEST) {
    return nullptr;
  }
  return std::make_unique<IpsecMbHasher>(std::move(manager));
}

// Version 1.3 does not ask whether the system saves the wide registers; the compiler's check does.
// With the SHA extensions hidden, the wide forms use their lanes.

std::unique_ptr<LaneHasher> make_avx512() {
  if (!__builtin_cpu_supports("avx512f")) return nullptr;
  return make(init_mb_mgr_avx512, IMB_FLAG_SHANI_OFF, IMB_CPUFLAGS_AVX512);
}

std::unique_ptr<LaneHasher> make_avx2() {
  if (!__builtin_cpu_supports("avx2")) return nullptr;
  return make(init_mb_mgr_avx2, IMB_FLAG_SHANI_OFF, IMB_CPUFLAGS_AVX2);
}

std::unique_ptr<LaneHasher> make_sha_ni() {
  return make(init_mb_mgr_sse, 0, IMB_CPUFLAGS_SSE | IMB_FEATURE_SHANI);
}

std::unique_ptr<LaneHasher> make_sse() {
  return make(init_mb_mgr_sse, IMB_FLAG_SHANI_OFF, IMB_CPUFLAGS_SSE);
}

}  // namespace

std::vector<HashCandidate> ipsec_mb_candidates() {
  return {{"ipsec-mb avx512", 16, make_avx512},
          {"ipsec-mb avx2", 8, make_avx2},
          {"ipsec-mb sse", 4, make_sse},
          {"ipsec-mb sha-ni", 2, make_sha_ni}};
}

}  // namespace shoal::base
