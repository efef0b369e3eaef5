// SPDX-License-Identifier: MIT
// Changes that a peer makes by itself under the delegation of a directory, beside what a real
// tracker core makes of them; and how the delegation comes back that another peer's look has ended.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/random.h"
#include "fs/volume.h"
#include "tests/fs/in_process_tracker.h"
#include "tests/support/virtual_time.h"

namespace shoal::fs {
namespace {

using wire::FileKind;

/// A volume with a journal in memory, as the mount has it.
struct Peer {
  Peer(Loop& loop, test::VirtualTime& time, test::InProcessTracker& tracker,
       const std::string& name)
      : session(tracker.open_session(name)),
        outbox(loop, time, *pool, *session, std::move(*Journal::open(""))),
        volume(*session, &outbox, time),
        group(loop.get_executor()) {
    session->on_invalidate = [this](wire::Invalidate event) { return forget(std::move(event)); };
    session->on_recall = [this](wire::Recall event) { return recall(event); };
    outbox.on_refused = [this](const wire::Operation& operation, const wire::OperationReply&) {
      refused.push_back(operation.journal);
    };
    spawn(group, outbox.run());
  }

  Task<Result<wire::InvalidateReply>> forget(wire::Invalidate event) {
    wire::InvalidateReply reply;
    for (const wire::Stale& stale : event.stale) {
      if (!stale.whole) {
        volume.invalidate(stale);
      } else if (!lets_go || volume.leave({stale.inode}, {}, {}).directories.empty()) {
        reply.still_open.push_back(stale.inode);
      }
    }
    co_return reply;
  }
  Task<Result<wire::RecallReply>> recall(wire::Recall event) {
    wire::RecallReply reply;
    reply.held = !event.publish && volume.is_delegated(event.inode);
    if (event.publish) volume.give_up(event.inode);
    ++recalls;
    const Result<void> settled = co_await volume.settle(Deadline::never());
    if (!settled) co_return pass(settled);
    co_return reply;
  }

  std::unique_ptr<Pool> pool = base::make_inline_pool();
  std::unique_ptr<test::InProcessSession> session;
  Outbox outbox;
  Volume volume;
  TaskGroup group;
  bool lets_go = true;
  int recalls = 0;
  std::vector<std::uint64_t> refused;
};

class LocalNamesTest : public testing::Test {
 protected:
  LocalNamesTest()
      : tracker_(loop_, time_),
        one_(loop_, time_, tracker_, "one"),
        two_(loop_, time_, tracker_, "two") {}
  ~LocalNamesTest() override {
    test::run_virtual_until_done(loop_, time_, one_.group.stop());
    test::run_virtual_until_done(loop_, time_, two_.group.stop());
    test::run_virtual_until_done(loop_, time_, tracker_.stop());
  }

  template <class T>
  T run(Task<T> task) {
    std::optional<T> result;
    test::run_virtual_until_done(loop_, time_, keep(std::move(task), &result));
    return std::move(*result);
  }
  Deadline deadline() { return Deadline::after(time_, std::chrono::seconds(30)); }

  InodeId next_inode(Peer& peer) {
    if (left_ == 0) {
      const auto range = run(peer.session->ask(wire::AllocateInodes{}, deadline()));
      EXPECT_TRUE(range.has_value());
      next_ = range->first.value();
      left_ = range->count;
    }
    --left_;
    return InodeId(next_++);
  }

  wire::Create creation(InodeId parent, const std::string& name, FileKind kind) {
    wire::Create create;
    create.parent = parent;
    create.name = name;
    create.inode = next_inode(one_);
    create.kind = kind;
    create.mode = 0640;
    create.uid = 1000;
    create.gid = 100;
    if (kind == FileKind::symlink) create.target = "some/where";
    create.delegate = kind == FileKind::regular || kind == FileKind::directory;
    return create;
  }
  wire::Operation operation(wire::Change change) { return {std::move(change), ++moment_}; }

  /// By peer one, here or at the tracker.
  Result<wire::OperationReply> change(wire::Create create) {
    const NameRef ref{create.parent, create.name};
    Touches touches{{ref}, {create.parent}};
    return run(one_.volume.change(operation(create), std::move(touches),
                                  {{ref, create.inode, create.kind}}, deadline()));
  }
  InodeId make_top() {
    const wire::Create create = creation(kRootInode, "top", FileKind::directory);
    EXPECT_TRUE(change(create).has_value());
    EXPECT_TRUE(one_.volume.is_delegated(create.inode));
    return create.inode;
  }

  Loop loop_;
  test::VirtualTime time_;
  test::InProcessTracker tracker_;
  Peer one_;
  Peer two_;
  std::int64_t moment_ = 1'000'000;

 private:
  template <class T>
  static Task<void> keep(Task<T> task, std::optional<T>* result) {
    T value = co_await std::move(task);
    result->emplace(std::move(value));
  }
  std::uint64_t next_ = 0;
  std::uint64_t left_ = 0;
};

/// Random changes in a tree of delegated directories; what cannot be made here is left out.
class RandomChanges {
 public:
  RandomChanges(Volume& volume, InodeId top, std::uint64_t seed)
      : volume_(volume), random_(seed), directories_{top} {}

  /// A change and the right to make it, or nothing that makes sense.
  std::optional<std::pair<wire::Change, Volume::Right>> next(
      const std::function<wire::Create(InodeId, std::string, FileKind)>& creation) {
    const InodeId directory = directories_[random_.below(directories_.size())];
    const std::string name = some_name();
    const auto known = volume_.find_name(directory, name);
    if (!known) return std::nullopt;
    const auto record = known->inode ? volume_.find_inode(known->inode) : std::nullopt;
    const bool is_directory = record && record->attributes.kind == FileKind::directory;
    const auto here = Volume::Right::directory;
    switch (random_.below(6)) {
      case 0:
        return std::pair(wire::Change(wire::Unlink{directory, name, false, {}}), here);
      case 1:
        if (!is_directory) break;
        return std::pair(wire::Change(wire::Rmdir{directory, name, {}}), here);
      case 2: {
        const InodeId other = directories_[random_.below(directories_.size())];
        return std::pair(
            wire::Change(wire::Rename{directory, name, other, some_name(), 0, false, {}, {}}),
            here);
      }
      case 3:
        if (record) return std::pair(wire::Change(attributes(record->inode)), here);
        break;
      case 4:
        if (!record || record->attributes.kind != FileKind::regular) break;
        if (!record->delegated)
          return std::pair(wire::Change(wire::TakeDelegation{record->inode}), here);
        return std::pair(wire::Change(publication(*record)), Volume::Right::file);
      default:
        break;
    }
    if (known->inode) return std::nullopt;
    const FileKind kinds[] = {FileKind::regular, FileKind::regular, FileKind::directory,
                              FileKind::symlink, FileKind::fifo};
    return std::pair(wire::Change(creation(directory, name, kinds[random_.below(5)])), here);
  }

  /// Directories come and go with what was done.
  void note(const wire::Change& change) {
    if (const auto* create = std::get_if<wire::Create>(&change)) {
      if (create->kind == FileKind::directory) directories_.push_back(create->inode);
    }
    std::erase_if(directories_, [this](InodeId inode) { return !volume_.is_delegated(inode); });
  }

  const std::vector<InodeId>& directories() const { return directories_; }

 private:
  std::string some_name() { return "n" + std::to_string(random_.below(8)); }
  wire::SetAttributes attributes(InodeId inode) {
    wire::SetAttributes set;
    set.inode = inode;
    if (random_.chance(0.5)) set.mode = static_cast<std::uint32_t>(random_.below(07777));
    if (random_.chance(0.3)) set.uid = static_cast<std::uint32_t>(random_.below(9));
    if (random_.chance(0.3)) set.gid = static_cast<std::uint32_t>(random_.below(9));
    if (random_.chance(0.5)) set.atime = static_cast<std::int64_t>(random_.below(1000));
    if (random_.chance(0.5)) set.mtime = static_cast<std::int64_t>(random_.below(1000));
    return set;
  }
  wire::Publish publication(const wire::InodeRecord& record) {
    wire::Publish publish;
    publish.inode = record.inode;
    publish.version = record.version;
    publish.content.id.size = 1 + random_.below(5000);
    random_.fill(publish.content.id.root.bytes);
    publish.allocated_bytes = 8192;
    if (random_.chance(0.7)) publish.mtime = static_cast<std::int64_t>(random_.below(1000));
    if (random_.chance(0.5)) publish.atime = static_cast<std::int64_t>(random_.below(1000));
    publish.release = random_.chance(0.7);
    return publish;
  }

  Volume& volume_;
  base::Random random_;
  std::vector<InodeId> directories_;
};

void expect_alike(const wire::InodeRecord& here, const wire::InodeRecord& there) {
  EXPECT_EQ(here.inode, there.inode);
  const wire::Attributes& ours = here.attributes;
  const wire::Attributes& theirs = there.attributes;
  EXPECT_EQ(ours.kind, theirs.kind);
  EXPECT_EQ(ours.mode, theirs.mode);
  EXPECT_EQ(ours.nlink, theirs.nlink);
  EXPECT_EQ(ours.uid, theirs.uid);
  EXPECT_EQ(ours.gid, theirs.gid);
  EXPECT_EQ(ours.size, theirs.size);
  EXPECT_EQ(ours.allocated_bytes, theirs.allocated_bytes);
  EXPECT_EQ(ours.atime, theirs.atime);
  EXPECT_EQ(ours.mtime, theirs.mtime);
  EXPECT_EQ(ours.ctime, theirs.ctime);
  EXPECT_EQ(here.content, there.content);
  EXPECT_EQ(here.version, there.version);
  EXPECT_EQ(here.target, there.target);
}

/// SHOAL_SEED replays one run.
TEST_F(LocalNamesTest, what_is_changed_here_is_what_the_tracker_makes_of_it) {
  const char* given = std::getenv("SHOAL_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : base::system_seed();
  SCOPED_TRACE(fmt::format("replay with SHOAL_SEED={}", seed));
  RandomChanges changes(one_.volume, make_top(), seed);
  int made = 0;
  for (int i = 0; i < 600; ++i) {
    auto next = changes.next([this](InodeId parent, std::string name, FileKind kind) {
      return creation(parent, name, kind);
    });
    if (!next) continue;
    const auto done = one_.volume.change_here(operation(next->first), next->second);
    if (done && *done) {
      ++made;
      changes.note(next->first);
    }
  }
  EXPECT_GT(made, 100);
  ASSERT_TRUE(run(one_.volume.settle(deadline())).has_value());
  EXPECT_TRUE(one_.refused.empty()) << "the tracker did not take operation " << one_.refused[0];
  for (const InodeId directory : changes.directories()) {
    const auto here = one_.volume.find_listing(directory);
    ASSERT_NE(here, nullptr);
    const auto there = run(two_.volume.list(directory, deadline()));
    ASSERT_TRUE(there.has_value());
    ASSERT_EQ(here->size(), (*there)->size());
    for (std::size_t i = 0; i < here->size(); ++i) {
      EXPECT_EQ((*here)[i].name, (**there)[i].name);
      const auto ours = one_.volume.find_inode((*here)[i].inode);
      const auto theirs = run(two_.volume.get_inode((*here)[i].inode, false, deadline()));
      ASSERT_TRUE(ours && theirs);
      expect_alike(*ours, *theirs);
    }
    const auto ours = one_.volume.find_inode(directory);
    const auto theirs = run(two_.volume.get_inode(directory, false, deadline()));
    ASSERT_TRUE(ours && theirs);
    expect_alike(*ours, *theirs);
  }
  EXPECT_GT(one_.recalls, 0);
}

TEST_F(LocalNamesTest, a_directory_that_another_peer_has_done_with_is_ones_own_again) {
  const InodeId top = make_top();
  ASSERT_TRUE(one_.volume.change_here(operation(creation(top, "a", FileKind::regular))));
  ASSERT_TRUE(run(two_.volume.lookup(top, "a", deadline())).has_value());
  EXPECT_FALSE(one_.volume.is_delegated(top));
  ASSERT_TRUE(two_.volume.find_name(top, "a"));
  two_.lets_go = false;
  time_.advance(std::chrono::seconds(3));
  ASSERT_TRUE(change(creation(top, "b", FileKind::regular)).has_value());
  ASSERT_TRUE(two_.volume.find_name(top, "a"));
  two_.lets_go = true;
  for (int i = 0; i < 10 && !one_.volume.is_delegated(top); ++i) {
    time_.advance(std::chrono::seconds(1));
    ASSERT_TRUE(change(creation(top, fmt::format("c{}", i), FileKind::regular)).has_value());
  }
  EXPECT_TRUE(one_.volume.is_delegated(top));
  EXPECT_FALSE(two_.volume.find_name(top, "a"));
  EXPECT_FALSE(two_.volume.find_inode(top));
  const std::uint64_t before = tracker_.requests();
  ASSERT_TRUE(one_.volume.change_here(operation(creation(top, "d", FileKind::regular))));
  EXPECT_EQ(tracker_.requests(), before);
  // And who looks again sees all of it.
  const auto seen = run(two_.volume.lookup(top, "d", deadline()));
  ASSERT_TRUE(seen.has_value());
  EXPECT_TRUE(seen->has_value());
}

TEST_F(LocalNamesTest, a_directory_is_kept_for_a_file_that_is_in_use_or_of_which_nobody_knows) {
  const InodeId top = make_top();
  const wire::Create file = creation(top, "file", FileKind::regular);
  ASSERT_TRUE(one_.volume.change_here(operation(file)));
  ASSERT_TRUE(run(two_.volume.lookup(top, "file", deadline())).has_value());
  for (const InodeId used : {file.inode, InodeId(999'999)}) {
    const InodeId list[] = {used};
    EXPECT_TRUE(two_.volume.leave({top}, list, {}).directories.empty());
    EXPECT_TRUE(two_.volume.find_name(top, "file"));
  }
  const InodeId known[] = {file.inode, top, InodeId(999'998)};
  const auto left = two_.volume.leave({top}, {}, known);
  EXPECT_EQ(left.directories, std::set<InodeId>{top});
  // Of the last one nobody knows where it is: dropped to be on the safe side.
  EXPECT_EQ(left.inodes, std::vector<InodeId>(std::begin(known), std::end(known)));
  EXPECT_FALSE(two_.volume.find_name(top, "file"));
  EXPECT_FALSE(two_.volume.find_inode(file.inode));
  const wire::Create other = creation(kRootInode, "other", FileKind::directory);
  ASSERT_TRUE(change(other).has_value());
  EXPECT_TRUE(one_.volume.leave({other.inode}, {}, {}).directories.empty()) << "it is ours";
}

}  // namespace
}  // namespace shoal::fs
