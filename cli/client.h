// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "wire/messages.h"

namespace shoal::cli {

/// A connection to a daemon's control socket, used one call at a time. Every call has a deadline.
/// Errors of all calls: what the daemon answered; unreachable, timed_out. Thread: main.
class Client {
 public:
  /// Errors: unreachable (nobody answers there), access_denied.
  static Result<Client> connect(const std::string& control_socket);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  Result<wire::StatusReply> status();
  Result<wire::FindReply> find(std::string pattern, std::uint32_t limit);
  Result<wire::ResolveReply> resolve(std::string path);
  /// Peer daemons only.
  Result<wire::PeerStatusReply> peer_status();
  Result<void> unmount(bool lazy);
  /// Trackers only.
  Result<wire::Invitation> invite(Duration valid);

  /// Gets the bytes of a content from `offset` to its end and hands them to sink in order, asking
  /// for the next ones while sink works. Ends with sink's error when it gives one.
  using Sink = std::function<Result<void>(std::uint64_t offset, ByteView bytes)>;
  Result<void> read_content(InodeId inode, const wire::ContentRef& content, std::uint64_t offset,
                            const Sink& sink);

 private:
  struct State;
  explicit Client(std::unique_ptr<State> state);
  template <class Request>
  Result<typename Request::Reply> call(Request request, Duration time);
  std::unique_ptr<State> state_;
};

}  // namespace shoal::cli
