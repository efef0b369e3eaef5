// SPDX-License-Identifier: MIT
// Disks that are full, or fail.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.h"
#include "cache/blob_table.h"
#include "cache/local_blob_store.h"
#include "tests/cache/content.h"
#include "tests/cache/faulty_files.h"
#include "tests/cache/stores.h"

namespace shoal::cache {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr InodeId kInode{0x12a};

template <class T>
Errc code(const Result<T>& result) {
  return result ? Errc{} : result.error().code();
}

class Faulty : public testing::Test {
 protected:
  static std::unique_ptr<BlobStore> make_store(Faults& faults) {
    auto files = make_faulty_files(make_memory_files(), faults);
    auto space = Space::open(*files, 1024 * kMiB, 1);
    CHECK(space);
    return std::make_unique<LocalBlobStore>(BlobTable::make({.files = std::move(files),
                                                             .index = nullptr,
                                                             .space = std::move(*space),
                                                             .keeps_blobs = true}));
  }
  std::shared_ptr<Blob> written(const Bytes& bytes) {
    auto blob = store_->create_working(kInode);
    EXPECT_TRUE(blob);
    EXPECT_TRUE((*blob)->write_at(0, bytes));
    return *blob;
  }

  Faults faults_;
  std::unique_ptr<BlobStore> store_ = make_store(faults_);
};

TEST_F(Faulty, a_write_that_fills_the_disk_leaves_the_file_as_long_as_it_was) {
  const Bytes bytes = random_bytes(100'000, 1);
  auto blob = written(bytes);
  faults_.set_room(50'000);
  EXPECT_EQ(code(blob->write_at(bytes.size(), random_bytes(200'000, 2))), Errc::no_space);
  EXPECT_EQ(blob->info().size, bytes.size());
  EXPECT_EQ(read_all(*blob), bytes);
  faults_.clear();
  ASSERT_TRUE(blob->resize(bytes.size() + 1000));  // what was written in part is gone
  Bytes tail(1000, std::byte{1});
  ASSERT_TRUE(blob->read_at(bytes.size(), tail));
  EXPECT_EQ(tail, Bytes(1000));
  Bytes model = bytes;
  model.resize(bytes.size() + 1000);
  EXPECT_EQ(blob->seal(false)->shape, make_content(model).shape);
}

TEST_F(Faulty, an_allocation_that_fills_the_disk_does_not_grow_the_file) {
  auto blob = written(random_bytes(1000, 1));
  faults_.set_room(5000);
  EXPECT_EQ(code(blob->allocate(0, kMiB, false)), Errc::no_space);
  EXPECT_EQ(blob->info().size, 1000u);
}

TEST_F(Faulty, blocks_that_do_not_fit_stay_absent) {
  const Content content = random_content(kMiB, 3);
  auto blob = *store_->obtain(kInode, content.shape, content.layer, Role::cached);
  ASSERT_TRUE(blob->put_leaves(content.leaves_of(0)));
  faults_.set_room(5 * kBlockBytes + 100);
  EXPECT_EQ(code(blob->put(content.blocks_of(0, 0, 64))), Errc::no_space);
  EXPECT_EQ(blob->info().blocks_present, 0u);
  EXPECT_EQ(code(blob->put(content.blocks_of(0, 9, 1))), Errc::no_space);
  faults_.clear();
  ASSERT_TRUE(fill(*blob, content));
  EXPECT_EQ(read_all(*blob), content.bytes);
}

TEST_F(Faulty, zeroes_are_holes_even_after_a_write_failed_there) {
  const Bytes zeroes(2 * kBlockBytes);
  Bytes bytes = random_bytes(2 * kBlockBytes, 4);
  bytes.insert(bytes.end(), zeroes.begin(), zeroes.end());
  const Content random = random_content(4 * kBlockBytes, 5);
  const Content content = make_content(bytes);
  auto blob = *store_->obtain(kInode, random.shape, {}, Role::cached);
  faults_.set_room(3 * kBlockBytes);
  EXPECT_EQ(code(fill(*blob, random)), Errc::no_space);
  faults_.clear();
  ASSERT_TRUE(blob->follow(content.shape, {}));
  ASSERT_TRUE(fill(*blob, content));
  EXPECT_EQ(read_all(*blob), content.bytes);
}

TEST_F(Faulty, a_sync_that_failed_is_never_made_good_by_another) {
  auto blob = written(random_bytes(1000, 1));
  faults_.set_sync_fails(true);
  EXPECT_EQ(code(blob->sync()), Errc::io);
  EXPECT_EQ(code(blob->seal(true)), Errc::io);
  faults_.set_sync_fails(false);
  EXPECT_EQ(code(blob->sync()), Errc::io);
  EXPECT_EQ(code(blob->seal(true)), Errc::io);
  EXPECT_EQ(blob->info().state, BlobState::working);
}

TEST_F(Faulty, read_errors_are_io_and_pass) {
  const Content content = random_content(100'000, 6);
  auto blob = *store_->obtain(kInode, content.shape, {}, Role::cached);
  ASSERT_TRUE(fill(*blob, content));
  faults_.fail_after(0, false);
  Bytes out(10);
  EXPECT_EQ(code(blob->read_at(0, out)), Errc::io);
  EXPECT_TRUE(blob->read_at(0, out));
  faults_.fail_after(0, true);
  EXPECT_EQ(code(blob->serve(content.shape, 0, 0, 7, false)), Errc::not_found);
}

TEST_F(Faulty, a_failing_call_anywhere_leaves_nothing_wrong) {
  const std::uint64_t seed = test_seed();
  base::Random random(seed);
  for (int round = 0; round < 300; ++round) {
    Faults faults;
    auto store = make_store(faults);
    const Content before = random_content(1 + random.below(1'500'000), random.next());
    Bytes bytes = before.bytes;
    bytes.resize(1 + random.below(1'500'000));
    bytes[random.below(bytes.size())] ^= std::byte{1};
    const Content after = make_content(bytes);
    auto made = store->obtain(kInode, before.shape, before.layer, Role::cached);
    ASSERT_TRUE(made);
    auto blob = *made;
    ASSERT_TRUE(fill(*blob, before));
    faults.fail_after(random.below(12), random.chance(0.5));
    const bool writes = random.chance(0.5);
    if (writes) {
      auto done = blob->begin_working();
      if (done) done = blob->resize(bytes.size());
      if (done) done = blob->write_at(0, bytes);
      auto sealed = blob->seal(false);
      faults.clear();
      if (sealed) EXPECT_EQ(sealed->shape, make_content(read_all(*blob)).shape);
    } else {
      auto done = blob->follow(after.shape, after.layer);
      if (done) done = fill(*blob, after);
    }
    faults.clear();
    const BlobInfo info = blob->info();
    if (writes) {
      auto done = blob->begin_working();
      if (done) done = blob->resize(bytes.size());
      if (done) done = blob->write_at(0, bytes);
      ASSERT_TRUE(done) << done.error().message();
      EXPECT_EQ(blob->seal(false)->shape, after.shape) << "round " << round;
    } else {
      const Content& now = info.shape == before.shape ? before : after;
      ASSERT_EQ(info.shape, now.shape);
      for (std::uint64_t at = 0; at < info.size; at += kBlockBytes) {
        if (!blob->missing(at, 1).empty()) continue;
        Bytes out(std::min<std::uint64_t>(kBlockBytes, info.size - at));
        ASSERT_TRUE(blob->read_at(at, out));
        ASSERT_TRUE(std::ranges::equal(out, ByteView(now.bytes).subspan(at, out.size())))
            << "round " << round << " at " << at;
      }
      ASSERT_TRUE(blob->follow(after.shape, after.layer));
      ASSERT_TRUE(fill(*blob, after));
    }
    ASSERT_EQ(read_all(*blob), after.bytes) << "round " << round;
  }
}

/// A filesystem of a few MiB; is_there() is false when this user may not mount.
class SmallDisk {
 public:
  explicit SmallDisk(const char* size) {
    is_mounted_ = mount("shoal-test", folder_.path().c_str(), "tmpfs", 0, size) == 0;
  }
  ~SmallDisk() {
    if (is_mounted_) umount2(folder_.path().c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool is_there() const { return is_mounted_; }
  const std::string& path() const { return folder_.path(); }

 private:
  test::TempFolder folder_;
  bool is_mounted_ = false;
};

TEST(FullDisk, gives_no_space_and_goes_on_when_there_is_room_again) {
  const SmallDisk disk("size=12m");
  if (!disk.is_there()) GTEST_SKIP() << "mounting a small filesystem needs root";
  const DiskStoreOptions options = {.path = disk.path() + "/store",
                                    .swarm = test_swarm(),
                                    .ceiling_bytes = 1024 * kMiB,
                                    .free_floor_bytes = 1};
  auto store = open_disk_store(options);
  ASSERT_TRUE(store) << store.error().message();
  const Content kept = random_content(2 * kMiB, 1);
  auto first = *(*store)->create_working(InodeId(1));
  ASSERT_TRUE(first->write_at(0, kept.bytes));
  ASSERT_TRUE(first->seal(true));

  auto blob = *(*store)->create_working(InodeId(2));
  Bytes model;
  const Bytes piece = random_bytes(100'000, 2);
  Result<void> written;
  while ((written = blob->write_at(model.size(), piece))) {
    model.insert(model.end(), piece.begin(), piece.end());
    ASSERT_LT(model.size(), 20 * kMiB);
  }
  EXPECT_EQ(written.error().code(), Errc::no_space);
  EXPECT_EQ(read_all(*blob), model);
  EXPECT_EQ(read_all(*first), kept.bytes);
  const auto small = (*store)->create_working(InodeId(3));
  if (small) EXPECT_EQ(code((*small)->write_at(0, piece)), Errc::no_space);

  ASSERT_TRUE(blob->resize(kMiB));
  model.resize(kMiB);
  ASSERT_TRUE(blob->write_at(kMiB, piece));
  model.insert(model.end(), piece.begin(), piece.end());
  auto sealed = blob->seal(true);
  ASSERT_TRUE(sealed) << sealed.error().message();
  EXPECT_EQ(sealed->shape, make_content(model).shape);
  ASSERT_TRUE((*store)->close());
  store->reset();
  store = open_disk_store(options);
  ASSERT_TRUE(store) << store.error().message();
  EXPECT_EQ(read_all(*(*store)->find(InodeId(1))), kept.bytes);
  EXPECT_EQ(read_all(*(*store)->find(InodeId(2))), model);
}

TEST(FullDisk, a_store_is_not_made_where_there_is_no_room) {
  const SmallDisk disk("size=4k");
  if (!disk.is_there()) GTEST_SKIP() << "mounting a small filesystem needs root";
  auto store = open_disk_store({.path = disk.path() + "/store", .swarm = test_swarm()});
  EXPECT_EQ(code(store), Errc::no_space);
}

}  // namespace
}  // namespace shoal::cache
