// SPDX-License-Identifier: MIT
#include "tests/cli/fake_peer.h"

#include <asio/post.hpp>
#include <cstdlib>

#include "base/check.h"
#include "base/file.h"
#include "base/hash_tree.h"

namespace shoal::cli {
namespace {

constexpr InodeId kFileInode{7};

wire::Located located_of(std::string_view bytes) {
  wire::Located located;
  located.content.id.size = bytes.size();
  located.content.chunk_bytes = base::chunk_bytes_for(bytes.size());
  if (bytes.empty()) return located;
  const auto leaves = base::hash_leaves(as_bytes(bytes), base::thread_leaf_hasher());
  located.content.id.root = base::root_of_leaves(leaves);
  located.layer = base::piece_layer(leaves, located.content.chunk_bytes);
  wire::Holder holder;
  holder.peer.digest.bytes[0] = std::byte{1};
  holder.online = true;
  holder.complete = true;
  located.holders = {holder};
  return located;
}

}  // namespace

struct FakePeer::StatusHandler {
  Task<Result<wire::StatusReply>> operator()(wire::RequestContext, wire::Status) {
    wire::StatusReply reply;
    reply.swarm_name = "test";
    wire::Member member;
    member.name = "attic";
    member.peer.digest.bytes[0] = std::byte{1};
    member.online = true;
    reply.members = {member};
    co_return reply;
  }
};

struct FakePeer::PeerStatusHandler {
  Task<Result<wire::PeerStatusReply>> operator()(wire::RequestContext, wire::PeerStatus) {
    wire::PeerStatusReply reply;
    reply.name = "attic";
    reply.mount_point = "/somewhere/mnt";
    reply.tracker_connected = true;
    co_return reply;
  }
};

struct FakePeer::ResolveHandler {
  FakePeer* peer;
  Task<Result<wire::ResolveReply>> operator()(wire::RequestContext, wire::Resolve request) {
    co_return peer->resolve(request.path);
  }
};

struct FakePeer::ReadHandler {
  FakePeer* peer;
  Task<Result<wire::WithPayload<wire::Empty>>> operator()(wire::RequestContext,
                                                          wire::ReadContent request) {
    co_return peer->read(request);
  }
};

FakePeer::FakePeer(std::string bytes) : timer_(base::make_system_timer()) {
  change(std::move(bytes));
  CHECK(base::write_whole(folder_ / "peerd.toml", "").has_value());
  router_.on<wire::Status>(StatusHandler{});
  router_.on<wire::PeerStatus>(PeerStatusHandler{});
  router_.on<wire::Resolve>(ResolveHandler{this});
  router_.on_with_payload<wire::ReadContent>(ReadHandler{this});
  auto listener = wire::listen_control(loop_, *timer_, folder_ / "control.sock");
  CHECK(listener.has_value(), "{}", listener.error().message());
  listener_ = std::move(*listener);
  tasks_.emplace(Executor(loop_.get_executor()));
  spawn(*tasks_, accept());
  thread_ = std::thread([this] { loop_.run(); });
}

FakePeer::~FakePeer() {
  asio::post(loop_, [this] {
    listener_->close();
    tasks_->cancel();
  });
  thread_.join();
  base::run_until_done(loop_, tasks_->stop());
}

void FakePeer::change(std::string bytes) {
  wire::Located located = located_of(bytes);
  const base::MutexLock lock(mutex_);
  bytes_ = std::move(bytes);
  located_ = std::move(located);
}

void FakePeer::fail_from(std::uint64_t offset) {
  const base::MutexLock lock(mutex_);
  fail_from_ = offset;
}

std::vector<std::uint64_t> FakePeer::served() const {
  const base::MutexLock lock(mutex_);
  return served_;
}

Task<void> FakePeer::accept() {
  for (;;) {
    auto connection = co_await listener_->accept();
    if (!connection) co_return;
    spawn(*tasks_, serve(std::move(*connection)));
  }
}

Task<void> FakePeer::serve(std::unique_ptr<wire::Connection> connection) {
  wire::RpcChannel channel(tasks_->executor(), *timer_, std::move(connection), router_);
  (void)co_await channel.run();
}

Result<wire::ResolveReply> FakePeer::resolve(const std::string& path) const {
  wire::ResolveReply reply;
  reply.found.path = path;
  reply.wanted_copies = 1;
  wire::InodeRecord& record = reply.found.record;
  if (path == "/docs") {
    record.attributes.kind = wire::FileKind::directory;
  } else if (path == "/docs/link") {
    record.attributes.kind = wire::FileKind::symlink;
    record.target = "film.mkv";
  } else if (path == kPath) {
    const base::MutexLock lock(mutex_);
    record.inode = kFileInode;
    record.attributes.mode = 0640;
    record.attributes.size = bytes_.size();
    record.attributes.mtime = 1'700'000'000'123'456'789;
    record.content = located_.content;
    reply.located = located_;
  } else {
    return fail(Errc::not_found, "{}: no such file", path);
  }
  return reply;
}

Result<wire::WithPayload<wire::Empty>> FakePeer::read(const wire::ReadContent& request) {
  const base::MutexLock lock(mutex_);
  if (request.content != located_.content) return fail(Errc::stale, "the file has changed");
  if (request.offset >= fail_from_) return fail(Errc::unreachable, "no peer holds that");
  if (request.offset + request.length > bytes_.size()) return fail(Errc::out_of_range, "beyond");
  served_.push_back(request.offset);
  const ByteView part = as_bytes(bytes_).subspan(request.offset, request.length);
  return wire::WithPayload<wire::Empty>{.message = {}, .payload = Bytes(part.begin(), part.end())};
}

}  // namespace shoal::cli
