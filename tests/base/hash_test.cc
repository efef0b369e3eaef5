// SPDX-License-Identifier: MIT
#include "base/hash.h"

#include <gtest/gtest.h>

#include <vector>

namespace shoal::base {
namespace {

// Vectors of FIPS 180-4's examples (NIST CSRC).
TEST(HashTest, agrees_with_the_standard) {
  EXPECT_EQ(sha256({}).hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256(as_bytes("abc")).hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")).hex(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(HashTest, a_pair_is_the_hash_of_both_in_order) {
  const Digest left = sha256(as_bytes("left"));
  const Digest right = sha256(as_bytes("right"));
  Bytes both(left.bytes.begin(), left.bytes.end());
  both.insert(both.end(), right.bytes.begin(), right.bytes.end());
  EXPECT_EQ(sha256_pair(left, right), sha256(both));
  EXPECT_NE(sha256_pair(left, right), sha256_pair(right, left));
}

TEST(HashTest, a_digest_has_exactly_32_bytes) {
  EXPECT_EQ(Digest::from(Bytes(31)).error().code(), Errc::invalid);
  EXPECT_EQ(Digest::from(Bytes(33)).error().code(), Errc::invalid);
  EXPECT_TRUE(Digest::from(Bytes(32)).value().is_zero());
}

TEST(LeafHasherTest, hashes_each_leaf_alone) {
  const Bytes block(16 * 1024, std::byte{7});
  const ByteView whole(block);
  const std::vector<ByteView> leaves = {whole, whole.first(1), whole.first(0), whole.first(16'383)};
  std::vector<Digest> digests(leaves.size());
  thread_leaf_hasher().hash(leaves, digests);
  for (std::size_t i = 0; i < leaves.size(); ++i) EXPECT_EQ(digests[i], sha256(leaves[i])) << i;
}

}  // namespace
}  // namespace shoal::base
