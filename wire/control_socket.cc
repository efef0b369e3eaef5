// SPDX-License-Identifier: MIT
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "wire/framed_connection.h"
#include "wire/limits.h"
#include "wire/socket_address.h"
#include "wire/socket_listener.h"
#include "wire/transport.h"

namespace shoal::wire {
namespace {

using Connected = Result<std::unique_ptr<Connection>>;

Task<Connected> establish(Executor executor, Timer& timer, base::Fd socket,
                          std::string remote_address) {
  auto stream = std::make_unique<SocketStream>(std::move(executor), std::move(socket));
  Result<void> agreed = co_await exchange_preambles(*stream);
  if (!agreed) co_return pass(std::move(agreed));
  co_return std::make_unique<FramedConnection>(timer, std::move(stream), PeerId{},
                                               std::move(remote_address));
}

Task<Connected> connect_and_establish(Executor executor, Timer& timer, std::string path) {
  auto address = unix_address(path);
  if (!address) co_return pass(std::move(address));
  auto socket = make_socket(*address);
  if (!socket) co_return pass(std::move(socket));
  Result<void> connected = co_await connect_socket(*socket, *address);
  if (!connected) co_return pass(std::move(connected));
  auto established = co_await establish(std::move(executor), timer, std::move(*socket), path);
  co_return established;
}

/// Whether a process listens behind the file.
bool is_answered(const SocketAddress& address) {
  auto probe = make_socket(address);
  if (!probe) return false;
  const bool is_connected = ::connect(probe->get(), address.get(), address.size) == 0;
  return is_connected || errno == EAGAIN || errno == EINPROGRESS;
}

struct FileName {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileName&) const = default;
};

std::optional<FileName> name_of(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
  return FileName{status.st_dev, status.st_ino};
}

}  // namespace

Result<std::unique_ptr<Listener>> listen_control(Loop& loop, Timer& timer,
                                                 const std::string& path) {
  auto address = unix_address(path);
  if (!address) return pass(std::move(address));
  struct stat status{};
  if (::lstat(path.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode)) {
      return fail(Errc::exists, "{} is in the way of the control socket", path);
    }
    if (is_answered(*address)) {
      return fail(Errc::busy, "another process answers on {}", path);
    }
    if (::unlink(path.c_str()) != 0) return base::fail_errno(errno, "removing " + path);
  }
  auto socket = make_socket(*address);
  if (!socket) return pass(std::move(socket));
  // bind() makes the file; before listen() nobody can connect, and by then the mode is set.
  if (::bind(socket->get(), address->get(), address->size) != 0) {
    return base::fail_errno(errno, "making the control socket " + path);
  }
  if (::chmod(path.c_str(), 0600) != 0 || ::listen(socket->get(), SOMAXCONN) != 0) {
    return base::fail_errno(errno, "opening the control socket " + path);
  }
  const Executor executor = loop.get_executor();
  Establish establish_accepted = [executor, &timer](base::Fd accepted, std::string remote) {
    return establish(executor, timer, std::move(accepted), std::move(remote));
  };
  // Only our own file goes away with us, not that of a successor.
  auto remove_file = [path, mine = name_of(path)] {
    if (name_of(path) == mine) (void)::unlink(path.c_str());
  };
  return make_socket_listener(executor, timer, std::move(*socket), Endpoint{path, 0},
                              std::move(establish_accepted), std::move(remove_file));
}

Task<Result<std::unique_ptr<Connection>>> connect_control(Loop& loop, Timer& timer,
                                                          std::string path, Deadline deadline) {
  const Executor executor = loop.get_executor();
  auto connected =
      co_await base::with_deadline(timer, deadline, connect_and_establish(executor, timer, path));
  if (!connected) {
    co_return std::unexpected(connected.error().with(fmt::format("connecting to {}", path)));
  }
  co_return connected;
}

}  // namespace shoal::wire
