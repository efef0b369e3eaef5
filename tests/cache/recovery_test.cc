// SPDX-License-Identifier: MIT
// What a disk store is after it was closed, killed, or meddled with.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "cache/blob_store.h"
#include "cache/disk_files.h"
#include "tests/cache/content.h"
#include "tests/cache/stores.h"

namespace shoal::cache {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr InodeId kInode{0x12a};

class Recovery : public testing::Test {
 protected:
  Result<std::unique_ptr<BlobStore>> try_open(const std::string& path = {},
                                              Bytes swarm = test_swarm()) {
    return open_disk_store({.path = path.empty() ? path_ : path,
                            .swarm = std::move(swarm),
                            .ceiling_bytes = 1024 * kMiB,
                            .free_floor_bytes = 1},
                           &report_);
  }
  void open() {
    auto store = try_open();
    ASSERT_TRUE(store) << store.error().message();
    store_ = std::move(*store);
  }
  void close_and_open() {
    ASSERT_TRUE(store_->close());
    store_.reset();
    open();
  }
  /// A store that goes without being closed leaves what a killed daemon leaves.
  void kill_and_open() {
    store_.reset();
    open();
  }
  std::shared_ptr<Blob> filled(const Content& content, InodeId inode = kInode) {
    auto blob = store_->obtain(inode, content.shape, content.layer, Role::cached);
    EXPECT_TRUE(blob) << blob.error().message();
    EXPECT_TRUE(fill(**blob, content));
    return *blob;
  }
  std::shared_ptr<Blob> written(const Bytes& bytes, InodeId inode = kInode) {
    auto blob = store_->create_working(inode);
    EXPECT_TRUE(blob) << blob.error().message();
    EXPECT_TRUE((*blob)->write_at(0, bytes));
    return *blob;
  }
  std::string file_of(InodeId inode, FileKind kind = FileKind::data) const {
    return path_ + "/" + blob_path(inode, kind);
  }
  void flip_bit(InodeId inode, std::uint64_t offset) {
    auto fd = base::open_file(file_of(inode), O_RDWR);
    ASSERT_TRUE(fd);
    Bytes byte(1);
    ASSERT_TRUE(base::read_at(*fd, offset, byte));
    byte[0] ^= std::byte{4};
    ASSERT_TRUE(base::write_at(*fd, offset, byte));
  }
  std::size_t lost_count() const {
    const std::filesystem::directory_iterator folder(path_ + "/lost+found");
    return static_cast<std::size_t>(std::distance(begin(folder), end(folder)));
  }
  /// Every present block is what the content has there.
  static void expect_right(Blob& blob, const Content& content) {
    const std::uint64_t size = content.bytes.size();
    for (std::uint64_t at = 0; at < size; at += kBlockBytes) {
      if (!blob.missing(at, 1).empty()) continue;
      Bytes out(std::min<std::uint64_t>(kBlockBytes, size - at));
      ASSERT_TRUE(blob.read_at(at, out));
      ASSERT_TRUE(std::ranges::equal(out, ByteView(content.bytes).subspan(at, out.size())))
          << "at " << at;
    }
  }

  void SetUp() override { open(); }

  test::TempFolder folder_;
  std::string path_ = folder_ / "store";
  RecoveryReport report_;
  std::unique_ptr<BlobStore> store_;
};

// --- closed in order

TEST_F(Recovery, a_closed_store_has_everything_again) {
  const Content sealed = random_content(3 * kMiB + 9, 1);
  const Content small = random_content(100'000, 2);
  const Content large = random_content(5 * kMiB, 3);
  const Bytes work = random_bytes(50'000, 4);
  filled(sealed, InodeId(1));
  auto blob = store_->obtain(InodeId(2), small.shape, small.layer, Role::pinned);
  ASSERT_TRUE((*blob)->put_leaves(small.leaves_of(0)));
  ASSERT_TRUE((*blob)->put(small.blocks_of(0, 2, 3)));
  blob = store_->obtain(InodeId(3), large.shape, large.layer, Role::replica);
  ASSERT_TRUE((*blob)->put_leaves(large.leaves_of(2)));
  ASSERT_TRUE((*blob)->put(large.blocks_of(2, 1, 9)));
  blob->reset();
  written(work, InodeId(4));
  ASSERT_TRUE(store_->obtain(InodeId(5), Shape{}, {}, Role::cached));
  close_and_open();

  EXPECT_TRUE(report_.was_clean);
  EXPECT_EQ(report_.blobs_checked, 0u);
  EXPECT_EQ(store_->usage().blobs, 4u);
  auto found = store_->find(InodeId(1));
  EXPECT_EQ(found->info().state, BlobState::sealed);
  EXPECT_EQ(read_all(*found), sealed.bytes);
  EXPECT_EQ(found->layer(), sealed.layer);
  EXPECT_TRUE(found->serve(sealed.shape, 3, 0, 1, true));
  found = store_->find(InodeId(2));
  EXPECT_EQ(found->info().role, Role::pinned);
  EXPECT_EQ(found->missing(0, kMiB), (std::vector<BlockRun>{{0, 2}, {5, 2}}));
  EXPECT_TRUE(found->serve(small.shape, 0, 2, 3, true));
  found = store_->find(InodeId(3));
  EXPECT_EQ(found->info().role, Role::replica);
  EXPECT_EQ(found->info().blocks_present, 9u);
  EXPECT_TRUE(found->leaves(2));
  expect_right(*found, large);
  ASSERT_TRUE(fill(*found, large));
  EXPECT_EQ(read_all(*found), large.bytes);
  EXPECT_EQ(read_all(*store_->find(InodeId(4))), work);
  EXPECT_EQ(store_->unpublished(), std::vector{InodeId(4)});
  EXPECT_TRUE(store_->take_departed().empty());
  EXPECT_EQ(store_->find(InodeId(5)), nullptr);  // an empty file needs no blob
  EXPECT_FALSE(std::filesystem::exists(file_of(InodeId(5))));
}

TEST_F(Recovery, a_file_that_was_changed_while_the_store_was_closed_is_verified) {
  const Content content = random_content(3 * kMiB, 1);
  filled(content);
  filled(random_content(kMiB, 2), InodeId(2));
  ASSERT_TRUE(store_->close());
  store_.reset();
  struct stat before{};
  ASSERT_EQ(stat(file_of(kInode).c_str(), &before), 0);
  flip_bit(kInode, kMiB + 5);
  const std::array<timespec, 2> times{before.st_atim, before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, file_of(kInode).c_str(), times.data(), 0), 0);
  open();
  EXPECT_TRUE(report_.was_clean);
  EXPECT_EQ(report_.blobs_checked, 1u);
  EXPECT_EQ(report_.blocks_dropped, 1u);
  auto blob = store_->find(kInode);
  EXPECT_EQ(blob->info().state, BlobState::partial);
  expect_right(*blob, content);
}

TEST_F(Recovery, a_file_that_went_while_the_store_was_closed_is_told_as_departed) {
  const Content content = random_content(3 * kMiB, 1);
  filled(content);
  ASSERT_TRUE(store_->close());
  store_.reset();
  ASSERT_TRUE(std::filesystem::remove(file_of(kInode)));
  open();
  EXPECT_EQ(store_->find(kInode), nullptr);
  EXPECT_EQ(store_->take_departed(), std::vector{content.shape});
}

TEST_F(Recovery, a_store_that_began_anew_says_so_until_it_was_told) {
  EXPECT_TRUE(store_->began_anew());
  close_and_open();
  EXPECT_TRUE(store_->began_anew());
  ASSERT_TRUE(store_->note_void_told());
  close_and_open();
  EXPECT_FALSE(store_->began_anew());
  ASSERT_TRUE(store_->close());
  store_.reset();
  for (const char* file : {"index.db", "index.db-wal", "index.db-shm"}) {
    std::filesystem::remove(path_ + "/" + file);
  }
  open();
  EXPECT_TRUE(store_->began_anew());
}

TEST_F(Recovery, usage_is_the_same_after_closing) {
  filled(random_content(3 * kMiB, 1), InodeId(1));
  ASSERT_TRUE(written(random_bytes(100'000, 2), InodeId(2))->seal(false));
  const StoreUsage before = store_->usage();
  close_and_open();
  EXPECT_EQ(store_->usage().bytes, before.bytes);
  EXPECT_EQ(store_->usage().blobs, before.blobs);
}

TEST_F(Recovery, keeps_the_order_of_eviction) {
  for (const std::uint64_t inode : {3u, 1u, 2u}) {
    filled(random_content(kMiB, inode), InodeId(inode));
  }
  close_and_open();
  auto evicted = store_->evict(store_->usage().available_bytes + 2 * kMiB);
  ASSERT_EQ(evicted->dropped.size(), 2u);
  EXPECT_EQ(evicted->dropped[0].inode, InodeId(3));
  EXPECT_EQ(evicted->dropped[1].inode, InodeId(1));
}

// --- killed

TEST_F(Recovery, what_was_sealed_durably_is_sealed_after_a_kill) {
  const Content content = random_content(2 * kMiB + 3, 1);
  ASSERT_TRUE(written(content.bytes)->seal(true));
  ASSERT_TRUE(store_->set_role(kInode, Role::replica));  // published
  ASSERT_TRUE(store_->find(kInode)->sync());
  kill_and_open();
  EXPECT_FALSE(report_.was_clean);
  EXPECT_EQ(report_.blobs_checked, 1u);
  auto blob = store_->find(kInode);
  EXPECT_EQ(blob->info().state, BlobState::sealed);
  EXPECT_EQ(blob->info().shape, content.shape);
  EXPECT_EQ(read_all(*blob), content.bytes);
  EXPECT_TRUE(store_->unpublished().empty());
}

TEST_F(Recovery, what_was_sealed_but_not_published_is_work_again) {
  const Content before = random_content(100'000, 1);
  const Content after = random_content(90'000, 2);
  for (const bool is_killed : {true, false}) {
    auto blob = filled(before);
    ASSERT_TRUE(blob->begin_working());
    ASSERT_TRUE(blob->resize(after.bytes.size()));
    ASSERT_TRUE(blob->write_at(0, after.bytes));
    ASSERT_TRUE(blob->seal(true));
    blob.reset();
    if (is_killed) {
      kill_and_open();
    } else {
      close_and_open();
    }
    EXPECT_EQ(store_->unpublished(), std::vector{kInode});
    blob = store_->find(kInode);
    ASSERT_NE(blob, nullptr);
    EXPECT_EQ(blob->info().state, BlobState::working);
    EXPECT_EQ(blob->info().shape, before.shape);  // what it came from
    EXPECT_EQ(read_all(*blob), after.bytes);
    EXPECT_EQ(blob->seal(false)->shape, after.shape);
    EXPECT_TRUE(store_->unpublished().empty());
    ASSERT_TRUE(store_->remove(kInode));
  }
}

TEST_F(Recovery, what_was_sealed_a_moment_ago_is_never_less_than_work) {
  const Content content = random_content(100'000, 2);
  ASSERT_TRUE(written(content.bytes)->seal(false));
  kill_and_open();
  EXPECT_EQ(store_->unpublished(), std::vector{kInode});
  EXPECT_EQ(read_all(*store_->find(kInode)), content.bytes);
}

TEST_F(Recovery, work_is_unpublished_after_a_kill) {
  const Bytes bytes = random_bytes(kMiB + 5, 3);
  written(bytes);
  kill_and_open();
  EXPECT_EQ(store_->unpublished(), std::vector{kInode});
  auto blob = store_->find(kInode);
  EXPECT_EQ(read_all(*blob), bytes);
  EXPECT_EQ(blob->seal(false)->shape, make_content(bytes).shape);
  EXPECT_TRUE(store_->unpublished().empty());
}

TEST_F(Recovery, a_change_of_what_was_sealed_is_unpublished_after_a_kill) {
  const Content content = random_content(3 * kMiB, 4);
  Bytes model = content.bytes;
  filled(content);
  close_and_open();  // settled by now
  auto blob = store_->find(kInode);
  ASSERT_TRUE(blob->begin_working());
  ASSERT_TRUE(blob->write_at(5, Bytes(10)));
  std::fill_n(model.begin() + 5, 10, std::byte{0});
  blob.reset();
  kill_and_open();
  EXPECT_EQ(store_->unpublished(), std::vector{kInode});
  blob = store_->find(kInode);
  EXPECT_EQ(read_all(*blob), model);
  EXPECT_EQ(blob->seal(false)->shape, make_content(model).shape);
}

TEST_F(Recovery, writes_over_absent_blocks_survive_a_kill) {
  for (const std::size_t size : {std::size_t{300'000}, std::size_t{4 * kMiB + 77}}) {
    const Content content = random_content(size, size);
    const InodeId inode(size);
    auto blob = *store_->obtain(inode, content.shape, content.layer, Role::cached);
    ASSERT_TRUE(blob->put_leaves(content.leaves_of(0)));
    ASSERT_TRUE(blob->put(content.blocks_of(0, 0, 4)));
    ASSERT_TRUE(blob->begin_working());
    ASSERT_TRUE(blob->put(content.blocks_of(0, 6, 1)));
    Bytes model = content.bytes;
    const Bytes patch = random_bytes(2 * kBlockBytes, 5);
    ASSERT_TRUE(blob->write_at(9 * kBlockBytes, patch));
    std::ranges::copy(patch, model.begin() + 9 * kBlockBytes);
    ASSERT_TRUE(blob->write_at(100, ByteView(patch).first(50)));
    std::copy_n(patch.begin(), 50, model.begin() + 100);
    ASSERT_TRUE(blob->write_at(size + 30'000, ByteView(patch).first(9)));
    model.resize(size + 30'000);
    model.insert(model.end(), patch.begin(), patch.begin() + 9);
    blob.reset();
    kill_and_open();
    EXPECT_EQ(store_->unpublished().back(), inode);
    blob = store_->find(inode);
    EXPECT_EQ(blob->info().size, model.size());
    Bytes out(50);
    ASSERT_TRUE(blob->read_at(100, out));
    EXPECT_TRUE(std::ranges::equal(out, ByteView(patch).first(50)));
    EXPECT_FALSE(blob->missing(5 * kBlockBytes, 1).empty());
    ASSERT_TRUE(fill(*blob, content));
    EXPECT_EQ(read_all(*blob), model);
    auto sealed = blob->seal(false);
    ASSERT_TRUE(sealed) << sealed.error().message();
    EXPECT_EQ(sealed->shape, make_content(model).shape);
    blob.reset();
    close_and_open();
  }
}

TEST_F(Recovery, fetched_blocks_are_verified_after_a_kill) {
  const Content small = random_content(200'000, 6);
  const Content large = random_content(4 * kMiB, 7);
  for (const Content* content : {&small, &large}) {
    auto blob = *store_->obtain(InodeId(content->bytes.size()), content->shape, content->layer,
                                Role::cached);
    ASSERT_TRUE(blob->put_leaves(content->leaves_of(0)));
    ASSERT_TRUE(blob->put(content->blocks_of(0, 1, 7)));
    ASSERT_TRUE(blob->sync());
  }
  kill_and_open();
  EXPECT_EQ(report_.blobs_checked, 2u);
  for (const Content* content : {&small, &large}) {
    auto blob = store_->find(InodeId(content->bytes.size()));
    ASSERT_NE(blob, nullptr);
    EXPECT_EQ(blob->info().state, BlobState::partial);
    EXPECT_EQ(blob->info().blocks_present, 7u);
    expect_right(*blob, *content);
    ASSERT_TRUE(fill(*blob, *content));
    EXPECT_EQ(read_all(*blob), content->bytes);
  }
  EXPECT_TRUE(store_->unpublished().empty());
}

TEST_F(Recovery, what_is_settled_and_untouched_is_not_read_again) {
  for (std::uint64_t i = 1; i <= 20; ++i) filled(random_content(50'000, i), InodeId(i));
  close_and_open();
  filled(random_content(50'000, 99), InodeId(99));
  kill_and_open();
  EXPECT_LE(report_.blobs_checked, 1u);
  EXPECT_EQ(report_.blocks_dropped, 0u);
  EXPECT_GE(store_->usage().blobs, 20u);
}

TEST_F(Recovery, a_removed_blob_does_not_come_back) {
  ASSERT_TRUE(written(random_bytes(1000, 1))->seal(true));
  ASSERT_TRUE(store_->remove(kInode));
  kill_and_open();
  EXPECT_EQ(store_->find(kInode), nullptr);
  EXPECT_TRUE(store_->unpublished().empty());
}

TEST_F(Recovery, a_replaced_blob_is_the_new_one_after_a_kill) {
  filled(random_content(2 * kMiB, 1));
  close_and_open();
  const Bytes bytes = random_bytes(1000, 2);
  written(bytes);
  kill_and_open();
  EXPECT_EQ(store_->unpublished(), std::vector{kInode});
  EXPECT_EQ(read_all(*store_->find(kInode)), bytes);
}

TEST_F(Recovery, following_survives_a_kill) {
  const Content before = random_content(4 * kMiB, 8);
  Bytes bytes = before.bytes;
  bytes[2 * kMiB] ^= std::byte{1};
  const Content after = make_content(std::move(bytes));
  ASSERT_TRUE(written(before.bytes)->seal(true));
  auto blob = store_->find(kInode);
  ASSERT_TRUE(blob->follow(after.shape, after.layer));
  ASSERT_TRUE(blob->put_leaves(after.leaves_of(2)));
  blob.reset();
  kill_and_open();
  EXPECT_TRUE(store_->unpublished().empty());
  blob = store_->find(kInode);
  EXPECT_EQ(blob->info().shape, after.shape);
  EXPECT_EQ(blob->info().blocks_present, 255u);
  expect_right(*blob, after);
  ASSERT_TRUE(fill(*blob, after));
  EXPECT_EQ(read_all(*blob), after.bytes);
}

// --- meddled with

TEST_F(Recovery, flipped_bits_cost_their_blocks_only) {
  const Content content = random_content(5 * kMiB, 9);
  filled(content);
  close_and_open();
  store_.reset();
  flip_bit(kInode, 3 * kMiB + 70'000);
  flip_bit(kInode, 5);
  open();
  EXPECT_EQ(report_.blobs_checked, 1u);
  EXPECT_EQ(report_.blocks_dropped, 2u);
  auto blob = store_->find(kInode);
  EXPECT_EQ(blob->info().state, BlobState::partial);
  EXPECT_EQ(blob->missing(0, 5 * kMiB), (std::vector<BlockRun>{{0, 1}, {196, 1}}));
  expect_right(*blob, content);
  ASSERT_TRUE(fill(*blob, content));
  EXPECT_EQ(read_all(*blob), content.bytes);
}

TEST_F(Recovery, a_bad_block_of_a_small_blob_is_found_by_its_leaf) {
  const Content content = random_content(100'000, 10);
  filled(content);
  close_and_open();
  store_.reset();
  flip_bit(kInode, 40'000);
  open();
  auto blob = store_->find(kInode);
  EXPECT_EQ(blob->missing(0, kMiB), (std::vector<BlockRun>{{2, 1}}));
  expect_right(*blob, content);
}

TEST_F(Recovery, damaged_work_is_set_aside) {
  ASSERT_TRUE(written(random_bytes(100'000, 21))->seal(true));
  store_.reset();
  flip_bit(kInode, 40'000);
  open();
  EXPECT_EQ(report_.files_set_aside, 1u);
  EXPECT_EQ(report_.blobs_dropped, 1u);
  EXPECT_EQ(lost_count(), 1u);
  EXPECT_EQ(store_->find(kInode), nullptr);
  EXPECT_TRUE(store_->unpublished().empty());
}

TEST_F(Recovery, damaged_bytes_that_were_written_here_are_set_aside) {
  const Content content = random_content(100'000, 11);
  ASSERT_TRUE(written(content.bytes)->seal(true));
  ASSERT_TRUE(store_->set_role(kInode, Role::replica));
  ASSERT_TRUE(store_->find(kInode)->sync());
  store_.reset();
  flip_bit(kInode, 40'000);
  open();
  EXPECT_EQ(report_.files_set_aside, 1u);
  EXPECT_EQ(report_.blocks_dropped, 1u);
  EXPECT_EQ(lost_count(), 1u);
  expect_right(*store_->find(kInode), content);
}

TEST_F(Recovery, a_truncated_file_loses_its_end_only) {
  const Content content = random_content(3 * kMiB, 12);
  filled(content);
  close_and_open();
  store_.reset();
  ASSERT_EQ(truncate(file_of(kInode).c_str(), 2 * kMiB + 100), 0);
  open();
  auto blob = store_->find(kInode);
  EXPECT_EQ(blob->info().state, BlobState::partial);
  EXPECT_EQ(blob->missing(0, 3 * kMiB), (std::vector<BlockRun>{{128, 64}}));
  expect_right(*blob, content);
  ASSERT_TRUE(fill(*blob, content));
  EXPECT_EQ(read_all(*blob), content.bytes);
}

TEST_F(Recovery, a_deleted_file_is_a_blob_less) {
  filled(random_content(kMiB, 13), InodeId(1));
  filled(random_content(kMiB, 14), InodeId(2));
  close_and_open();
  store_.reset();
  std::filesystem::remove(file_of(InodeId(1)));
  open();
  EXPECT_EQ(report_.blobs_dropped, 1u);
  EXPECT_EQ(store_->find(InodeId(1)), nullptr);
  EXPECT_NE(store_->find(InodeId(2)), nullptr);
}

TEST_F(Recovery, a_file_that_goes_while_the_store_is_open_is_fetched_again) {
  const Content content = random_content(3 * kMiB, 20);
  for (const bool is_deleted : {true, false}) {
    auto blob = filled(content, InodeId(is_deleted ? 1 : 2));
    const InodeId inode = blob->info().inode;
    blob.reset();
    close_and_open();
    if (is_deleted) {
      std::filesystem::remove(file_of(inode));
    } else {
      std::filesystem::resize_file(file_of(inode), kMiB + 5);
    }
    blob = store_->find(inode);
    Bytes out(100);
    auto got = blob->read_at(2 * kMiB, out);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(), Errc::not_found);
    EXPECT_EQ(blob->info().state, BlobState::partial);
    EXPECT_EQ(blob->info().blocks_present, is_deleted ? 0u : 64u);
    ASSERT_TRUE(fill(*blob, content));
    EXPECT_EQ(read_all(*blob), content.bytes);
  }
}

TEST_F(Recovery, damaged_leaves_are_computed_again) {
  const Content content = random_content(3 * kMiB, 15);
  filled(content);
  close_and_open();
  store_.reset();
  for (const FileKind kind : {FileKind::leaves, FileKind::layer}) {
    std::ofstream(file_of(kInode, kind), std::ios::trunc) << "nonsense";
  }
  open();
  auto blob = store_->find(kInode);
  EXPECT_EQ(blob->layer(), content.layer);
  auto leaves = blob->leaves(1);
  ASSERT_TRUE(leaves);
  EXPECT_TRUE(std::ranges::equal(leaves->leaves(), content.leaves_of(1).leaves()));
  EXPECT_TRUE(blob->serve(content.shape, 2, 0, 64, true));
}

TEST_F(Recovery, files_of_other_names_are_set_aside) {
  filled(random_content(1000, 16));
  store_.reset();
  std::ofstream(path_ + "/blobs/2a/notes.txt") << "mine";
  std::ofstream(path_ + "/blobs/2a/000000000000012b") << "wrong folder";
  open();
  EXPECT_EQ(report_.files_set_aside, 2u);
  EXPECT_EQ(lost_count(), 2u);
  EXPECT_TRUE(store_->unpublished().empty());
}

TEST_F(Recovery, an_emptied_index_sets_all_files_aside) {
  written(random_bytes(1000, 1), InodeId(1));
  filled(random_content(2 * kMiB, 17), InodeId(2));
  store_.reset();
  std::filesystem::resize_file(path_ + "/index.db", 0);
  open();
  EXPECT_EQ(report_.files_set_aside, 2u);
  EXPECT_EQ(lost_count(), 2u);
  EXPECT_EQ(store_->usage().blobs, 0u);
  EXPECT_TRUE(store_->unpublished().empty());
  filled(random_content(2 * kMiB, 17), InodeId(2));
  kill_and_open();
}

TEST_F(Recovery, a_damaged_index_is_named_and_nothing_is_touched) {
  const Content content = random_content(1000, 18);
  filled(content);
  ASSERT_TRUE(store_->close());
  store_.reset();
  const std::string index = path_ + "/index.db";
  std::ofstream(index, std::ios::trunc) << std::string(50'000, 'x');
  auto store = try_open();
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code(), Errc::corrupt);
  EXPECT_NE(store.error().context().find(index), std::string::npos) << store.error().message();
  EXPECT_NE(store.error().context().find("lost+found"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(file_of(kInode)));
  std::filesystem::rename(index, folder_ / "damaged");
  open();
  EXPECT_EQ(lost_count(), 1u);
}

// --- whose it is

TEST_F(Recovery, refuses_the_folder_of_another_swarm) {
  store_.reset();
  auto store = try_open(path_, Bytes(32, std::byte{8}));
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code(), Errc::conflict);
  EXPECT_NE(store.error().context().find("another swarm"), std::string::npos);
}

TEST_F(Recovery, refuses_a_folder_that_is_open) {
  auto store = try_open();
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code(), Errc::busy);
  EXPECT_NE(store.error().context().find(std::to_string(getpid())), std::string::npos);
}

TEST_F(Recovery, refuses_a_format_it_does_not_know) {
  store_.reset();
  std::ofstream(path_ + "/format", std::ios::trunc) << "shoal blob store, version 9\n";
  EXPECT_EQ(try_open().error().code(), Errc::version_mismatch);
  std::ofstream(path_ + "/format", std::ios::trunc) << "hello\n";
  EXPECT_EQ(try_open().error().code(), Errc::corrupt);
}

TEST_F(Recovery, files_are_for_their_owner_only) {
  filled(random_content(2 * kMiB, 19));
  written(random_bytes(10, 1), InodeId(9));
  for (const std::string& path :
       {path_ + "/blobs", file_of(kInode), file_of(kInode, FileKind::leaves), file_of(InodeId(9)),
        path_ + "/index.db", path_ + "/lock"}) {
    struct stat status{};
    ASSERT_EQ(stat(path.c_str(), &status), 0) << path;
    EXPECT_EQ(status.st_mode & 077, 0u) << path;
  }
}

TEST_F(Recovery, what_others_wrote_into_a_shared_file_is_what_gets_sealed) {
  const Content before = random_content(3 * kBlockBytes, 1);
  const auto blob = written(before.bytes);
  auto file = blob->share();
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_FALSE(blob->look()->is_changed);
  const Content after = random_content(40 * kBlockBytes + 7, 2);
  ASSERT_TRUE(base::write_at(**file, 0, after.bytes));
  const auto look = blob->look();
  ASSERT_TRUE(look);
  EXPECT_TRUE(look->is_changed);
  EXPECT_EQ(look->size, after.bytes.size());
  EXPECT_FALSE(blob->look()->is_changed);
  const auto sealed = blob->seal(false);
  ASSERT_TRUE(sealed) << sealed.error().message();
  EXPECT_EQ(sealed->shape.content, after.shape.content);
}

TEST_F(Recovery, a_program_that_outlives_the_daemon_keeps_the_file_and_not_the_blob) {
  const Content content = random_content(40 * kBlockBytes + 7, 1);
  auto blob = written(content.bytes);
  auto shared = blob->share();
  ASSERT_TRUE(shared);
  base::Fd outliving(dup((*shared)->get()));
  ASSERT_TRUE(outliving);
  shared = fail(Errc::canceled, "the daemon is gone");
  blob.reset();
  kill_and_open();
  ASSERT_EQ(store_->unpublished().size(), 1U);
  blob = store_->find(kInode);
  ASSERT_TRUE(blob);
  ASSERT_TRUE(base::write_at(outliving, 0, Bytes(2 * kBlockBytes, std::byte{7})));
  const auto sealed = blob->seal(false);
  ASSERT_TRUE(sealed) << sealed.error().message();
  EXPECT_EQ(sealed->shape.content, content.shape.content);
  expect_right(*blob, content);
}

TEST_F(Recovery, a_file_that_nobody_has_open_any_more_stays_the_blobs_own) {
  const Content content = random_content(3 * kBlockBytes, 1);
  auto blob = written(content.bytes);
  ASSERT_TRUE(blob->share());
  struct stat before{};
  ASSERT_EQ(::stat(file_of(kInode).c_str(), &before), 0);
  blob.reset();
  kill_and_open();
  struct stat after{};
  ASSERT_EQ(::stat(file_of(kInode).c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(after.st_mode & S_ISGID, 0U);
}

}  // namespace
}  // namespace shoal::cache
