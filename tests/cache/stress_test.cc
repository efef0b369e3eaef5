// SPDX-License-Identifier: MIT
// Many threads at once on one store: nothing hangs, and nobody ever reads a wrong byte.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <thread>

#include "tests/cache/content.h"
#include "tests/cache/stores.h"

namespace shoal::cache {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kInodes = 8;
constexpr std::uint64_t kVersions = 3;

template <class Kind>
class BlobStoreStress : public testing::Test {
 protected:
  BlobStoreStress() {
    for (std::uint64_t i = 0; i < kInodes; ++i) {
      for (std::uint64_t v = 0; v < kVersions; ++v) {
        // Versions share most of their bytes, so that following keeps something.
        Bytes bytes = random_bytes(i % 2 == 0 ? 200'000 : 2 * kMiB + 777, i);
        bytes[(v * 50'000 + i) % bytes.size()] = static_cast<std::byte>(v);
        contents_[i][v] = make_content(std::move(bytes));
      }
    }
  }

  void fetch(base::Random& random, std::uint64_t i);
  void read(base::Random& random, std::uint64_t i);
  void change(base::Random& random, std::uint64_t i);
  void work(std::uint64_t seed, int steps);

  Kind kind_;
  std::unique_ptr<BlobStore> store_ = kind_.open(7 * kMiB);  // not enough for all
  std::array<std::array<Content, kVersions>, kInodes> contents_;
};

template <class Kind>
void BlobStoreStress<Kind>::fetch(base::Random& random, std::uint64_t i) {
  const Content& content = contents_[i][random.below(kVersions)];
  auto blob = store_->obtain(InodeId(i + 1), content.shape, content.layer, Role::cached);
  if (!blob) return;
  for (std::uint64_t chunk = 0; chunk < content.chunks(); ++chunk) {
    const VerifiedLeaves leaves = content.leaves_of(chunk);
    auto stored = (*blob)->put_leaves(leaves);
    if (!stored) return;
    const auto count = static_cast<std::uint32_t>(leaves.leaves().size());
    const auto first = static_cast<std::uint32_t>(random.below(count));
    stored = (*blob)->put(content.blocks_of(chunk, first, count - first));
    if (!stored) {  // another thread turned it to another version, or the store is full
      const Errc code = stored.error().code();
      EXPECT_TRUE(code == Errc::stale || code == Errc::no_space) << stored.error().message();
      return;
    }
  }
}

template <class Kind>
void BlobStoreStress<Kind>::read(base::Random& random, std::uint64_t i) {
  auto blob = store_->find(InodeId(i + 1));
  if (!blob) return;
  const BlobInfo info = blob->info();
  const std::uint64_t chunk = random.below(3);
  auto served = blob->serve(info.shape, chunk, 0, 1, true);
  if (served) {
    auto layer = blob->layer();
    if (!layer) return;
    auto leaves = VerifiedLeaves::verify(info.shape, *layer, chunk, std::move(served->leaves));
    if (!leaves) return;  // it is of another version by now; its layer is
    EXPECT_TRUE(
        VerifiedBlocks::verify(*leaves, 0, std::move(served->data), base::thread_leaf_hasher()));
  }
  Bytes out(1000);
  const std::uint64_t at = random.below(info.size + 1);
  auto got = blob->read_at(at, out);
  if (!got) {
    EXPECT_EQ(got.error().code(), Errc::not_found) << got.error().message();
    return;
  }
  for (std::size_t b = 0; b < *got; ++b) {
    const bool is_of_a_version = std::ranges::any_of(
        contents_[i], [&](const Content& content) { return content.bytes[at + b] == out[b]; });
    ASSERT_TRUE(is_of_a_version) << "inode " << i + 1 << " at " << at + b;
  }
}

template <class Kind>
void BlobStoreStress<Kind>::change(base::Random& random, std::uint64_t i) {
  const Content& content = contents_[i][random.below(kVersions)];
  auto blob = store_->create_working(InodeId(i + 1));
  ASSERT_TRUE(blob) << blob.error().message();
  // Others see it grow; what they read of it is the same in all versions or the right byte.
  for (std::size_t at = 0; at < content.bytes.size(); at += 300'000) {
    const std::size_t count = std::min<std::size_t>(300'000, content.bytes.size() - at);
    if (!(*blob)->write_at(at, ByteView(content.bytes).subspan(at, count))) return;
  }
  auto sealed = (*blob)->seal(random.chance(0.1));
  ASSERT_TRUE(sealed) << sealed.error().message();
  EXPECT_EQ(sealed->shape, content.shape);
  EXPECT_TRUE(store_->set_role(InodeId(i + 1), Role::cached));
}

template <class Kind>
void BlobStoreStress<Kind>::work(std::uint64_t seed, int steps) {
  base::Random random(seed);
  for (int step = 0; step < steps; ++step) {
    const std::uint64_t i = random.below(kInodes);
    const std::uint64_t what = random.below(20);
    if (what < 7) {
      fetch(random, i);
    } else if (what < 16) {
      read(random, i);
    } else if (what == 16 && i < 2) {
      change(random, i);
    } else if (what == 17) {
      EXPECT_TRUE(store_->remove(InodeId(i + 1)));
    } else if (what == 18) {
      EXPECT_TRUE(store_->evict(random.below(3 * kMiB)));
    } else {
      std::uint64_t seen = 0;
      store_->for_each([&](const BlobInfo& info) { seen += info.inode ? 1 : 0; });
      EXPECT_LE(seen, kInodes);
      (void)store_->find_content(contents_[i][0].shape.content);
    }
  }
}

using Kinds = testing::Types<MemoryKind, DiskKind>;
TYPED_TEST_SUITE(BlobStoreStress, Kinds);

TYPED_TEST(BlobStoreStress, many_threads_fetch_read_change_remove_and_evict) {
  const std::uint64_t seed = test_seed();
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 6; ++t) {
    threads.emplace_back([this, seed, t] { this->work(seed + t, 250); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(this->store_->close());
}

TYPED_TEST(BlobStoreStress, a_store_that_is_empty_again_takes_nothing) {
  const std::uint64_t seed = test_seed();
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([this, seed, t] { this->work(seed + t, 100); });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::uint64_t i = 1; i <= kInodes; ++i) EXPECT_TRUE(this->store_->remove(InodeId(i)));
  EXPECT_EQ(this->store_->usage().bytes, 0u);
  EXPECT_EQ(this->store_->usage().blobs, 0u);
}

}  // namespace
}  // namespace shoal::cache
