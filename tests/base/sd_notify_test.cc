// SPDX-License-Identifier: MIT
#include "base/sd_notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace shoal {
namespace {

TEST(SdNotify, sends_the_state_to_the_socket_that_is_named) {
  const test::TempFolder folder;
  const std::string path = folder / "notify";
  const base::Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.size());
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::setenv("NOTIFY_SOCKET", path.c_str(), 1), 0);
  base::sd_notify("READY=1");
  ::unsetenv("NOTIFY_SOCKET");
  char buffer[64];
  const ssize_t count = ::recv(fd.get(), buffer, sizeof buffer, 0);
  ASSERT_GT(count, 0);
  EXPECT_EQ(std::string(buffer, static_cast<std::size_t>(count)), "READY=1");
}

TEST(SdNotify, is_silent_without_a_service_manager) {
  ::unsetenv("NOTIFY_SOCKET");
  base::sd_notify("READY=1");
}

}  // namespace
}  // namespace shoal
