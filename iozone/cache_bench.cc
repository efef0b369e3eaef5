// SPDX-License-Identifier: MIT
// What the blob store costs: cache_bench FOLDER [FILES]. Prints rates of small files that are made,
// written and sealed, against the same calls on plain files; of sealing 1 GiB, against one SHA-256
// stream; of storing fetched chunks; and of opening the store again.
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>

#include "base/check.h"
#include "base/file.h"
#include "base/random.h"
#include "cache/blob_store.h"

namespace shoal::cache {
namespace {

constexpr std::size_t kSmallBytes = 8192;
constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kLargeBytes = 1024 * kMiB;

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <class T>
void must(const Result<T>& result) {
  CHECK(result, "{}", result.error().message());
}

std::unique_ptr<BlobStore> open_store(const std::string& folder) {
  auto store = open_disk_store({.path = folder, .swarm = Bytes(32)});
  must(store);
  return std::move(*store);
}

void bench_small(std::unique_ptr<BlobStore>& store, const std::string& folder,
                 std::uint64_t files) {
  Bytes data(kSmallBytes);
  base::Random random(1);
  const double plain = seconds_of([&] {
    for (std::uint64_t i = 0; i < files; ++i) {
      random.fill(MutableByteView(data).first(64));
      auto fd = base::open_file(fmt::format("{}/plain-{}", folder, i), O_RDWR | O_CREAT | O_EXCL);
      must(fd);
      must(base::write_at(*fd, 0, data));
    }
  });
  const double stored = seconds_of([&] {
    for (std::uint64_t i = 0; i < files; ++i) {
      random.fill(MutableByteView(data).first(64));
      auto blob = store->create_working(InodeId(1000 + i));
      must(blob);
      must((*blob)->write_at(0, data));
      must((*blob)->seal(false));
    }
  });
  const double changed = seconds_of([&] {
    for (std::uint64_t i = 0; i < files; ++i) {
      const auto blob = store->find(InodeId(1000 + i));
      must(blob->begin_working());
      must(blob->write_at(0, ByteView(data).first(64)));
      must(blob->seal(false));
    }
  });
  must(store->close());
  store.reset();
  const double opening = seconds_of([&] { store = open_store(folder + "/store"); });
  for (std::uint64_t i = 0; i < files / 10; ++i) {
    const auto blob = store->find(InodeId(1000 + i));
    must(blob->begin_working());
    must(blob->seal(false));
  }
  store.reset();  // as if killed
  const double recovering = seconds_of([&] { store = open_store(folder + "/store"); });
  fmt::print(
      "open {} blobs after a clean end {:.0f} ms, after a kill with a tenth touched {:.0f} "
      "ms\n",
      files, opening * 1e3, recovering * 1e3);
  const double removed = seconds_of([&] {
    for (std::uint64_t i = 0; i < files; ++i) must(store->remove(InodeId(1000 + i)));
  });
  for (std::uint64_t i = 0; i < files; ++i) {
    unlink(fmt::format("{}/plain-{}", folder, i).c_str());
  }
  const double us = 1e6 / static_cast<double>(files);
  fmt::print("create + write 8 KiB: plain files {:.1f} us, blobs with seal {:.1f} us\n", plain * us,
             stored * us);
  fmt::print("open for change + write + seal: {:.1f} us; remove: {:.1f} us\n", changed * us,
             removed * us);
}

void bench_large(BlobStore& store) {
  Bytes data(kMiB);
  base::Random random(2);
  auto blob = store.create_working(InodeId(1));
  must(blob);
  double hashing = 0;
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_DigestInit_ex2(context, EVP_sha256(), nullptr);
  double writing = 0;
  for (std::uint64_t at = 0; at < kLargeBytes; at += kMiB) {
    random.fill(data);
    writing += seconds_of([&] { must((*blob)->write_at(at, data)); });
    if (at >= 256 * kMiB) continue;
    hashing += 4 * seconds_of([&] { EVP_DigestUpdate(context, data.data(), data.size()); });
  }
  EVP_MD_CTX_free(context);
  const double sealing = seconds_of([&] { must((*blob)->seal(false)); });
  must((*blob)->begin_working());
  must((*blob)->write_at(kLargeBytes / 2, data));
  const double again = seconds_of([&] { must((*blob)->seal(false)); });
  const double gb = static_cast<double>(kLargeBytes) / 1e9;
  fmt::print(
      "1 GiB: write {:.2f} GB/s, seal {:.2f} GB/s, one SHA-256 stream {:.2f} GB/s, "
      "seal after a change of 1 MiB {:.1f} ms\n",
      gb / writing, gb / sealing, gb / hashing, again * 1e3);

  auto copy = store.obtain(InodeId(2), (*blob)->info().shape, *(*blob)->layer(), Role::cached);
  must(copy);
  double verifying = 0;
  double storing = 0;
  for (std::uint64_t chunk = 0; chunk < kLargeBytes / kMiB; ++chunk) {
    auto served = (*blob)->serve((*blob)->info().shape, chunk, 0, 64, true);
    must(served);
    auto leaves = VerifiedLeaves::verify((*blob)->info().shape, *(*blob)->layer(), chunk,
                                         std::move(served->leaves));
    must(leaves);
    Result<VerifiedBlocks> blocks = fail(Errc::internal, "none");
    verifying += seconds_of([&] {
      blocks =
          VerifiedBlocks::verify(*leaves, 0, std::move(served->data), base::thread_leaf_hasher());
    });
    must(blocks);
    storing += seconds_of([&] {
      must((*copy)->put_leaves(*leaves));
      must((*copy)->put(*blocks));
    });
  }
  fmt::print("fetched chunks: verify {:.2f} GB/s, store {:.2f} GB/s\n", gb / verifying,
             gb / storing);
}

int run(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: {} FOLDER [FILES]\n", argv[0]);
    return 2;
  }
  const std::string folder = argv[1];
  const std::uint64_t files = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 10'000;
  must(base::make_folders(folder));
  fmt::print("leaves are hashed by {}\n", base::thread_leaf_hasher().name());
  auto store = open_store(folder + "/store");
  bench_small(store, folder, files);
  bench_large(*store);
  must(store->remove(InodeId(1)));
  must(store->remove(InodeId(2)));
  must(store->close());
  return 0;
}

}  // namespace
}  // namespace shoal::cache

int main(int argc, char** argv) { return shoal::cache::run(argc, argv); }
