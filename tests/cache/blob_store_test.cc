// SPDX-License-Identifier: MIT
// The contract of Blob and BlobStore, on every kind of store.
#include "cache/blob_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "tests/cache/content.h"
#include "tests/cache/stores.h"

namespace shoal::cache {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kPlenty = 1024 * kMiB;
constexpr InodeId kInode{0x12a};
constexpr InodeId kOther{0x12b};

template <class T>
Errc code(const Result<T>& result) {
  return result ? Errc{} : result.error().code();
}

template <class Kind>
class BlobStoreContract : public testing::Test {
 protected:
  std::shared_ptr<Blob> obtain(const Content& content, InodeId inode = kInode,
                               Role role = Role::cached) {
    auto blob = store_->obtain(inode, content.shape, content.layer, role);
    EXPECT_TRUE(blob) << blob.error().message();
    return *blob;
  }
  std::shared_ptr<Blob> filled(const Content& content, InodeId inode = kInode,
                               Role role = Role::cached) {
    auto blob = obtain(content, inode, role);
    auto stored = fill(*blob, content);
    EXPECT_TRUE(stored) << stored.error().message();
    return blob;
  }
  std::shared_ptr<Blob> working(InodeId inode = kInode) {
    auto blob = store_->create_working(inode);
    EXPECT_TRUE(blob) << blob.error().message();
    return *blob;
  }
  std::shared_ptr<Blob> written(const Bytes& bytes, InodeId inode = kInode) {
    auto blob = working(inode);
    EXPECT_TRUE(blob->write_at(0, bytes));
    return blob;
  }

  Kind kind_;
  std::unique_ptr<BlobStore> store_ = kind_.open(kPlenty);
};

using Kinds = testing::Types<MemoryKind, DiskKind>;
TYPED_TEST_SUITE(BlobStoreContract, Kinds);

// --- fetching

TYPED_TEST(BlobStoreContract, a_new_blob_is_partial_and_all_of_it_is_missing) {
  const Content content = random_content(3 * kMiB + 5, 1);
  auto blob = this->obtain(content);
  const BlobInfo info = blob->info();
  EXPECT_EQ(info.state, BlobState::partial);
  EXPECT_EQ(info.size, content.bytes.size());
  EXPECT_EQ(info.blocks_present, 0u);
  EXPECT_EQ(blob->missing(0, kPlenty), (std::vector<BlockRun>{{0, content.blocks()}}));
  EXPECT_EQ(blob->missing(kBlockBytes - 1, 2), (std::vector<BlockRun>{{0, 2}}));
  EXPECT_TRUE(blob->missing(content.bytes.size(), 10).empty());
  Bytes out(10);
  EXPECT_EQ(code(blob->read_at(0, out)), Errc::not_found);
  EXPECT_EQ(*blob->read_at(content.bytes.size(), out), 0u);
}

TYPED_TEST(BlobStoreContract, the_last_block_seals_it) {
  const Content content = random_content(2 * kMiB + 100, 2);
  auto blob = this->obtain(content, kInode, Role::replica);
  ASSERT_TRUE(blob->put(content.blocks_of(2, 0, 1)));
  ASSERT_TRUE(blob->put(content.blocks_of(0, 10, 20)));
  EXPECT_EQ(blob->info().blocks_present, 21u);
  EXPECT_EQ(blob->info().state, BlobState::partial);
  ASSERT_TRUE(fill(*blob, content));
  EXPECT_EQ(blob->info().state, BlobState::sealed);
  EXPECT_EQ(blob->info().role, Role::replica);
  EXPECT_EQ(blob->info().blocks_present, content.blocks());
  EXPECT_EQ(read_all(*blob), content.bytes);
  EXPECT_TRUE(blob->missing(0, kPlenty).empty());
}

TYPED_TEST(BlobStoreContract, reads_present_blocks_of_a_partial_blob) {
  const Content content = random_content(kMiB, 3);
  auto blob = this->obtain(content);
  ASSERT_TRUE(blob->put(content.blocks_of(0, 4, 2)));
  Bytes out(2 * kBlockBytes);
  ASSERT_TRUE(blob->read_at(4 * kBlockBytes, out));
  EXPECT_TRUE(
      std::ranges::equal(out, ByteView(content.bytes).subspan(4 * kBlockBytes, out.size())));
  EXPECT_EQ(code(blob->read_at(4 * kBlockBytes + 1, out)), Errc::not_found);
}

TYPED_TEST(BlobStoreContract, storing_blocks_twice_changes_nothing) {
  const Content content = random_content(kMiB, 4);
  auto blob = this->filled(content);
  EXPECT_TRUE(blob->put(content.blocks_of(0, 0, 64)));
  EXPECT_TRUE(blob->put_leaves(content.leaves_of(0)));
  EXPECT_EQ(blob->info().state, BlobState::sealed);
}

TYPED_TEST(BlobStoreContract, several_threads_fill_one_blob) {
  const Content content = random_content(8 * kMiB + 3, 5);
  auto blob = this->obtain(content);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      base::Random random(t);
      for (int i = 0; i < 60; ++i) {
        const std::uint64_t chunk = random.below(content.chunks());
        const auto count = static_cast<std::uint32_t>(content.leaves_of(chunk).leaves().size());
        const auto first = static_cast<std::uint32_t>(random.below(count));
        EXPECT_TRUE(blob->put_leaves(content.leaves_of(chunk)));
        EXPECT_TRUE(blob->put(content.blocks_of(chunk, first, count - first)));
      }
      EXPECT_TRUE(fill(*blob, content));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(blob->info().state, BlobState::sealed);
  EXPECT_EQ(read_all(*blob), content.bytes);
}

TYPED_TEST(BlobStoreContract, an_empty_content_is_sealed_at_once) {
  auto blob = this->obtain(make_content({}));
  EXPECT_EQ(blob->info().state, BlobState::sealed);
  EXPECT_EQ(read_all(*blob), Bytes());
  EXPECT_EQ(blob->layer(), std::vector<Digest>());
}

TYPED_TEST(BlobStoreContract, blocks_of_another_content_are_stale) {
  const Content content = random_content(kMiB, 6);
  const Content other = random_content(kMiB, 7);
  auto blob = this->obtain(content);
  EXPECT_EQ(code(blob->put(other.blocks_of(0, 0, 1))), Errc::stale);
  EXPECT_EQ(code(blob->put_leaves(other.leaves_of(0))), Errc::stale);
  EXPECT_EQ(code(blob->put_layer(other.shape, {})), Errc::stale);
}

TYPED_TEST(BlobStoreContract, refuses_a_layer_that_does_not_lead_to_the_root) {
  const Content content = random_content(3 * kMiB, 8);
  std::vector<Digest> bad = content.layer;
  bad[1].bytes[3] ^= std::byte{1};
  EXPECT_EQ(code(this->store_->obtain(kInode, content.shape, bad, Role::cached)), Errc::corrupt);
  auto blob = this->store_->obtain(kInode, content.shape, {}, Role::cached);
  ASSERT_TRUE(blob);
  EXPECT_FALSE((*blob)->layer());
  EXPECT_EQ(code((*blob)->put_layer(content.shape, bad)), Errc::corrupt);
  ASSERT_TRUE((*blob)->put_layer(content.shape, content.layer));
  EXPECT_EQ((*blob)->layer(), content.layer);
}

TYPED_TEST(BlobStoreContract, refuses_a_shape_that_makes_no_sense) {
  Shape shape = random_content(kMiB, 9).shape;
  shape.chunk_bytes = 12345;
  EXPECT_EQ(code(this->store_->obtain(kInode, shape, {}, Role::cached)), Errc::corrupt);
  shape.chunk_bytes = base::kDefaultChunkBytes;
  shape.content.size = ~std::uint64_t{0};
  EXPECT_EQ(code(this->store_->obtain(kInode, shape, {}, Role::cached)), Errc::corrupt);
  shape.content.size = 0;
  EXPECT_EQ(code(this->store_->obtain(kInode, shape, {}, Role::cached)), Errc::corrupt);
  EXPECT_EQ(this->store_->find(kInode), nullptr);
}

TYPED_TEST(BlobStoreContract, knows_the_leaves_it_was_given) {
  const Content content = random_content(2 * kMiB + 5, 10);
  auto blob = this->obtain(content);
  EXPECT_FALSE(blob->leaves(0));
  ASSERT_TRUE(blob->put_leaves(content.leaves_of(1)));
  auto known = blob->leaves(1);
  ASSERT_TRUE(known);
  EXPECT_TRUE(std::ranges::equal(known->leaves(), content.leaves_of(1).leaves()));
  EXPECT_FALSE(blob->leaves(0));
  EXPECT_FALSE(blob->leaves(99));
}

TYPED_TEST(BlobStoreContract, blocks_of_zeroes_are_present_once_the_leaves_are_known) {
  Bytes bytes(3 * kMiB + 100);
  bytes[5 * kBlockBytes] = std::byte{1};
  const Content content = make_content(std::move(bytes));
  auto blob = this->obtain(content);
  for (std::uint64_t chunk = 0; chunk < content.chunks(); ++chunk) {
    ASSERT_TRUE(blob->put_leaves(content.leaves_of(chunk)));
  }
  EXPECT_EQ(blob->missing(0, kPlenty), (std::vector<BlockRun>{{5, 1}}));
  ASSERT_TRUE(blob->put(content.blocks_of(0, 5, 1)));
  EXPECT_EQ(blob->info().state, BlobState::sealed);
  EXPECT_EQ(read_all(*blob), content.bytes);
  EXPECT_LE(blob->info().allocated_bytes, 2 * kBlockBytes);
}

TYPED_TEST(BlobStoreContract, received_zeroes_stay_holes) {
  Bytes bytes(kMiB);
  bytes[0] = bytes[kMiB - 1] = std::byte{1};
  const Content content = make_content(std::move(bytes));
  auto blob = this->obtain(content);
  ASSERT_TRUE(blob->put(content.blocks_of(0, 0, 64)));
  EXPECT_EQ(blob->info().state, BlobState::sealed);
  EXPECT_EQ(read_all(*blob), content.bytes);
  EXPECT_LE(blob->info().allocated_bytes, 4 * kBlockBytes);
}

// --- following

TYPED_TEST(BlobStoreContract, following_keeps_equal_chunks) {
  const Content before = random_content(4 * kMiB + 50, 11);
  Bytes bytes = before.bytes;
  bytes[kMiB + 20] ^= std::byte{1};
  const Content after = make_content(std::move(bytes));
  auto blob = this->filled(before);
  ASSERT_TRUE(blob->follow(after.shape, after.layer));
  EXPECT_EQ(blob->info().state, BlobState::partial);
  EXPECT_EQ(blob->missing(0, kPlenty), (std::vector<BlockRun>{{64, 64}}));
  ASSERT_TRUE(blob->put_leaves(after.leaves_of(1)));  // now it can tell which block changed
  EXPECT_EQ(blob->missing(0, kPlenty), (std::vector<BlockRun>{{64, 1}}));
  ASSERT_TRUE(blob->put(after.blocks_of(1, 0, 64)));
  EXPECT_EQ(blob->info().state, BlobState::sealed);
  EXPECT_EQ(read_all(*blob), after.bytes);
}

TYPED_TEST(BlobStoreContract, following_an_appended_small_file_fetches_its_end) {
  const Content before = random_content(5 * kBlockBytes + 100, 12);
  Bytes bytes = before.bytes;
  const Bytes more = random_bytes(3 * kBlockBytes, 13);
  bytes.insert(bytes.end(), more.begin(), more.end());
  const Content after = make_content(std::move(bytes));
  auto blob = this->filled(before);
  ASSERT_TRUE(blob->follow(after.shape, {}));
  ASSERT_TRUE(blob->put_leaves(after.leaves_of(0)));
  EXPECT_EQ(blob->missing(0, kPlenty), (std::vector<BlockRun>{{5, 4}}));
  ASSERT_TRUE(fill(*blob, after));
  EXPECT_EQ(read_all(*blob), after.bytes);
}

TYPED_TEST(BlobStoreContract, follows_across_sizes) {
  const std::vector<std::size_t> sizes = {100,      0,    kBlockBytes,   kMiB,     3 * kMiB,
                                          kMiB + 1, 5000, 9 * kMiB + 17, kMiB - 1, 2 * kMiB + 1};
  Bytes all = random_bytes(10 * kMiB, 14);
  auto blob = this->filled(make_content(Bytes(all.begin(), all.begin() + 77)));
  for (std::size_t round = 0; round < sizes.size(); ++round) {
    all[round * 1000] ^= std::byte{1};
    const Content next =
        make_content(Bytes(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(sizes[round])));
    ASSERT_TRUE(blob->follow(next.shape, next.layer)) << round;
    ASSERT_TRUE(fill(*blob, next)) << round;
    ASSERT_EQ(blob->info().state, BlobState::sealed) << round;
    ASSERT_EQ(read_all(*blob), next.bytes) << round;
  }
}

TYPED_TEST(BlobStoreContract, following_to_zeroes_leaves_nothing_of_the_old_bytes) {
  const Content before = random_content(2 * kMiB, 15);
  const Content after = make_content(Bytes(2 * kMiB));
  auto blob = this->filled(before);
  ASSERT_TRUE(blob->follow(after.shape, after.layer));
  ASSERT_TRUE(blob->put(after.blocks_of(0, 0, 64)));
  ASSERT_TRUE(blob->put_leaves(after.leaves_of(1)));
  EXPECT_EQ(blob->info().state, BlobState::sealed);
  EXPECT_EQ(read_all(*blob), after.bytes);
}

TYPED_TEST(BlobStoreContract, obtain_follows_and_raises_the_role) {
  const Content before = random_content(1000, 16);
  const Content after = random_content(2000, 17);
  auto blob = this->filled(before);
  auto same = this->obtain(after, kInode, Role::replica);
  EXPECT_EQ(same, blob);
  EXPECT_EQ(same->info().shape, after.shape);
  EXPECT_EQ(same->info().role, Role::replica);
  EXPECT_EQ(this->obtain(after, kInode, Role::cached)->info().role, Role::replica);
}

TYPED_TEST(BlobStoreContract, obtain_and_follow_leave_a_working_blob_alone) {
  const Content content = random_content(1000, 18);
  auto blob = this->written(random_bytes(10, 1));
  EXPECT_EQ(this->obtain(content), blob);
  EXPECT_EQ(blob->info().state, BlobState::working);
  EXPECT_EQ(code(blob->follow(content.shape, {})), Errc::busy);
}

TYPED_TEST(BlobStoreContract, an_origin_that_follows_is_only_cached) {
  auto blob = this->written(random_bytes(10, 1));
  ASSERT_TRUE(blob->seal(false));
  EXPECT_EQ(blob->info().role, Role::origin);
  const Content next = random_content(100, 19);
  ASSERT_TRUE(blob->follow(next.shape, {}));
  EXPECT_EQ(blob->info().role, Role::cached);
}

// --- writing and sealing

TYPED_TEST(BlobStoreContract, seals_what_was_written_with_the_right_root) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{kBlockBytes}, std::size_t{kBlockBytes + 1},
        std::size_t{kMiB}, std::size_t{kMiB + 1}, std::size_t{20 * kMiB + 4097}}) {
    const Content content = random_content(size, size);
    auto blob = this->written(content.bytes);
    auto sealed = blob->seal(false);
    ASSERT_TRUE(sealed) << sealed.error().message();
    EXPECT_EQ(sealed->shape, content.shape) << size;
    EXPECT_EQ(sealed->layer, content.layer) << size;
    EXPECT_EQ(blob->info().state, BlobState::sealed);
    // A new file is empty for everybody already.
    EXPECT_EQ(blob->info().role, size == 0 ? Role::cached : Role::origin);
    EXPECT_EQ(read_all(*blob), content.bytes);
    EXPECT_EQ(blob->layer(), content.layer);
    for (std::uint64_t chunk = 0; chunk < content.chunks(); ++chunk) {
      auto leaves = blob->leaves(chunk);
      ASSERT_TRUE(leaves);
      EXPECT_TRUE(std::ranges::equal(leaves->leaves(), content.leaves_of(chunk).leaves()));
    }
  }
}

TYPED_TEST(BlobStoreContract, hashes_again_after_each_kind_of_change) {
  Bytes model = random_bytes(5 * kMiB + 9, 20);
  auto blob = this->written(model);
  ASSERT_TRUE(blob->seal(false));
  const auto check = [&](const char* what) {
    auto sealed = blob->seal(false);
    ASSERT_TRUE(sealed) << what << sealed.error().message();
    const Content content = make_content(model);
    EXPECT_EQ(sealed->shape, content.shape) << what;
    EXPECT_EQ(sealed->layer, content.layer) << what;
    EXPECT_EQ(read_all(*blob), model) << what;
  };
  const auto begin = [&] { ASSERT_TRUE(blob->begin_working()); };
  begin();
  check("nothing");
  begin();
  const Bytes patch = random_bytes(100'000, 21);
  ASSERT_TRUE(blob->write_at(kMiB - 50'000, patch));
  std::ranges::copy(patch, model.begin() + kMiB - 50'000);
  check("overwritten");
  begin();
  ASSERT_TRUE(blob->write_at(model.size() + 70'000, patch));
  model.resize(model.size() + 70'000);
  model.insert(model.end(), patch.begin(), patch.end());
  check("appended behind a gap");
  begin();
  ASSERT_TRUE(blob->resize(3 * kMiB + 12'345));
  model.resize(3 * kMiB + 12'345);
  check("cut");
  begin();
  ASSERT_TRUE(blob->resize(3 * kMiB + 12'346));
  model.resize(3 * kMiB + 12'346);
  check("grown by a byte");
  begin();
  ASSERT_TRUE(blob->resize(1000));
  ASSERT_TRUE(blob->resize(4 * kMiB));
  model.resize(1000);
  model.resize(4 * kMiB);
  check("cut and grown");
  begin();
  ASSERT_TRUE(blob->write_at(0, patch));
  ASSERT_TRUE(blob->zero(20'000, 50'000, true));
  std::ranges::copy(patch, model.begin());
  std::fill_n(model.begin() + 20'000, 50'000, std::byte{0});
  check("punched");
  begin();
  ASSERT_TRUE(blob->zero(70'000, 10'000, false));
  std::fill_n(model.begin() + 70'000, 10'000, std::byte{0});
  check("zeroed");
  begin();
  ASSERT_TRUE(blob->allocate(4 * kMiB, 100'000, false));
  model.resize(4 * kMiB + 100'000);
  check("allocated");
  begin();
  ASSERT_TRUE(blob->resize(10));
  model.resize(10);
  check("cut to a block");
}

TYPED_TEST(BlobStoreContract, bytes_behind_the_end_are_zero_when_it_grows_again) {
  auto blob = this->written(random_bytes(20'000, 22));
  ASSERT_TRUE(blob->resize(17'000));
  ASSERT_TRUE(blob->write_at(19'000, Bytes(1, std::byte{9})));
  Bytes out(2'000);
  ASSERT_EQ(*blob->read_at(17'000, out), 2'000u);
  EXPECT_EQ(out, Bytes(2'000));
}

TYPED_TEST(BlobStoreContract, writing_needs_a_working_blob) {
  const Content content = random_content(1000, 23);
  auto blob = this->filled(content);
  EXPECT_EQ(code(blob->write_at(0, Bytes(1))), Errc::invalid);
  EXPECT_EQ(code(blob->resize(5)), Errc::invalid);
  EXPECT_EQ(code(blob->seal(false)), Errc::invalid);
  EXPECT_EQ(read_all(*blob), content.bytes);
}

TYPED_TEST(BlobStoreContract, refuses_files_beyond_the_largest) {
  auto blob = this->working();
  EXPECT_EQ(code(blob->write_at(base::kMaxFileBytes, Bytes(1))), Errc::too_large);
  EXPECT_EQ(code(blob->write_at(~std::uint64_t{0}, Bytes(1))), Errc::too_large);
  EXPECT_EQ(code(blob->resize(base::kMaxFileBytes + 1)), Errc::too_large);
  EXPECT_EQ(code(blob->allocate(5, ~std::uint64_t{0}, false)), Errc::too_large);
  EXPECT_EQ(code(blob->zero(~std::uint64_t{0}, 5, true)), Errc::too_large);
  EXPECT_EQ(blob->info().size, 0u);
}

TYPED_TEST(BlobStoreContract, a_sparse_file_of_a_terabyte_is_sealed_in_a_moment) {
  auto blob = this->working();
  const std::uint64_t size = std::uint64_t{1} << 40;
  ASSERT_TRUE(blob->resize(size));
  ASSERT_TRUE(blob->write_at(size / 2 + 5, random_bytes(1000, 1)));
  auto sealed = blob->seal(false);
  ASSERT_TRUE(sealed) << sealed.error().message();
  EXPECT_EQ(sealed->shape.content.size, size);
  EXPECT_EQ(sealed->shape.chunk_bytes, base::chunk_bytes_for(size));
  EXPECT_LT(sealed->allocated_bytes, kMiB);
  EXPECT_TRUE(blob->leaves(3));
  ASSERT_TRUE(blob->begin_working());
  ASSERT_TRUE(blob->write_at(0, random_bytes(1000, 2)));
  auto again = blob->seal(false);
  ASSERT_TRUE(again);
  EXPECT_NE(again->shape, sealed->shape);
}

TYPED_TEST(BlobStoreContract, sealing_what_did_not_change_gives_the_same_content) {
  const Content content = random_content(3 * kMiB, 24);
  auto blob = this->filled(content);
  ASSERT_TRUE(blob->begin_working());
  auto sealed = blob->seal(true);
  ASSERT_TRUE(sealed);
  EXPECT_EQ(sealed->shape, content.shape);
  EXPECT_EQ(sealed->layer, content.layer);
}

TYPED_TEST(BlobStoreContract, what_did_not_change_keeps_its_role) {
  const Content content = random_content(kMiB, 50);
  auto blob = this->filled(content, kInode, Role::replica);
  ASSERT_TRUE(blob->begin_working());
  ASSERT_TRUE(blob->seal(false));
  EXPECT_EQ(blob->info().role, Role::replica);
  ASSERT_TRUE(blob->begin_working());
  ASSERT_TRUE(blob->write_at(0, Bytes(10)));
  ASSERT_TRUE(blob->seal(false));
  EXPECT_EQ(blob->info().role, Role::origin);
}

TYPED_TEST(BlobStoreContract, a_working_blob_knows_the_published_content_it_came_from) {
  const Content content = random_content(kMiB, 51);
  auto blob = this->filled(content);
  ASSERT_TRUE(blob->begin_working());
  ASSERT_TRUE(blob->write_at(0, Bytes(10)));
  EXPECT_EQ(blob->info().shape, content.shape);
  auto sealed = blob->seal(false);
  ASSERT_TRUE(blob->begin_working());  // it could not be published
  EXPECT_EQ(blob->info().shape, content.shape);
  ASSERT_TRUE(blob->write_at(5, Bytes(10, std::byte{1})));
  sealed = blob->seal(false);
  ASSERT_TRUE(this->store_->set_role(kInode, Role::replica));  // now it was
  ASSERT_TRUE(blob->begin_working());
  EXPECT_EQ(blob->info().shape, sealed->shape);
}

TYPED_TEST(BlobStoreContract, seeks_data_and_holes) {
  auto blob = this->working();
  ASSERT_TRUE(blob->resize(64 * kBlockBytes));
  ASSERT_TRUE(blob->write_at(16 * kBlockBytes, random_bytes(kBlockBytes, 25)));
  EXPECT_EQ(*blob->seek(0, true), 16 * kBlockBytes);
  EXPECT_EQ(*blob->seek(0, false), 0u);
  EXPECT_EQ(*blob->seek(16 * kBlockBytes, false), 17 * kBlockBytes);
  EXPECT_EQ(code(blob->seek(20 * kBlockBytes, true)), Errc::out_of_range);
  EXPECT_EQ(code(blob->seek(64 * kBlockBytes, false)), Errc::out_of_range);
  auto full = this->written(random_bytes(kBlockBytes, 26), kOther);
  EXPECT_EQ(*full->seek(100, false), kBlockBytes);
  EXPECT_EQ(*full->seek(100, true), 100u);
}

TYPED_TEST(BlobStoreContract, absent_blocks_count_as_data_when_seeking) {
  Bytes bytes(64 * kBlockBytes);
  for (std::size_t i = 0; i < 100; ++i) bytes[32 * kBlockBytes + i] = std::byte{1};
  const Content content = make_content(std::move(bytes));
  auto blob = this->obtain(content);
  EXPECT_EQ(*blob->seek(0, true), 0u);
  EXPECT_EQ(*blob->seek(0, false), content.bytes.size());
  ASSERT_TRUE(blob->put_leaves(content.leaves_of(0)));
  EXPECT_EQ(*blob->seek(0, true), 32 * kBlockBytes);
  EXPECT_EQ(*blob->seek(0, false), 0u);
  EXPECT_EQ(*blob->seek(32 * kBlockBytes, false), 33 * kBlockBytes);
  EXPECT_EQ(code(blob->seek(33 * kBlockBytes, true)), Errc::out_of_range);
}

// --- writing over what is not all there

TYPED_TEST(BlobStoreContract, a_partial_blob_is_written_where_whole_blocks_are_covered) {
  const Content content = random_content(3 * kMiB + 100, 27);
  auto blob = this->obtain(content);
  ASSERT_TRUE(blob->put(content.blocks_of(0, 0, 2)));
  ASSERT_TRUE(blob->begin_working());
  EXPECT_EQ(blob->info().state, BlobState::working);
  EXPECT_EQ(blob->missing_for_write(0, 100), std::vector<BlockRun>());
  EXPECT_EQ(blob->missing_for_write(5 * kBlockBytes, kBlockBytes), std::vector<BlockRun>());
  EXPECT_EQ(blob->missing_for_write(5 * kBlockBytes + 1, 2 * kBlockBytes),
            (std::vector<BlockRun>{{5, 1}, {7, 1}}));
  EXPECT_EQ(blob->missing_for_write(5 * kBlockBytes + 1, 2), (std::vector<BlockRun>{{5, 1}}));
  // The last block is short: covering its bytes covers it.
  EXPECT_EQ(blob->missing_for_write(3 * kMiB, 100), std::vector<BlockRun>());
  EXPECT_EQ(blob->missing_for_write(3 * kMiB, 99), (std::vector<BlockRun>{{192, 1}}));
  EXPECT_EQ(code(blob->write_at(5 * kBlockBytes + 1, Bytes(2))), Errc::not_found);
  EXPECT_EQ(code(blob->resize(9 * kBlockBytes + 1)), Errc::not_found);
  EXPECT_EQ(code(blob->zero(9 * kBlockBytes + 1, 5, true)), Errc::not_found);
  EXPECT_EQ(code(blob->seal(false)), Errc::not_found);
}

TYPED_TEST(BlobStoreContract, fetched_blocks_do_not_overwrite_what_was_written) {
  const Content content = random_content(3 * kMiB + 100, 28);
  auto blob = this->obtain(content);
  ASSERT_TRUE(blob->begin_working());
  Bytes model = content.bytes;
  const Bytes patch = random_bytes(2 * kBlockBytes, 29);
  ASSERT_TRUE(blob->write_at(10 * kBlockBytes, patch));
  std::ranges::copy(patch, model.begin() + 10 * kBlockBytes);
  ASSERT_TRUE(fill(*blob, content));
  EXPECT_EQ(read_all(*blob), model);
  auto sealed = blob->seal(false);
  ASSERT_TRUE(sealed) << sealed.error().message();
  EXPECT_EQ(sealed->shape, make_content(model).shape);
}

TYPED_TEST(BlobStoreContract, a_partial_blob_grows_and_shrinks) {
  const Content content = random_content(2 * kMiB + 100, 30);
  auto blob = this->obtain(content);
  ASSERT_TRUE(blob->begin_working());
  Bytes model = content.bytes;
  ASSERT_TRUE(blob->resize(2 * kMiB + 50'000));  // over the absent short block
  model.resize(2 * kMiB + 50'000);
  EXPECT_EQ(blob->missing(0, kPlenty), (std::vector<BlockRun>{{0, 129}}));
  ASSERT_TRUE(fill(*blob, content));
  EXPECT_EQ(read_all(*blob), model);
  auto sealed = blob->seal(false);
  ASSERT_TRUE(sealed) << sealed.error().message();
  EXPECT_EQ(sealed->shape, make_content(model).shape);

  const Content next = random_content(2 * kMiB, 31);
  auto other = this->obtain(next, kOther);
  ASSERT_TRUE(other->begin_working());
  ASSERT_TRUE(other->resize(kMiB));
  ASSERT_TRUE(other->resize(kMiB + kBlockBytes));
  EXPECT_EQ(other->missing(0, kPlenty), (std::vector<BlockRun>{{0, 64}}));
  ASSERT_TRUE(fill(*other, next));
  model = next.bytes;
  model.resize(kMiB);
  model.resize(kMiB + kBlockBytes);
  EXPECT_EQ(read_all(*other), model);
}

TYPED_TEST(BlobStoreContract, zeroing_covers_absent_blocks) {
  const Content content = random_content(kMiB, 32);
  auto blob = this->obtain(content);
  ASSERT_TRUE(blob->begin_working());
  ASSERT_TRUE(blob->zero(kBlockBytes, 2 * kBlockBytes, true));
  Bytes out(2 * kBlockBytes, std::byte{1});
  ASSERT_TRUE(blob->read_at(kBlockBytes, out));
  EXPECT_EQ(out, Bytes(2 * kBlockBytes));
  ASSERT_TRUE(blob->resize(0));
  auto sealed = blob->seal(false);
  ASSERT_TRUE(sealed);
  EXPECT_TRUE(sealed->shape.content.is_empty());
}

// --- serving

TYPED_TEST(BlobStoreContract, serves_blocks_with_leaves) {
  const Content content = random_content(2 * kMiB + 100, 33);
  auto blob = this->filled(content);
  auto served = blob->serve(content.shape, 2, 0, 1, true);
  ASSERT_TRUE(served) << served.error().message();
  EXPECT_EQ(served->data.size(), 100u);
  auto leaves = VerifiedLeaves::verify(content.shape, content.layer, 2, served->leaves);
  ASSERT_TRUE(leaves);
  EXPECT_TRUE(VerifiedBlocks::verify(*leaves, 0, served->data, base::thread_leaf_hasher()));
  served = blob->serve(content.shape, 0, 3, 4, false);
  ASSERT_TRUE(served);
  EXPECT_TRUE(served->leaves.empty());
  EXPECT_TRUE(std::ranges::equal(
      served->data, ByteView(content.bytes).subspan(3 * kBlockBytes, 4 * kBlockBytes)));
  served = blob->serve(content.shape, 0, 0, 0, true);
  ASSERT_TRUE(served);
  EXPECT_EQ(served->leaves.size(), 64u);
}

TYPED_TEST(BlobStoreContract, serves_only_what_it_has) {
  const Content content = random_content(2 * kMiB, 34);
  auto blob = this->obtain(content);
  ASSERT_TRUE(blob->put_leaves(content.leaves_of(0)));
  ASSERT_TRUE(blob->put(content.blocks_of(0, 0, 5)));
  EXPECT_TRUE(blob->serve(content.shape, 0, 0, 5, true));
  EXPECT_EQ(code(blob->serve(content.shape, 0, 0, 6, true)), Errc::not_found);
  EXPECT_EQ(code(blob->serve(content.shape, 1, 0, 0, true)), Errc::not_found);
  EXPECT_EQ(code(blob->serve(content.shape, 7, 0, 1, false)), Errc::not_found);
  EXPECT_EQ(code(blob->serve(content.shape, 0, 60, 10, false)), Errc::not_found);
  EXPECT_EQ(code(blob->serve(content.shape, 0, ~0u, 2, false)), Errc::not_found);
  EXPECT_EQ(code(blob->serve(random_content(9, 1).shape, 0, 0, 1, false)), Errc::not_found);
  ASSERT_TRUE(blob->begin_working());
  EXPECT_EQ(code(blob->serve(content.shape, 0, 0, 5, false)), Errc::not_found);
}

TYPED_TEST(BlobStoreContract, chunk_maps_tell_whole_chunks) {
  const Content content = random_content(9 * kMiB + 1, 35);
  auto blob = this->obtain(content);
  EXPECT_EQ(blob->chunk_map(content.shape.content), Bytes(2));
  ASSERT_TRUE(blob->put(content.blocks_of(0, 0, 64)));
  ASSERT_TRUE(blob->put(content.blocks_of(1, 0, 63)));
  ASSERT_TRUE(blob->put(content.blocks_of(9, 0, 1)));
  EXPECT_EQ(blob->chunk_map(content.shape.content), (Bytes{std::byte{0x80}, std::byte{0x40}}));
  EXPECT_EQ(blob->chunk_map(random_content(9, 1).shape.content), std::nullopt);
  ASSERT_TRUE(fill(*blob, content));
  EXPECT_EQ(blob->chunk_map(content.shape.content), (Bytes{std::byte{0xff}, std::byte{0xc0}}));
  ASSERT_TRUE(blob->begin_working());
  EXPECT_EQ(blob->chunk_map(content.shape.content), std::nullopt);
}

// --- the store

TYPED_TEST(BlobStoreContract, finds_by_inode_and_by_content) {
  const Content content = random_content(2000, 36);
  EXPECT_EQ(this->store_->find(kInode), nullptr);
  EXPECT_EQ(this->store_->find_content(content.shape.content), nullptr);
  auto partial = this->obtain(content, kOther);
  EXPECT_EQ(this->store_->find_content(content.shape.content), partial);
  auto sealed = this->filled(content, kInode);
  EXPECT_EQ(this->store_->find_content(content.shape.content), sealed);
  EXPECT_EQ(this->store_->find(kOther), partial);
  ASSERT_TRUE(sealed->begin_working());
  EXPECT_EQ(this->store_->find_content(content.shape.content), partial);
  ASSERT_TRUE(this->store_->remove(kOther));
  EXPECT_EQ(this->store_->find_content(content.shape.content), nullptr);
}

TYPED_TEST(BlobStoreContract, a_removed_blob_lives_for_those_who_use_it) {
  const Content content = random_content(3 * kMiB, 37);
  auto blob = this->filled(content);
  ASSERT_TRUE(this->store_->remove(kInode));
  EXPECT_EQ(this->store_->find(kInode), nullptr);
  EXPECT_TRUE(this->store_->remove(kInode));
  const Content next = random_content(2 * kMiB, 38);
  auto other = this->filled(next);
  EXPECT_EQ(read_all(*blob), content.bytes);
  ASSERT_TRUE(blob->begin_working());
  ASSERT_TRUE(blob->write_at(5, Bytes(10)));
  auto sealed = blob->seal(true);
  ASSERT_TRUE(sealed) << sealed.error().message();
  EXPECT_EQ(read_all(*other), next.bytes);
  EXPECT_EQ(other->layer(), next.layer);
  EXPECT_TRUE(other->leaves(1));
  EXPECT_GE(this->store_->usage().bytes, 5 * kMiB);
  blob.reset();
  EXPECT_LE(this->store_->usage().bytes, 2 * kMiB + 4096);
  EXPECT_EQ(this->store_->find(kInode), other);
}

TYPED_TEST(BlobStoreContract, create_working_replaces_what_the_inode_had) {
  const Content content = random_content(1000, 39);
  auto before = this->filled(content);
  auto blob = this->working();
  EXPECT_NE(blob, before);
  EXPECT_EQ(blob->info().size, 0u);
  EXPECT_EQ(this->store_->find(kInode), blob);
  EXPECT_EQ(read_all(*before), content.bytes);
  EXPECT_EQ(this->store_->find_content(content.shape.content), nullptr);
}

TYPED_TEST(BlobStoreContract, working_blobs_keep_their_bytes_when_nobody_uses_them) {
  const Bytes bytes = random_bytes(100'000, 40);
  this->written(bytes);
  auto blob = this->store_->find(kInode);
  ASSERT_NE(blob, nullptr);
  EXPECT_EQ(blob->info().state, BlobState::working);
  EXPECT_EQ(read_all(*blob), bytes);
  EXPECT_EQ(blob->seal(false)->shape, make_content(bytes).shape);
}

TYPED_TEST(BlobStoreContract, partial_blobs_keep_their_blocks_when_nobody_uses_them) {
  const Content content = random_content(kMiB / 2, 41);
  auto blob = this->obtain(content);
  ASSERT_TRUE(blob->put_leaves(content.leaves_of(0)));
  ASSERT_TRUE(blob->put(content.blocks_of(0, 3, 4)));
  blob.reset();
  blob = this->store_->find(kInode);
  EXPECT_EQ(blob->info().blocks_present, 4u);
  EXPECT_TRUE(blob->leaves(0));
  ASSERT_TRUE(fill(*blob, content));
  EXPECT_EQ(read_all(*blob), content.bytes);
}

TYPED_TEST(BlobStoreContract, lists_every_blob) {
  this->filled(random_content(1000, 42), kInode, Role::pinned);
  this->written(random_bytes(10, 1), kOther);
  std::vector<std::pair<InodeId, BlobState>> seen;
  this->store_->for_each([&](const BlobInfo& info) { seen.emplace_back(info.inode, info.state); });
  std::ranges::sort(seen);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0], std::pair(kInode, BlobState::sealed));
  EXPECT_EQ(seen[1], std::pair(kOther, BlobState::working));
  EXPECT_EQ(this->store_->usage().blobs, 2u);
}

TYPED_TEST(BlobStoreContract, counts_what_blobs_take) {
  EXPECT_EQ(this->store_->usage().bytes, 0u);
  this->filled(random_content(kMiB, 43));
  EXPECT_EQ(this->store_->usage().bytes, kMiB);
  auto blob = this->written(random_bytes(2 * kMiB, 44), kOther);
  EXPECT_EQ(this->store_->usage().bytes, 3 * kMiB);
  ASSERT_TRUE(blob->resize(0));
  EXPECT_EQ(this->store_->usage().bytes, kMiB);
  ASSERT_TRUE(this->store_->remove(kInode));
  EXPECT_EQ(this->store_->usage().bytes, 0u);
}

// --- room

TYPED_TEST(BlobStoreContract, a_full_store_drops_cached_blobs_for_a_write) {
  this->store_.reset();
  this->store_ = this->kind_.open(8 * kMiB);
  for (std::uint64_t i = 1; i <= 7; ++i) this->filled(random_content(kMiB, i), InodeId(i));
  auto blob = this->working(kInode);
  ASSERT_TRUE(blob->write_at(0, random_bytes(3 * kMiB, 45)));
  EXPECT_EQ(this->store_->find(InodeId(1)), nullptr);
  EXPECT_NE(this->store_->find(InodeId(7)), nullptr);
  EXPECT_LE(this->store_->usage().bytes, 8 * kMiB);
  auto evicted = this->store_->evict(0);
  ASSERT_TRUE(evicted);
  EXPECT_EQ(evicted->dropped.size(), 2u);
  EXPECT_TRUE(this->store_->evict(0)->dropped.empty());
}

TYPED_TEST(BlobStoreContract, a_full_store_of_work_refuses_more) {
  this->store_.reset();
  this->store_ = this->kind_.open(4 * kMiB);
  auto blob = this->working();
  const Bytes bytes = random_bytes(3 * kMiB, 46);
  ASSERT_TRUE(blob->write_at(0, bytes));
  EXPECT_EQ(code(blob->write_at(3 * kMiB, random_bytes(2 * kMiB, 1))), Errc::no_space);
  EXPECT_EQ(read_all(*blob), bytes);
  const Content content = random_content(2 * kMiB, 47);
  auto other = this->obtain(content, kOther);
  EXPECT_EQ(code(fill(*other, content)), Errc::no_space);
  EXPECT_EQ(other->info().state, BlobState::partial);
  EXPECT_EQ(code(blob->allocate(0, 8 * kMiB, false)), Errc::no_space);
  EXPECT_EQ(blob->info().size, bytes.size());
}

TYPED_TEST(BlobStoreContract, asks_before_it_takes_replicas_and_origins) {
  this->store_.reset();
  this->store_ = this->kind_.open(8 * kMiB);
  this->filled(random_content(kMiB, 1), InodeId(1), Role::cached);
  this->filled(random_content(kMiB, 2), InodeId(2), Role::replica);
  this->filled(random_content(kMiB, 3), InodeId(3), Role::pinned);
  ASSERT_TRUE(this->written(random_bytes(kMiB, 4), InodeId(4))->seal(false));
  this->written(random_bytes(kMiB, 5), InodeId(5));
  auto evicted = this->store_->evict(7 * kMiB);
  ASSERT_TRUE(evicted);
  ASSERT_EQ(evicted->dropped.size(), 1u);
  EXPECT_EQ(evicted->dropped[0].inode, InodeId(1));
  ASSERT_EQ(evicted->ask.size(), 2u);
  EXPECT_EQ(evicted->ask[0].inode, InodeId(2));
  EXPECT_EQ(evicted->ask[1].inode, InodeId(4));
  EXPECT_NE(this->store_->find(InodeId(2)), nullptr);
  EXPECT_NE(this->store_->find(InodeId(4)), nullptr);
}

TYPED_TEST(BlobStoreContract, blobs_in_use_are_not_evicted) {
  this->store_.reset();
  this->store_ = this->kind_.open(4 * kMiB);
  auto used = this->filled(random_content(kMiB, 1), InodeId(1));
  this->filled(random_content(kMiB, 2), InodeId(2));
  auto evicted = this->store_->evict(4 * kMiB);
  ASSERT_TRUE(evicted);
  EXPECT_EQ(evicted->dropped.size(), 1u);
  EXPECT_EQ(this->store_->find(InodeId(1)), used);
}

TYPED_TEST(BlobStoreContract, a_huge_cached_blob_gives_up_its_end) {
  this->store_.reset();
  this->store_ = this->kind_.open(100 * kMiB);
  const Content content = random_content(80 * kMiB + 5, 48);
  this->filled(content, InodeId(1));
  this->filled(random_content(kMiB, 2), InodeId(2));
  auto evicted = this->store_->evict(24 * kMiB);
  ASSERT_TRUE(evicted);
  EXPECT_TRUE(evicted->dropped.empty());
  ASSERT_EQ(evicted->punched.size(), 1u);
  EXPECT_EQ(evicted->punched[0].state, BlobState::partial);
  EXPECT_GE(this->store_->usage().available_bytes, 24 * kMiB);
  EXPECT_NE(this->store_->find(InodeId(2)), nullptr);
  auto blob = this->store_->find(InodeId(1));
  Bytes out(10 * kMiB);
  ASSERT_TRUE(blob->read_at(0, out));
  EXPECT_TRUE(std::ranges::equal(out, ByteView(content.bytes).first(out.size())));
  EXPECT_EQ(code(blob->read_at(80 * kMiB, out)), Errc::not_found);
  ASSERT_TRUE(fill(*blob, content));
  EXPECT_EQ(blob->info().state, BlobState::sealed);
  EXPECT_EQ(read_all(*blob), content.bytes);
}

TYPED_TEST(BlobStoreContract, behaves_as_a_vector_of_bytes) {
  base::Random random(test_seed());
  Bytes model;
  auto blob = this->working();
  for (int step = 0; step < 400; ++step) {
    const std::uint64_t offset =
        random.chance(0.5) ? random.below(3 * kMiB) : random.below(5) * kBlockBytes * 16;
    const std::uint64_t length = random.chance(0.5) ? random.below(100) : random.below(300'000);
    switch (random.below(8)) {
      case 0:
      case 1:
      case 2: {
        const Bytes data = random_bytes(length, random.next());
        ASSERT_TRUE(blob->write_at(offset, data));
        if (!data.empty()) model.resize(std::max<std::size_t>(model.size(), offset + length));
        std::ranges::copy(data,
                          model.begin() + static_cast<std::ptrdiff_t>(data.empty() ? 0 : offset));
        break;
      }
      case 3:
        ASSERT_TRUE(blob->resize(offset));
        model.resize(offset);
        break;
      case 4:
      case 5: {
        ASSERT_TRUE(blob->zero(offset, length, random.chance(0.5)));
        const std::size_t end = std::min<std::size_t>(model.size(), offset + length);
        for (std::size_t i = offset; i < end; ++i) model[i] = std::byte{0};
        break;
      }
      case 6: {
        auto sealed = blob->seal(false);
        ASSERT_TRUE(sealed) << sealed.error().message();
        ASSERT_EQ(sealed->shape, make_content(model).shape) << "step " << step;
        ASSERT_TRUE(blob->begin_working());
        break;
      }
      default:
        ASSERT_EQ(read_all(*blob), model) << "step " << step;
        break;
    }
    ASSERT_EQ(blob->info().size, model.size());
  }
}

}  // namespace
}  // namespace shoal::cache
