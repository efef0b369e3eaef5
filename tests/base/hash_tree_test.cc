// SPDX-License-Identifier: MIT
#include "base/hash_tree.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/support/temp_folder.h"

namespace shoal::base {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

/// The content that tests/golden/make_hash_tree.py hashes.
Bytes golden_content(std::uint64_t size) {
  Bytes content(size);
  for (std::uint64_t i = 0; i < size; ++i) {
    content[i] = static_cast<std::byte>(i * 2'654'435'761u >> 16 & 0xff);
  }
  return content;
}

std::vector<Digest> leaves_of(std::uint64_t size) {
  return hash_leaves(golden_content(size), thread_leaf_hasher());
}

Digest hash_of_layer(const std::vector<Digest>& layer) {
  Bytes bytes;
  for (const Digest& digest : layer) {
    bytes.insert(bytes.end(), digest.bytes.begin(), digest.bytes.end());
  }
  return sha256(bytes);
}

struct GoldenCase {
  std::uint64_t size = 0;
  std::uint32_t chunk_bytes = 0;
  std::string root;
  std::size_t layer_hashes = 0;
  std::string layer_sha256;
};

std::vector<GoldenCase> golden_cases() {
  std::ifstream file(test::source_path("tests/golden/hash_tree.txt"));
  std::vector<GoldenCase> cases;
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with('#')) continue;
    GoldenCase one;
    std::istringstream(line) >> one.size >> one.chunk_bytes >> one.root >> one.layer_hashes >>
        one.layer_sha256;
    cases.push_back(one);
  }
  return cases;
}

TEST(HashTreeTest, agrees_with_an_independent_bittorrent_implementation) {
  const std::vector<GoldenCase> cases = golden_cases();
  ASSERT_GE(cases.size(), 90u) << "set SHOAL_SOURCE_DIR to the root of the source tree";
  for (const GoldenCase& one : cases) {
    SCOPED_TRACE(fmt::format("size {} chunk {}", one.size, one.chunk_bytes));
    const std::vector<Digest> leaves = leaves_of(one.size);
    if (one.size == 0) {
      EXPECT_TRUE(leaves.empty());
      EXPECT_EQ(one.root, "-");
      continue;
    }
    const std::vector<Digest> layer = piece_layer(leaves, one.chunk_bytes);
    EXPECT_EQ(root_of_leaves(leaves).hex(), one.root);
    EXPECT_EQ(layer.size(), one.layer_hashes);
    EXPECT_EQ(layer.empty() ? "-" : hash_of_layer(layer).hex(), one.layer_sha256);
    if (!layer.empty()) {
      EXPECT_EQ(root_of_layer(layer, one.chunk_bytes).hex(), one.root);
    }
  }
}

TEST(HashTreeTest, counts_blocks_and_chunks) {
  EXPECT_EQ(block_count(0), 0u);
  EXPECT_EQ(block_count(1), 1u);
  EXPECT_EQ(block_count(kBlockBytes), 1u);
  EXPECT_EQ(block_count(kBlockBytes + 1), 2u);
  EXPECT_EQ(chunk_count(0, kDefaultChunkBytes), 0u);
  EXPECT_EQ(chunk_count(kMiB, kDefaultChunkBytes), 1u);
  EXPECT_EQ(chunk_count(kMiB + 1, kDefaultChunkBytes), 2u);
  EXPECT_EQ(block_count(kMaxFileBytes), kMaxFileBytes / kBlockBytes);
  EXPECT_EQ(blocks_per_chunk(kDefaultChunkBytes), 64u);
}

TEST(HashTreeTest, chunks_grow_when_the_piece_layer_gets_long) {
  EXPECT_EQ(chunk_bytes_for(0), kDefaultChunkBytes);
  EXPECT_EQ(chunk_bytes_for(65'536 * kMiB), kDefaultChunkBytes);
  EXPECT_EQ(chunk_bytes_for(65'536 * kMiB + 1), 2 * kDefaultChunkBytes);
  EXPECT_EQ(chunk_bytes_for(kMaxFileBytes), kMaxChunkBytes);
}

TEST(HashTreeTest, chunk_sizes_are_powers_of_two_within_bounds) {
  EXPECT_TRUE(is_valid_chunk_bytes(kMinChunkBytes));
  EXPECT_TRUE(is_valid_chunk_bytes(kMaxChunkBytes));
  for (const std::uint32_t size : {0u, 1u, 8192u, 16'385u, 3u * 16'384u, 2 * kMaxChunkBytes}) {
    EXPECT_FALSE(is_valid_chunk_bytes(size)) << size;
  }
}

/// A content of 2 1/2 chunks with all its hashes.
class VerifyTest : public testing::Test {
 protected:
  static constexpr std::uint32_t kChunk = 4 * kBlockBytes;
  static constexpr std::uint64_t kSize = 10 * kBlockBytes - 100;

  std::vector<Digest> leaves_ = leaves_of(kSize);
  std::vector<Digest> layer_ = piece_layer(leaves_, kChunk);
  ContentId content_{root_of_leaves(leaves_), kSize};

  std::span<const Digest> chunk_leaves(std::size_t chunk) const {
    const std::size_t first = chunk * 4;
    return std::span(leaves_).subspan(first, std::min<std::size_t>(4, leaves_.size() - first));
  }
};

TEST_F(VerifyTest, accepts_what_belongs) {
  EXPECT_TRUE(verify_layer(content_, kChunk, layer_));
  for (std::size_t chunk = 0; chunk < 3; ++chunk) {
    EXPECT_TRUE(verify_chunk_leaves(content_, kChunk, layer_, chunk, chunk_leaves(chunk))) << chunk;
  }
}

TEST_F(VerifyTest, refuses_a_layer_with_a_changed_hash) {
  layer_[1].bytes[0] ^= std::byte{1};
  EXPECT_FALSE(verify_layer(content_, kChunk, layer_));
}

TEST_F(VerifyTest, refuses_a_layer_of_the_wrong_length) {
  layer_.push_back(sha256_pair(sha256_pair({}, {}), sha256_pair({}, {})));  // the padding itself
  EXPECT_FALSE(verify_layer(content_, kChunk, layer_));
  EXPECT_FALSE(verify_layer(content_, kChunk, std::span(layer_).first(2)));
  EXPECT_FALSE(verify_layer(content_, kChunk, {}));
}

TEST_F(VerifyTest, refuses_a_root_claimed_for_a_shorter_file) {
  // The inner nodes above the blocks pose as the leaves of a file of four blocks.
  const std::vector<Digest> inner = piece_layer(leaves_, kChunk);
  const ContentId lie{content_.root, 3 * kBlockBytes};
  EXPECT_FALSE(verify_layer(lie, kChunk, layer_));
  EXPECT_FALSE(verify_chunk_leaves({content_.root, kSize}, kChunk, layer_, 0, inner));
}

TEST_F(VerifyTest, refuses_leaves_of_another_chunk_or_number) {
  EXPECT_FALSE(verify_chunk_leaves(content_, kChunk, layer_, 0, chunk_leaves(1)));
  EXPECT_FALSE(verify_chunk_leaves(content_, kChunk, layer_, 2, chunk_leaves(0)));
  EXPECT_FALSE(verify_chunk_leaves(content_, kChunk, layer_, 2, chunk_leaves(2).first(1)));
  EXPECT_FALSE(verify_chunk_leaves(content_, kChunk, layer_, 3, {}));
  EXPECT_FALSE(verify_chunk_leaves(content_, kChunk, layer_, ~std::uint64_t{0}, chunk_leaves(0)));
}

TEST_F(VerifyTest, refuses_chunk_sizes_and_lengths_out_of_bounds) {
  EXPECT_FALSE(verify_layer(content_, 0, layer_));
  EXPECT_FALSE(verify_layer(content_, kChunk + 1, layer_));
  EXPECT_FALSE(verify_chunk_leaves(content_, 0, layer_, 0, chunk_leaves(0)));
  EXPECT_FALSE(verify_layer({content_.root, ~std::uint64_t{0}}, kChunk, layer_));
}

TEST(VerifyOneChunkTest, leaves_lead_to_the_root) {
  const std::vector<Digest> leaves = leaves_of(3 * kBlockBytes);
  const ContentId content{root_of_leaves(leaves), 3 * kBlockBytes};
  EXPECT_TRUE(verify_layer(content, kDefaultChunkBytes, {}));
  EXPECT_FALSE(verify_layer(content, kDefaultChunkBytes, std::span(leaves).first(1)));
  EXPECT_TRUE(verify_chunk_leaves(content, kDefaultChunkBytes, {}, 0, leaves));
  EXPECT_FALSE(verify_chunk_leaves(content, kDefaultChunkBytes, {}, 1, leaves));
  EXPECT_FALSE(verify_chunk_leaves(content, kDefaultChunkBytes, leaves, 0, leaves));
}

TEST(VerifyOneChunkTest, an_empty_file_has_no_leaves) {
  EXPECT_TRUE(verify_layer({}, kDefaultChunkBytes, {}));
  EXPECT_FALSE(verify_chunk_leaves({}, kDefaultChunkBytes, {}, 0, {}));
}

}  // namespace
}  // namespace shoal::base
