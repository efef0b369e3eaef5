// SPDX-License-Identifier: MIT
// A process works on a store and is killed in the middle; another opens the store. Everything that
// a call had promised must be there, and nothing may be believed that does not hash to its root.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>

#include "base/check.h"
#include "cache/blob_store.h"
#include "tests/cache/content.h"
#include "tests/cache/stores.h"

namespace shoal::cache {
namespace {

constexpr std::uint64_t kInodes = 6;

/// What one inode's blob must be.
struct Expected {
  enum Kind { none, working, sealed, fetched } kind = none;
  Content content;          // fetched: what it is a part of; else the bytes, and their hashes
  bool may_be_none = true;  // fetched: it can be fetched again
};

struct Operation {
  enum Kind { create, change, seal, seal_durably, sync, fetch, fetch_rest, follow, remove, kinds };
  Kind kind = create;
  InodeId inode;
  std::uint64_t seed = 0;
};

/// The same operations for the process that does them and for the one that knows what they mean.
class Script {
 public:
  explicit Script(std::uint64_t seed) : random_(seed) {}

  /// Draws an operation that makes sense now. The model is as after it when apply() has been
  /// called.
  Operation next() {
    Operation operation;
    operation.inode = InodeId(1 + random_.below(kInodes));
    operation.seed = random_.next();
    const Expected::Kind now = model_[operation.inode].kind;
    do {
      operation.kind = static_cast<Operation::Kind>(random_.below(Operation::kinds));
    } while (!is_possible(operation.kind, now));
    return operation;
  }

  void apply(const Operation& operation) {
    Expected& expected = model_[operation.inode];
    base::Random random(operation.seed);
    switch (operation.kind) {
      case Operation::create:
        expected = {Expected::working, make_content(bytes_of(operation)), false};
        break;
      case Operation::change:
        expected = {Expected::working, make_content(changed(expected.content.bytes, operation)),
                    false};
        break;
      case Operation::seal:
      case Operation::seal_durably:
        expected.kind = Expected::sealed;
        break;
      case Operation::sync:
        expected.may_be_none = false;
        break;
      case Operation::fetch:
        expected = {Expected::fetched, make_content(bytes_of(operation))};
        break;
      case Operation::fetch_rest:
        break;
      case Operation::follow:
        expected = {Expected::fetched, make_content(changed(expected.content.bytes, operation))};
        break;
      case Operation::remove:
        expected = {};
        break;
      case Operation::kinds:
        break;
    }
  }

  const std::map<InodeId, Expected>& model() const { return model_; }
  const Expected& of(InodeId inode) { return model_[inode]; }

  static Bytes bytes_of(const Operation& operation) {
    base::Random random(operation.seed);
    const std::uint64_t size =
        random.chance(0.2) ? 1'200'000 + random.below(1'500'000) : random.below(200'000);
    Bytes bytes(size);
    random.fill(bytes);
    return bytes;
  }
  static Bytes changed(Bytes bytes, const Operation& operation) {
    base::Random random(operation.seed);
    bytes.resize(random.below(bytes.size() + 50'000) + 1);
    for (int i = 0; i < 3; ++i) bytes[random.below(bytes.size())] ^= std::byte{1};
    return bytes;
  }

 private:
  static bool is_possible(Operation::Kind kind, Expected::Kind now) {
    switch (kind) {
      case Operation::create:
        return true;
      case Operation::change:
        return now == Expected::working || now == Expected::sealed;
      case Operation::seal:
      case Operation::seal_durably:
        return now == Expected::working;
      case Operation::sync:
        return now != Expected::none;
      case Operation::fetch:
        return now == Expected::none;
      case Operation::fetch_rest:
        return now == Expected::fetched;
      case Operation::follow:
        return now == Expected::sealed || now == Expected::fetched;
      default:
        return now != Expected::none;
    }
  }

  base::Random random_;
  std::map<InodeId, Expected> model_;
};

template <class T>
void must(const Result<T>& result) {
  CHECK(result, "{}", result.error().message());
}

/// Stores some chunks of content, or all.
void fetch_some(Blob& blob, const Content& content, base::Random& random, bool all) {
  for (std::uint64_t chunk = 0; chunk < content.chunks(); ++chunk) {
    if (!all && random.chance(0.3)) continue;
    const VerifiedLeaves leaves = content.leaves_of(chunk);
    must(blob.put_leaves(leaves));
    const auto count = static_cast<std::uint32_t>(leaves.leaves().size());
    const auto first = all ? 0 : static_cast<std::uint32_t>(random.below(count));
    must(blob.put(content.blocks_of(chunk, first, count - first)));
  }
}

/// Makes the blob have these bytes by writing what differs.
void rewrite(Blob& blob, const Bytes& before, const Bytes& after) {
  must(blob.begin_working());
  must(blob.resize(after.size()));
  for (std::size_t at = 0; at < after.size(); at += 4096) {
    const std::size_t end = std::min(after.size(), at + 4096);
    const ByteView now = ByteView(after).subspan(at, end - at);
    const bool is_same =
        end <= before.size() && std::ranges::equal(now, ByteView(before).subspan(at, end - at));
    if (!is_same) must(blob.write_at(at, now));
  }
}

/// Does an operation; before is the model before it, after the one after it.
void perform(BlobStore& store, const Operation& operation, const Expected& before,
             const Expected& after) {
  base::Random random(operation.seed);
  switch (operation.kind) {
    case Operation::create: {
      auto blob = store.create_working(operation.inode);
      must(blob);
      must((*blob)->write_at(0, after.content.bytes));
      break;
    }
    case Operation::change:
      rewrite(*store.find(operation.inode), before.content.bytes, after.content.bytes);
      break;
    case Operation::seal:
    case Operation::seal_durably:
      must(store.find(operation.inode)->seal(operation.kind == Operation::seal_durably));
      must(store.set_role(operation.inode, Role::replica));  // published
      break;
    case Operation::sync:
      must(store.find(operation.inode)->sync());
      break;
    case Operation::fetch:
    case Operation::follow:
    case Operation::fetch_rest: {
      auto blob =
          store.obtain(operation.inode, after.content.shape, after.content.layer, Role::cached);
      must(blob);
      fetch_some(**blob, after.content, random, operation.kind == Operation::fetch_rest);
      break;
    }
    case Operation::remove:
      must(store.remove(operation.inode));
      break;
    case Operation::kinds:
      break;
  }
}

std::unique_ptr<BlobStore> open_store(const std::string& path) {
  auto store = open_disk_store({.path = path,
                                .swarm = test_swarm(),
                                .ceiling_bytes = std::uint64_t{1} << 40,
                                .free_floor_bytes = 1});
  CHECK(store, "{}", store.error().message());
  return std::move(*store);
}

/// Works until it is killed; counts what it has finished.
[[noreturn]] void work(const std::string& path, std::uint64_t seed, std::uint64_t clean_closes,
                       std::atomic<std::uint64_t>& done) {
  auto store = open_store(path);
  Script script(seed);
  for (;;) {
    const Operation operation = script.next();
    const Expected before = script.of(operation.inode);
    script.apply(operation);
    perform(*store, operation, before, script.of(operation.inode));
    const std::uint64_t count = ++done;
    if (clean_closes != 0 && count % clean_closes == 0) {
      must(store->close());
      store.reset();
      store = open_store(path);
    }
  }
}

/// Present blocks of what is not being changed lead to the root; all blocks of what is sealed.
void expect_verified(Blob& blob, const Content& content) {
  const std::uint64_t size = content.bytes.size();
  for (std::uint64_t at = 0; at < size; at += kBlockBytes) {
    if (!blob.missing(at, 1).empty()) continue;
    Bytes out(std::min<std::uint64_t>(kBlockBytes, size - at));
    ASSERT_TRUE(blob.read_at(at, out));
    ASSERT_TRUE(std::ranges::equal(out, ByteView(content.bytes).subspan(at, out.size()))) << at;
  }
}

void check(BlobStore& store, InodeId inode, const Expected& expected) {
  SCOPED_TRACE(testing::Message() << "inode " << inode.value() << " kind " << expected.kind
                                  << " size " << expected.content.bytes.size());
  auto blob = store.find(inode);
  if (expected.kind == Expected::none) {
    EXPECT_EQ(blob, nullptr);
    return;
  }
  if (expected.kind == Expected::fetched && expected.may_be_none && blob == nullptr) return;
  ASSERT_NE(blob, nullptr);
  const BlobInfo info = blob->info();
  const auto unpublished = store.unpublished();
  const bool is_listed = std::ranges::find(unpublished, inode) != unpublished.end();
  EXPECT_EQ(is_listed, info.state == BlobState::working);
  switch (expected.kind) {
    case Expected::working:
      EXPECT_EQ(info.state, BlobState::working);
      EXPECT_EQ(read_all(*blob), expected.content.bytes);
      break;
    case Expected::sealed:
      if (info.state == BlobState::sealed) EXPECT_EQ(info.shape, expected.content.shape);
      EXPECT_NE(info.state, BlobState::partial);
      EXPECT_EQ(read_all(*blob), expected.content.bytes);
      break;
    case Expected::fetched:
      ASSERT_NE(info.state, BlobState::working);
      ASSERT_EQ(info.shape, expected.content.shape);
      expect_verified(*blob, expected.content);
      break;
    case Expected::none:
      break;
  }
}

/// The blob that an operation was being done to may be either; but it must work.
void check_interrupted(BlobStore& store, InodeId inode, const Expected& before,
                       const Expected& after) {
  auto blob = store.find(inode);
  if (blob == nullptr) return;
  const BlobInfo info = blob->info();
  if (info.state == BlobState::working) {
    if (blob->missing(0, info.size).empty()) EXPECT_TRUE(blob->seal(false));
    return;
  }
  if (info.shape == before.content.shape) expect_verified(*blob, before.content);
  if (info.shape == after.content.shape) expect_verified(*blob, after.content);
  EXPECT_TRUE(info.shape == before.content.shape || info.shape == after.content.shape);
}

void run_and_kill(std::uint64_t seed) {
  base::Random random(seed);
  const test::TempFolder folder;
  const std::string path = folder / "store";
  ASSERT_TRUE(open_store(path)->close());
  void* shared = mmap(nullptr, sizeof(std::atomic<std::uint64_t>), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  auto& done = *new (shared) std::atomic<std::uint64_t>(0);
  const std::uint64_t target = 1 + random.below(60);
  const std::uint64_t clean_closes = random.chance(0.5) ? 1 + random.below(20) : 0;
  const std::uint64_t spins = random.below(200'000);

  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) work(path, seed, clean_closes, done);
  while (done < target) sched_yield();
  for (std::uint64_t i = 0; i < spins; ++i) done.load();  // somewhere within the next operation
  ASSERT_EQ(kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "it failed by itself";
  const std::uint64_t count = done;
  munmap(shared, sizeof(std::atomic<std::uint64_t>));

  Script script(seed);
  for (std::uint64_t i = 0; i < count; ++i) script.apply(script.next());
  auto store = open_store(path);
  Script interrupted = script;
  const Operation last = interrupted.next();
  interrupted.apply(last);
  for (std::uint64_t i = 1; i <= kInodes; ++i) {
    const InodeId inode(i);
    if (inode == last.inode) {
      check_interrupted(*store, inode, script.of(inode), interrupted.of(inode));
    } else {
      check(*store, inode, script.of(inode));
    }
  }
  EXPECT_TRUE(store->close());
}

TEST(BlobStoreCrash, keeps_its_promises_when_it_is_killed_anywhere) {
  const std::uint64_t seed = test_seed();
  constexpr std::uint64_t kRuns = 40;
  for (std::uint64_t run = 0; run < kRuns; ++run) {
    SCOPED_TRACE(testing::Message() << "run " << run);
    run_and_kill(seed + run);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace shoal::cache
