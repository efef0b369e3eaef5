// SPDX-License-Identifier: MIT
#include "fs/file_gates.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "tests/support/temp_folder.h"

namespace shoal::fs {
namespace {

constexpr std::chrono::seconds kPatience{60};

/// A program of its own that appends to a file: our own process never waits at a gate.
class Appending {
 public:
  explicit Appending(const std::string& path) {
    const std::string command = "printf x >>'" + path + "'";
    std::array<std::string, 3> words{"sh", "-c", command};
    std::array<char*, 4> pointers{words[0].data(), words[1].data(), words[2].data(), nullptr};
    EXPECT_EQ(posix_spawnp(&child_, "sh", nullptr, nullptr, pointers.data(), environ), 0);
  }
  bool succeeds() const {
    int status = 0;
    EXPECT_EQ(waitpid(child_, &status, 0), child_);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

 private:
  pid_t child_ = -1;
};

class FileGatesTest : public testing::Test {
 protected:
  void SetUp() override {
    auto gates = FileGates::open();
    if (!gates) GTEST_SKIP() << gates.error().message();
    gates_ = std::move(*gates);
    auto file = base::open_file(path_, O_RDWR | O_CREAT);
    ASSERT_TRUE(file);
    file_ = std::move(*file);
    const auto added = gates_->add(file_);
    if (!added) GTEST_SKIP() << added.error().message();
    gates_->start([this](FileGates::Key, FileGates::Knock knock) {
      const std::lock_guard lock(mutex_);
      knocks_.push_back(std::move(knock));
      came_.notify_all();
    });
  }
  void TearDown() override {
    if (gates_) gates_->stop();
  }
  FileGates::Knock next_knock() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(came_.wait_for(lock, kPatience, [this] { return !knocks_.empty(); }));
    FileGates::Knock knock = std::move(knocks_.front());
    knocks_.pop_front();
    return knock;
  }
  off_t size() const { return lseek(file_.get(), 0, SEEK_END); }

  test::TempFolder folder_;
  const std::string path_ = folder_.path() + "/file";
  std::unique_ptr<FileGates> gates_;
  base::Fd file_;
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<FileGates::Knock> knocks_;
};

TEST_F(FileGatesTest, who_comes_to_a_closed_gate_waits_until_let_in) {
  const Appending program(path_);
  FileGates::Knock knock = next_knock();
  EXPECT_EQ(size(), 0);
  knock.allow();
  EXPECT_TRUE(program.succeeds());
  EXPECT_EQ(size(), 1);
}

TEST_F(FileGatesTest, an_open_gate_lets_everybody_through_until_it_is_closed) {
  ASSERT_TRUE(gates_->reopen(file_));
  EXPECT_TRUE(Appending(path_).succeeds());
  ASSERT_TRUE(gates_->close(file_));
  const Appending program(path_);
  next_knock().allow();
  EXPECT_TRUE(program.succeeds());
  EXPECT_EQ(size(), 2);
}

TEST_F(FileGatesTest, who_is_refused_or_forgotten_gets_an_error) {
  const Appending refused(path_);
  next_knock().refuse(ENOSPC);
  EXPECT_FALSE(refused.succeeds());
  const Appending forgotten(path_);
  (void)next_knock();
  EXPECT_FALSE(forgotten.succeeds());
  EXPECT_EQ(size(), 0);
}

TEST_F(FileGatesTest, the_end_of_the_gates_lets_everybody_through) {
  gates_->remove(file_);
  EXPECT_TRUE(Appending(path_).succeeds());
  EXPECT_EQ(size(), 1);
}

}  // namespace
}  // namespace shoal::fs
