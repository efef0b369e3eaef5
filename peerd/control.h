// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/task.h"
#include "cache/blob_source.h"
#include "cache/blob_store.h"
#include "wire/rpc.h"
#include "wire/tracker_client.h"

namespace shoal::peerd {

/// Answers the shoal tool on this machine, over DIR/control.sock. What only the tracker knows is
/// passed on to it. Owner: the daemon. Thread: the loop.
class Control {
 public:
  /// All outlive it.
  struct Environment {
    Executor executor;
    Timer& timer;
    Pool& pool;
    cache::BlobStore& store;
    cache::BlobSource& source;
    wire::TrackerClient& tracker;
  };
  struct Hooks {
    std::function<wire::PeerStatusReply()> status;
    std::function<Task<Result<void>>(bool lazy)> unmount;
    /// Returns when the tracker knows what programs here have done so far, or after a while.
    std::function<Task<void>()> settle;
  };

  Control(Environment environment, Hooks hooks);
  ~Control();  // after stop()

  /// Begins to answer on the listener.
  void serve(std::unique_ptr<wire::Listener> listener);
  Task<void> stop();

 private:
  template <class Request>
  void pass_on();
  template <class Request>
  Task<Result<typename Request::Reply>> settle_and_ask(Request request);
  Task<Result<wire::PeerStatusReply>> tell_status();
  Task<void> accept();
  Task<void> run_channel(std::unique_ptr<wire::Connection> connection);
  Task<Result<wire::WithPayload<wire::Empty>>> read_content(wire::ReadContent request);

  Environment environment_;
  Hooks hooks_;
  wire::RpcRouter router_;
  std::unique_ptr<wire::Listener> listener_;
  std::size_t channels_ = 0;
  TaskGroup group_;
};

}  // namespace shoal::peerd
