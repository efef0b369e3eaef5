// SPDX-License-Identifier: MIT
// The daemon's side of a FUSE session, with the kernel played by the test: lookup counts, forgets,
// time-outs, interrupts, one answer each.
#include <gtest/gtest.h>

#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <cerrno>
#include <future>
#include <thread>

#include "fs/core.h"
#include "fs/mount.h"
#include "tests/fs/fake_kernel.h"
#include "tests/fs/in_process_tracker.h"
#include "tests/fs/store_source.h"

namespace shoal::fs {
namespace {

class SessionTest : public testing::Test {
 protected:
  SessionTest()
      : timer_(base::make_system_timer()),
        pool_(base::make_thread_pool(1)),
        store_(cache::make_memory_store(1 << 30)),
        source_(*pool_, *timer_, {store_.get()}) {
    thread_ = std::jthread([this] {
      const auto guard = asio::make_work_guard(loop_);
      loop_.run();
    });
    on_loop([this] {
      tracker_ = std::make_unique<test::InProcessTracker>(loop_, *timer_);
      session_ = tracker_->open_session("peer");
    });
    core_ = std::make_unique<Core>(Parts{loop_, *timer_, *pool_, *store_, source_}, MountOptions{},
                                   *session_);
    core_->on_init = [] {};
    auto mount = Mount::open_on_socket(*core_, kernel_.daemon_socket());
    EXPECT_TRUE(mount.has_value());
    mount_ = std::move(*mount);
    mount_->start(2, [] {});
  }

  ~SessionTest() override {
    kernel_.hang_up();
    mount_->join();
    run(core_->group.stop());
    on_loop([this] { session_.reset(); });
    run(tracker_->stop());
    loop_.stop();
    thread_.join();
    mount_.reset();
    core_.reset();
    tracker_.reset();
  }

  void on_loop(std::function<void()> work) {
    std::promise<void> done;
    asio::post(loop_, [&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  void run(Task<void> task) {
    std::promise<void> done;
    TaskGroup group(loop_.get_executor());
    asio::post(loop_, [&] { spawn(group, then_tell(std::move(task), &done)); });
    done.get_future().wait();
    on_loop([] {});
    on_loop([] {});
  }
  static Task<void> then_tell(Task<void> task, std::promise<void>* done) {
    co_await std::move(task);
    done->set_value();
  }

  /// MKDIR under the root; its node.
  std::uint64_t make_directory(const std::string& name) {
    fuse_mkdir_in request{};
    request.mode = 0755;
    std::vector<char> body = test::packed(request);
    const std::vector<char> text = test::packed(name);
    body.insert(body.end(), text.begin(), text.end());
    const auto answer = kernel_.wait(kernel_.send(FUSE_MKDIR, FUSE_ROOT_ID, body));
    EXPECT_TRUE(answer && answer->error == 0);
    return answer ? answer->as<fuse_entry_out>().nodeid : 0;
  }

  test::FakeKernel kernel_;
  Loop loop_;
  std::unique_ptr<Timer> timer_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<cache::BlobStore> store_;
  test::StoreSource source_;
  std::unique_ptr<test::InProcessTracker> tracker_;
  std::unique_ptr<test::InProcessSession> session_;
  std::unique_ptr<Core> core_;
  std::unique_ptr<Mount> mount_;
  std::jthread thread_;
};

TEST_F(SessionTest, every_lookup_counts_and_forget_takes_them_back) {
  ASSERT_TRUE(kernel_.init());
  const std::uint64_t node = make_directory("d");
  EXPECT_EQ(core_->table.lookups(InodeId(node)), 1);
  for (int i = 0; i < 3; ++i) {
    const auto found = kernel_.lookup(FUSE_ROOT_ID, "d");
    ASSERT_TRUE(found && found->error == 0);
    EXPECT_EQ(found->as<fuse_entry_out>().nodeid, node);
  }
  EXPECT_EQ(core_->table.lookups(InodeId(node)), 4);
  kernel_.forget(node, 4);
  ASSERT_TRUE(kernel_.lookup(FUSE_ROOT_ID, "no such name"));
  // The forget may be with the other worker still.
  while (core_->table.lookups(InodeId(node)) != 0) std::this_thread::yield();
  EXPECT_FALSE(core_->table.known(InodeId(node), core_->clock().steady()).is_known);
}

TEST_F(SessionTest, time_outs_never_reach_beyond_the_lease) {
  ASSERT_TRUE(kernel_.init());
  make_directory("d");
  const auto found = kernel_.lookup(FUSE_ROOT_ID, "d");
  ASSERT_TRUE(found && found->error == 0);
  const auto entry = found->as<fuse_entry_out>();
  EXPECT_GT(entry.attr_valid, 0);
  EXPECT_LE(entry.attr_valid, 20);
  EXPECT_LE(entry.entry_valid, 20);
}

TEST_F(SessionTest, an_absent_name_is_answered_with_a_time_out_of_its_own) {
  ASSERT_TRUE(kernel_.init());
  (void)kernel_.lookup(FUSE_ROOT_ID, "absent");
  const auto again = kernel_.lookup(FUSE_ROOT_ID, "absent");
  ASSERT_TRUE(again && again->error == 0) << "a negative entry that may be kept";
  EXPECT_EQ(again->as<fuse_entry_out>().nodeid, 0);
}

TEST_F(SessionTest, names_over_255_bytes_are_refused_without_asking_anybody) {
  ASSERT_TRUE(kernel_.init());
  const std::uint64_t before = tracker_->requests();
  const auto answer = kernel_.lookup(FUSE_ROOT_ID, std::string(256, 'x'));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error, ENAMETOOLONG);
  EXPECT_EQ(tracker_->requests(), before);
}

TEST_F(SessionTest, an_unknown_request_is_answered_with_enosys) {
  ASSERT_TRUE(kernel_.init());
  const auto answer = kernel_.wait(kernel_.send(4000, FUSE_ROOT_ID, {}));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error, ENOSYS);
}

TEST_F(SessionTest, an_interrupt_ends_a_wait_for_the_tracker) {
  ASSERT_TRUE(kernel_.init());
  on_loop([this] { session_->set_cut(true); });
  const std::uint64_t waiting = kernel_.send_lookup(FUSE_ROOT_ID, "x");
  kernel_.interrupt(waiting);
  const auto answer = kernel_.wait(waiting);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error, EINTR);
  on_loop([this] { session_->set_cut(false); });
  ASSERT_TRUE(kernel_.lookup(FUSE_ROOT_ID, "y"));
  EXPECT_FALSE(kernel_.has_stray_answer()) << "answered twice";
}

TEST_F(SessionTest, an_interrupt_leaves_a_request_alone_that_ends_by_itself) {
  ASSERT_TRUE(kernel_.init());
  on_loop([this] { session_->set_cut(true); });
  const std::uint64_t waiting = kernel_.send_lookup(FUSE_ROOT_ID, "x");
  kernel_.interrupt(waiting);
  on_loop([this] { session_->set_cut(false); });
  const auto answer = kernel_.wait(waiting);
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->error, EINTR);
}

TEST_F(SessionTest, requests_that_wait_are_answered_when_the_mount_ends) {
  ASSERT_TRUE(kernel_.init());
  on_loop([this] { session_->set_cut(true); });
  const std::uint64_t waiting = kernel_.send_lookup(FUSE_ROOT_ID, "x");
  while (core_->group.size() == 0) on_loop([] {});
  run(core_->group.stop());
  const auto answer = kernel_.wait(waiting);
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->error, 0);
}

TEST_F(SessionTest, the_kernel_forgetting_too_much_is_survived) {
  ASSERT_TRUE(kernel_.init());
  const std::uint64_t node = make_directory("d");
  kernel_.forget(node, 1000);
  kernel_.forget(123456, 1);
  const auto found = kernel_.lookup(FUSE_ROOT_ID, "d");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->error, 0);
}

}  // namespace
}  // namespace shoal::fs
