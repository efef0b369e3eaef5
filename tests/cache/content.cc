// SPDX-License-Identifier: MIT
#include "tests/cache/content.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace shoal::cache {

std::uint64_t Content::chunks() const {
  return base::chunk_count(shape.content.size, shape.chunk_bytes);
}

VerifiedLeaves Content::leaves_of(std::uint64_t chunk) const {
  const std::uint64_t per_chunk = base::blocks_per_chunk(shape.chunk_bytes);
  const std::uint64_t first = chunk * per_chunk;
  const std::uint64_t count = std::min(per_chunk, blocks() - first);
  const auto begin = leaves.begin() + static_cast<std::ptrdiff_t>(first);
  auto verified = VerifiedLeaves::verify(shape, layer, chunk,
                                         {begin, begin + static_cast<std::ptrdiff_t>(count)});
  EXPECT_TRUE(verified) << verified.error().message();
  return *verified;
}

VerifiedBlocks Content::blocks_of(std::uint64_t chunk, std::uint32_t first,
                                  std::uint32_t count) const {
  const std::uint64_t start = chunk * shape.chunk_bytes + std::uint64_t{first} * kBlockBytes;
  const std::uint64_t end =
      std::min<std::uint64_t>(bytes.size(), start + std::uint64_t{count} * kBlockBytes);
  Bytes data(bytes.begin() + static_cast<std::ptrdiff_t>(start),
             bytes.begin() + static_cast<std::ptrdiff_t>(end));
  auto verified =
      VerifiedBlocks::verify(leaves_of(chunk), first, std::move(data), base::thread_leaf_hasher());
  EXPECT_TRUE(verified) << verified.error().message();
  return *verified;
}

Content make_content(Bytes bytes, std::uint32_t chunk_bytes) {
  Content content;
  content.shape.chunk_bytes = chunk_bytes;
  content.shape.content.size = bytes.size();
  if (!bytes.empty()) {
    content.leaves = base::hash_leaves(bytes, base::thread_leaf_hasher());
    content.shape.content.root = base::root_of_leaves(content.leaves);
    content.layer = base::piece_layer(content.leaves, chunk_bytes);
  }
  content.bytes = std::move(bytes);
  return content;
}

Bytes random_bytes(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  base::Random(seed).fill(bytes);
  return bytes;
}

Result<void> fill(Blob& blob, const Content& content) {
  for (std::uint64_t chunk = 0; chunk < content.chunks(); ++chunk) {
    const VerifiedLeaves leaves = content.leaves_of(chunk);
    auto stored = blob.put_leaves(leaves);
    if (!stored) return stored;
    stored =
        blob.put(content.blocks_of(chunk, 0, static_cast<std::uint32_t>(leaves.leaves().size())));
    if (!stored) return stored;
  }
  return {};
}

Bytes read_all(Blob& blob) {
  Bytes bytes(blob.info().size);
  auto got = blob.read_at(0, bytes);
  EXPECT_TRUE(got) << got.error().message();
  if (!got) return {};
  EXPECT_EQ(*got, bytes.size());
  return bytes;
}

std::uint64_t test_seed() {
  const char* given = std::getenv("SHOAL_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : base::system_seed();
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  fmt::print("replay: SHOAL_SEED={} --gtest_filter={}.{}\n", seed,
             info != nullptr ? info->test_suite_name() : "?", info != nullptr ? info->name() : "?");
  return seed;
}

}  // namespace shoal::cache
