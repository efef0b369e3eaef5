// SPDX-License-Identifier: MIT
#include "peerd/control.h"

#include <algorithm>

#include "base/hash_tree.h"
#include "peerd/content.h"
#include "wire/limits.h"

namespace shoal::peerd {
namespace {

// Tools that talk to the daemon at the same time.
constexpr std::size_t kMaxControlChannels = 64;
// How long a tool waits for the swarm's bytes, and for the tracker's answer.
constexpr std::chrono::seconds kReadTime{20};
constexpr std::chrono::seconds kAskTime{10};

template <class Request>
Task<Result<typename Request::Reply>> ask_tracker(wire::TrackerClient& tracker, Timer& timer,
                                                  Request request) {
  const Deadline deadline = Deadline::after(timer.clock(), kAskTime);
  auto reply = co_await tracker.call(std::move(request), deadline);
  co_return reply;
}

/// A blob to read the content from: the inode's own, unless that holds something else by now.
/// Thread: pool.
Result<std::shared_ptr<cache::Blob>> blob_for(cache::BlobStore& store, InodeId inode,
                                              const cache::Shape& shape,
                                              const std::vector<Digest>& layer) {
  const auto holds_it = [&shape](const std::shared_ptr<cache::Blob>& blob) {
    if (!blob) return false;
    const cache::BlobInfo info = blob->info();
    return info.state != cache::BlobState::working && info.shape == shape;
  };
  auto own = store.find(inode);
  if (holds_it(own)) return own;
  auto twin = store.find_content(shape.content);
  if (holds_it(twin)) return twin;
  if (own && own->info().role != cache::Role::cached) {
    return fail(Errc::stale, "the file has changed meanwhile: look it up again");
  }
  auto blob = store.obtain(inode, shape, layer, cache::Role::cached);
  if (!blob) return pass(std::move(blob));
  if (!holds_it(*blob)) {
    return fail(Errc::stale, "the file has changed meanwhile: look it up again");
  }
  return blob;
}

Result<Bytes> read_range(cache::Blob& blob, std::uint64_t offset, std::uint32_t length) {
  Bytes bytes(length);
  std::size_t done = 0;
  while (done < bytes.size()) {
    auto count = blob.read_at(offset + done, MutableByteView(bytes).subspan(done));
    if (!count) return pass(count);
    if (*count == 0) return fail(Errc::stale, "the file has become shorter meanwhile");
    done += *count;
  }
  return bytes;
}

}  // namespace

Control::Control(Environment environment, Hooks hooks)
    : environment_(environment), hooks_(std::move(hooks)), group_(environment.executor) {
  router_.on<wire::PeerStatus>(
      [this](wire::RequestContext, wire::PeerStatus) { return tell_status(); });
  router_.on<wire::Unmount>(
      [this](wire::RequestContext, wire::Unmount request) -> Task<Result<wire::Empty>> {
        auto unmounted = co_await hooks_.unmount(request.lazy);
        if (!unmounted) co_return pass(unmounted);
        co_return wire::Empty{};
      });
  router_.on_with_payload<wire::ReadContent>(
      [this](wire::RequestContext, wire::ReadContent request) { return read_content(request); });
  pass_on<wire::Status>();
  pass_on<wire::Find>();
  pass_on<wire::Resolve>();
  pass_on<wire::Locate>();
}

Control::~Control() = default;

template <class Request>
void Control::pass_on() {
  router_.on<Request>(
      [this](wire::RequestContext, Request request) { return settle_and_ask(std::move(request)); });
}

/// What was done here a moment ago is part of the answer.
template <class Request>
Task<Result<typename Request::Reply>> Control::settle_and_ask(Request request) {
  co_await hooks_.settle();
  auto reply = co_await ask_tracker(environment_.tracker, environment_.timer, std::move(request));
  co_return reply;
}

Task<Result<wire::PeerStatusReply>> Control::tell_status() {
  co_await hooks_.settle();
  co_return hooks_.status();
}

void Control::serve(std::unique_ptr<wire::Listener> listener) {
  listener_ = std::move(listener);
  spawn(group_, accept());
}

Task<void> Control::accept() {
  for (;;) {
    auto connection = co_await listener_->accept();
    if (!connection) {
      if (connection.error().code() != Errc::busy) co_return;
      auto waited = co_await environment_.timer.wait_for(std::chrono::milliseconds(100));
      if (!waited) co_return;
      continue;
    }
    if (channels_ >= kMaxControlChannels) {
      (*connection)->close();
      continue;
    }
    ++channels_;
    spawn(group_, run_channel(std::move(*connection)));
  }
}

Task<void> Control::run_channel(std::unique_ptr<wire::Connection> connection) {
  wire::RpcChannel channel(environment_.executor, environment_.timer, std::move(connection),
                           router_);
  const wire::CloseReason reason = co_await channel.run();
  static_cast<void>(reason);
  --channels_;
}

Task<Result<wire::WithPayload<wire::Empty>>> Control::read_content(wire::ReadContent request) {
  const std::uint64_t size = request.content.id.size;
  if (request.length == 0 || request.length > wire::kMaxPayloadBytes) {
    co_return fail(Errc::invalid, "{} bytes cannot be read at once", request.length);
  }
  if (request.offset >= size || request.length > size - request.offset) {
    co_return fail(Errc::out_of_range, "bytes {} to {} of a content of {}", request.offset,
                   request.offset + request.length, size);
  }
  const cache::Shape shape = to_shape(request.content);
  const Deadline deadline = Deadline::after(environment_.timer.clock(), kReadTime);
  auto layer = co_await environment_.source.layer(shape, deadline);
  if (!layer) co_return pass(layer);
  auto open = [&store = environment_.store, inode = request.inode, shape,
               layer = std::move(*layer)] { return blob_for(store, inode, shape, layer); };
  auto blob = co_await environment_.pool.run(std::move(open));
  if (!blob) co_return pass(blob);
  const std::shared_ptr<cache::Blob> target = *blob;
  const std::uint64_t first = request.offset / kBlockBytes;
  const std::uint64_t last = (request.offset + request.length - 1) / kBlockBytes;
  auto fetched = co_await environment_.source.fetch(target, {first, last - first + 1},
                                                    cache::Urgency::reader, deadline);
  if (!fetched) co_return pass(fetched);
  auto read = [target, request] { return read_range(*target, request.offset, request.length); };
  auto bytes = co_await environment_.pool.run(std::move(read));
  if (!bytes) co_return pass(bytes);
  wire::WithPayload<wire::Empty> reply;
  reply.payload = std::move(*bytes);
  co_return reply;
}

Task<void> Control::stop() {
  if (listener_) listener_->close();
  co_await group_.stop();
}

}  // namespace shoal::peerd
