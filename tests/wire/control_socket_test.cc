// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/check.h"
#include "base/file.h"
#include "tests/support/temp_folder.h"
#include "wire/transport.h"

namespace shoal::wire {
namespace {

using namespace std::chrono_literals;

class ControlSocketTest : public testing::Test {
 protected:
  Task<void> talk() {
    auto listener = listen_control(loop_, *timer_, path_);
    EXPECT_TRUE(listener) << listener.error().message();
    if (!listener) co_return;
    auto client = co_await connect_control(loop_, *timer_, path_, soon());
    EXPECT_TRUE(client) << client.error().message();
    auto server = co_await (*listener)->accept();
    EXPECT_TRUE(server);
    if (!client || !server) co_return;
    EXPECT_FALSE(static_cast<bool>((*client)->remote()));
    EXPECT_FALSE(static_cast<bool>((*server)->remote()));
    Frame frame;
    frame.type = 60;
    frame.body.resize(1000, std::byte{1});
    frame.payload.resize(1 << 16, std::byte{2});
    const Result<void> sent = co_await (*client)->send(frame);
    EXPECT_TRUE(sent);
    const auto received = co_await (*server)->receive();
    EXPECT_TRUE(received);
    if (received) EXPECT_TRUE(received->payload == frame.payload && received->body == frame.body);
    (*server)->close();
    const auto end = co_await (*client)->receive();
    EXPECT_FALSE(end);
    EXPECT_EQ((*client)->close_reason(), CloseReason::finished);
  }

  Task<void> connect_expecting(Errc code) {
    const auto client = co_await connect_control(loop_, *timer_, path_, soon());
    EXPECT_FALSE(client);
    if (!client) EXPECT_EQ(client.error().code(), code) << client.error().message();
  }

  Deadline soon() const { return Deadline::after(timer_->clock(), 10s); }

  test::TempFolder folder_;
  std::string path_ = folder_ / "control";
  Loop loop_;
  std::unique_ptr<Timer> timer_ = base::make_system_timer();
};

TEST_F(ControlSocketTest, carries_frames) { base::run_until_done(loop_, talk()); }

TEST_F(ControlSocketTest, only_its_owner_may_connect) {
  const auto listener = listen_control(loop_, *timer_, path_);
  ASSERT_TRUE(listener);
  struct stat status{};
  ASSERT_EQ(::lstat(path_.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(ControlSocketTest, a_second_listener_is_busy) {
  const auto first = listen_control(loop_, *timer_, path_);
  ASSERT_TRUE(first);
  const auto second = listen_control(loop_, *timer_, path_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Errc::busy);
}

TEST_F(ControlSocketTest, the_file_goes_away_with_the_listener) {
  {
    ASSERT_TRUE(listen_control(loop_, *timer_, path_));
  }
  struct stat status{};
  EXPECT_NE(::lstat(path_.c_str(), &status), 0);
}

TEST_F(ControlSocketTest, a_file_left_by_a_dead_process_is_replaced) {
  {
    const base::Fd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    ASSERT_LT(path_.size(), sizeof address.sun_path);
    path_.copy(address.sun_path, path_.size());
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  base::run_until_done(loop_, connect_expecting(Errc::unreachable));
  base::run_until_done(loop_, talk());
}

TEST_F(ControlSocketTest, another_file_in_its_place_is_left_alone) {
  ASSERT_TRUE(base::write_whole(path_, "precious"));
  const auto listener = listen_control(loop_, *timer_, path_);
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code(), Errc::exists);
  const auto content = base::read_whole(path_, 100);
  ASSERT_TRUE(content);
  EXPECT_EQ(*content, "precious");
}

TEST_F(ControlSocketTest, nobody_there_is_unreachable) {
  base::run_until_done(loop_, connect_expecting(Errc::unreachable));
}

TEST_F(ControlSocketTest, a_path_too_long_for_a_socket_says_so) {
  path_ = folder_ / std::string(200, 'x');
  const auto listener = listen_control(loop_, *timer_, path_);
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code(), Errc::name_too_long);
}

}  // namespace
}  // namespace shoal::wire
