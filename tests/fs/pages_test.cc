// SPDX-License-Identifier: MIT
// Clearing the kernel's pages while a request keeps one of them locked, on virtual time.
#include "fs/pages.h"

#include <gtest/gtest.h>

#include <latch>

#include "tests/fs/in_process_tracker.h"
#include "tests/fs/store_source.h"
#include "tests/support/virtual_time.h"

namespace shoal::fs {
namespace {

constexpr InodeId kInode(7);

/// Keeps every call about pages waiting until it is told to go on.
class LockedPages final : public KernelCaches {
 public:
  int drop_name(InodeId, const std::string&) override { return 0; }
  int drop_attributes(InodeId) override { return 0; }
  int drop_pages(InodeId, ByteRange) override {
    is_asked_ = true;
    is_asked_.notify_all();
    unlocked_.wait();
    return 0;
  }
  bool drop_all_names() override { return true; }
  bool can_drop_all_names() const override { return true; }
  bool is_guarded() const override { return true; }

  void wait_until_asked() { is_asked_.wait(false); }
  void unlock() { unlocked_.count_down(); }

 private:
  std::atomic<bool> is_asked_ = false;
  std::latch unlocked_{1};
};

class PagesTest : public testing::Test {
 protected:
  PagesTest() {
    core_.notifier.start(kernel_);
    file_ = core_.file_for(kInode);
  }
  ~PagesTest() override {
    kernel_.unlock();
    core_.notifier.disarm();
    core_.notifier.join();
    test::run_virtual_until_done(loop_, time_, core_.group.stop());
    test::run_virtual_until_done(loop_, time_, tracker_.stop());
  }

  Task<void> drop() {
    outcome_ = co_await drop_pages(&core_, kInode, &holds_);
    is_over_ = true;
  }
  Task<void> flush() {
    co_await flush_mapped_pages(&core_, file_);
    is_over_ = true;
  }
  /// Runs an event's task until the kernel is at it, then ends the connection that brought it. Time
  /// stands still meanwhile, so a task that waits for its deadline never ends.
  void cancel_in_the_middle(Task<void> task) {
    TaskGroup events(loop_.get_executor());
    spawn(events, std::move(task));
    test::run_ready(loop_);
    kernel_.wait_until_asked();
    EXPECT_FALSE(is_over_);
    bool is_stopped = false;
    spawn(core_.group, stop(&events, &is_stopped));
    test::run_ready(loop_);
    EXPECT_TRUE(is_stopped);
    EXPECT_TRUE(is_over_);
  }
  static Task<void> stop(TaskGroup* events, bool* is_stopped) {
    co_await events->stop();
    *is_stopped = true;
  }

  Loop loop_;
  test::VirtualTime time_;
  std::unique_ptr<Pool> pool_ = base::make_thread_pool(1);
  std::unique_ptr<cache::BlobStore> store_ = cache::make_memory_store(1 << 20);
  test::StoreSource source_{*pool_, time_, {store_.get()}};
  test::InProcessTracker tracker_{loop_, time_};
  std::unique_ptr<test::InProcessSession> session_ = tracker_.open_session("peer");
  LockedPages kernel_;
  Core core_{Parts{loop_, time_, *pool_, *store_, source_}, MountOptions{}, *session_};
  std::shared_ptr<OpenFile> file_;
  std::vector<ReadHold> holds_;
  Result<void> outcome_;
  bool is_over_ = false;
};

TEST_F(PagesTest, an_event_ends_with_its_connection_though_pages_are_locked) {
  cancel_in_the_middle(drop());
  ASSERT_FALSE(outcome_.has_value());
  EXPECT_EQ(outcome_.error().code(), Errc::canceled);
  EXPECT_TRUE(holds_.empty());
}

TEST_F(PagesTest, a_recall_ends_with_its_connection_though_pages_are_locked) {
  file_->count_mappable(1);
  cancel_in_the_middle(flush());
}

}  // namespace
}  // namespace shoal::fs
