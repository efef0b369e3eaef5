// SPDX-License-Identifier: MIT
#include "cache/blob.h"

#include <gtest/gtest.h>

#include "tests/cache/content.h"

namespace shoal::cache {
namespace {

constexpr std::uint32_t kChunk = 64 * 1024;  // four blocks

TEST(VerifiedLeaves, accepts_leaves_that_lead_to_the_root) {
  const Content content = random_content(5 * kChunk + 100, 1, kChunk);
  for (std::uint64_t chunk = 0; chunk < content.chunks(); ++chunk) {
    EXPECT_EQ(content.leaves_of(chunk).chunk(), chunk);
  }
}

TEST(VerifiedLeaves, refuses_whatever_does_not) {
  const Content content = random_content(2 * kChunk, 1, kChunk);
  const std::vector<Digest> first(content.leaves.begin(), content.leaves.begin() + 4);
  std::vector<Digest> short_one(first.begin(), first.end() - 1);
  std::vector<Digest> bad = first;
  bad[2].bytes[0] ^= std::byte{1};
  Shape other_size = content.shape;
  other_size.content.size += 1;
  Shape odd_chunk = content.shape;
  odd_chunk.chunk_bytes = 100;
  const auto code = [](const Result<VerifiedLeaves>& result) {
    return result ? Errc::internal : result.error().code();
  };
  using V = VerifiedLeaves;
  EXPECT_EQ(code(V::verify(content.shape, content.layer, 0, short_one)), Errc::corrupt);
  EXPECT_EQ(code(V::verify(content.shape, content.layer, 0, bad)), Errc::corrupt);
  EXPECT_EQ(code(V::verify(content.shape, content.layer, 1, first)), Errc::corrupt);
  EXPECT_EQ(code(V::verify(content.shape, content.layer, 2, first)), Errc::corrupt);
  EXPECT_EQ(code(V::verify(content.shape, {}, 0, first)), Errc::corrupt);
  EXPECT_EQ(code(V::verify(other_size, content.layer, 0, first)), Errc::corrupt);
  EXPECT_EQ(code(V::verify(odd_chunk, content.layer, 0, first)), Errc::corrupt);
}

TEST(VerifiedBlocks, takes_runs_within_a_chunk_with_a_short_end) {
  const Content content = random_content(kChunk + kBlockBytes + 7, 2, kChunk);
  const VerifiedBlocks blocks = content.blocks_of(1, 0, 2);
  EXPECT_EQ(blocks.run(), (BlockRun{4, 2}));
  EXPECT_EQ(blocks.data().size(), kBlockBytes + 7);
}

TEST(VerifiedBlocks, refuses_flipped_bits_and_wrong_lengths) {
  const Content content = random_content(kChunk, 3, kChunk);
  const VerifiedLeaves leaves = content.leaves_of(0);
  base::LeafHasher& hasher = base::thread_leaf_hasher();
  Bytes flipped = content.bytes;
  flipped[3 * kBlockBytes + 5] ^= std::byte{1};
  auto result = VerifiedBlocks::verify(leaves, 0, flipped, hasher);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), Errc::corrupt);
  EXPECT_NE(result.error().context().find("block 3"), std::string::npos);
  EXPECT_FALSE(VerifiedBlocks::verify(leaves, 1, content.bytes, hasher));
  EXPECT_FALSE(VerifiedBlocks::verify(leaves, 9, Bytes(kBlockBytes), hasher));
  EXPECT_FALSE(VerifiedBlocks::verify(leaves, 0, {}, hasher));
  EXPECT_FALSE(VerifiedBlocks::verify(
      leaves, 0, Bytes(content.bytes.begin(), content.bytes.begin() + 100), hasher));
}

}  // namespace
}  // namespace shoal::cache
