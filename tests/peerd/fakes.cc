// SPDX-License-Identifier: MIT
#include "tests/peerd/fakes.h"

#include <algorithm>

#include "base/check.h"
#include "base/random.h"

namespace shoal::test {

MadeContent make_content(std::uint64_t size, std::uint64_t seed, std::uint32_t chunk_bytes,
                         std::uint64_t zero_from) {
  MadeContent content;
  content.bytes.resize(size);
  base::Random random(seed);
  random.fill(MutableByteView(content.bytes).first(std::min(size, zero_from)));
  content.leaves = base::hash_leaves(content.bytes, base::thread_leaf_hasher());
  content.layer = base::piece_layer(content.leaves, chunk_bytes);
  content.shape = {{base::root_of_leaves(content.leaves), size}, chunk_bytes};
  return content;
}

std::shared_ptr<cache::Blob> put_content(cache::BlobStore& store, InodeId inode,
                                         const MadeContent& content) {
  auto blob = store.obtain(inode, content.shape, content.layer, cache::Role::cached);
  CHECK(blob.has_value(), "{}", blob.error().message());
  const std::uint64_t chunk_bytes = content.shape.chunk_bytes;
  const std::uint64_t per_chunk = chunk_bytes / kBlockBytes;
  const std::uint64_t chunks =
      base::chunk_count(content.shape.content.size, content.shape.chunk_bytes);
  for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) {
    const auto first = content.leaves.begin() + static_cast<std::ptrdiff_t>(chunk * per_chunk);
    const auto left = static_cast<std::uint64_t>(content.leaves.end() - first);
    std::vector<Digest> leaves(first,
                               first + static_cast<std::ptrdiff_t>(std::min(per_chunk, left)));
    auto verified =
        cache::VerifiedLeaves::verify(content.shape, content.layer, chunk, std::move(leaves));
    CHECK(verified.has_value(), "{}", verified.error().message());
    const std::uint64_t begin = chunk * chunk_bytes;
    const std::uint64_t length = std::min(chunk_bytes, content.bytes.size() - begin);
    const auto from = content.bytes.begin() + static_cast<std::ptrdiff_t>(begin);
    auto blocks = cache::VerifiedBlocks::verify(
        *verified, 0, Bytes(from, from + static_cast<std::ptrdiff_t>(length)),
        base::thread_leaf_hasher());
    CHECK(blocks.has_value(), "{}", blocks.error().message());
    auto kept = (*blob)->put_leaves(*verified);
    CHECK(kept.has_value(), "{}", kept.error().message());
    auto put = (*blob)->put(*blocks);
    CHECK(put.has_value(), "{}", put.error().message());
  }
  return *blob;
}

Bytes read_all(cache::Blob& blob, std::uint64_t size) {
  Bytes bytes(size);
  std::size_t done = 0;
  while (done < bytes.size()) {
    auto count = blob.read_at(done, MutableByteView(bytes).subspan(done));
    if (!count || *count == 0) return {};
    done += *count;
  }
  return bytes;
}

PeerId peer_id(const std::string& name) { return PeerId{base::sha256(as_bytes("peer " + name))}; }

void FakePeers::add(const MadeContent& content) {
  contents_.insert_or_assign(content.shape.content, content);
}

Task<Result<wire::WithPayload<wire::ReadBlocksReply>>> FakePeers::read_blocks(
    PeerId id, std::vector<wire::Endpoint>, wire::ReadBlocks request, Deadline deadline) {
  FakePeer& peer = peers_[id];
  const std::uint64_t per_chunk = request.content.chunk_bytes / kBlockBytes;
  asked.push_back({request.chunk * per_chunk + request.first_block, request.block_count});
  ++peer.requests;
  ++peer.in_flight;
  peer.most_in_flight = std::max(peer.most_in_flight, peer.in_flight);
  const bool is_stalled = peer.way == FakePeer::Way::stalls;
  const SteadyTime due = is_stalled ? SteadyTime::max() : timer_.clock().steady() + peer.delay;
  const bool is_late = due > deadline.at;
  const SteadyTime until = std::min(due, deadline.at);
  auto waited = co_await timer_.wait_until(until);
  --peer.in_flight;
  if (!waited) co_return pass(waited);
  if (is_late) co_return fail(Errc::timed_out, "no answer");
  if (peer.before_answer) peer.before_answer(peer);
  co_return answer(peer, request);
}

Result<wire::WithPayload<wire::ReadBlocksReply>> FakePeers::answer(
    FakePeer& peer, const wire::ReadBlocks& request) {
  using Way = FakePeer::Way;
  if (peer.way == Way::gone || peer.way == Way::stalls) {
    return fail(Errc::unreachable, "connection refused");
  }
  if (peer.way == Way::busy) return fail(Errc::busy, "too many requests");
  const auto found = contents_.find(request.content.id);
  const bool has_it = peer.chunks.empty() || peerd::has_chunk(peer.chunks, request.chunk);
  if (peer.way == Way::denies || found == contents_.end() || !has_it) {
    return fail(Errc::not_found, "not here");
  }
  const MadeContent& content = found->second;
  const std::uint64_t chunk_begin = request.chunk * request.content.chunk_bytes;
  const std::uint64_t begin = chunk_begin + std::uint64_t{request.first_block} * kBlockBytes;
  const std::uint64_t end = std::min<std::uint64_t>(
      begin + std::uint64_t{request.block_count} * kBlockBytes, content.bytes.size());
  wire::WithPayload<wire::ReadBlocksReply> reply;
  reply.payload.assign(content.bytes.begin() + static_cast<std::ptrdiff_t>(begin),
                       content.bytes.begin() + static_cast<std::ptrdiff_t>(end));
  if (request.with_leaves) {
    const std::uint64_t first = chunk_begin / kBlockBytes;
    const std::uint64_t last = std::min<std::uint64_t>(
        first + request.content.chunk_bytes / kBlockBytes, content.leaves.size());
    reply.message.leaves.assign(content.leaves.begin() + static_cast<std::ptrdiff_t>(first),
                                content.leaves.begin() + static_cast<std::ptrdiff_t>(last));
  }
  if (peer.way == Way::lies) reply.payload[reply.payload.size() / 2] ^= std::byte{1};
  if (peer.way == Way::lies_leaves) {
    std::fill(reply.payload.begin(), reply.payload.end(), std::byte{0x5a});
    const auto forged = base::hash_leaves(reply.payload, base::thread_leaf_hasher());
    for (std::size_t i = 0; i < reply.message.leaves.size(); ++i) {
      reply.message.leaves[i] = forged[i % forged.size()];
    }
  }
  if (peer.way == Way::short_answer) reply.payload.resize(reply.payload.size() / 2);
  peer.bytes_sent += reply.payload.size();
  return reply;
}

Task<Result<wire::ChunkMapReply>> FakePeers::chunk_map(PeerId id, std::vector<wire::Endpoint>,
                                                       wire::ChunkMap, Deadline) {
  FakePeer& peer = peers_[id];
  ++peer.map_requests;
  auto waited = co_await timer_.wait_for(peer.delay);
  if (!waited) co_return pass(waited);
  if (peer.way == FakePeer::Way::gone) co_return fail(Errc::unreachable, "connection refused");
  wire::ChunkMapReply reply;
  reply.complete = peer.chunks.empty();
  reply.chunks = peer.chunks;
  co_return reply;
}

void FakeTracker::add(const MadeContent& content) {
  wire::Located located;
  located.content = content.ref();
  located.layer = content.layer;
  contents.insert_or_assign(content.shape.content, std::move(located));
}

void FakeTracker::hold(const MadeContent& content, const std::string& peer, bool online,
                       Bytes chunks) {
  if (!contents.contains(content.shape.content)) add(content);
  wire::Holder holder;
  holder.peer = peer_id(peer);
  holder.online = online;
  holder.complete = chunks.empty();
  holder.chunks = std::move(chunks);
  contents.at(content.shape.content).holders.push_back(std::move(holder));
}

std::map<ContentId, wire::Announcement> FakeTracker::last_words() const {
  std::map<ContentId, wire::Announcement> last;
  for (const auto& batch : announced) {
    for (const wire::Announcement& one : batch) last.insert_or_assign(one.content.id, one);
  }
  return last;
}

Task<Result<void>> FakeTracker::travel(Deadline deadline) {
  const SteadyTime due = timer_.clock().steady() + delay;
  const bool is_late = is_away || due > deadline.at;
  const SteadyTime until = is_late ? deadline.at : due;
  auto waited = co_await timer_.wait_until(until);
  if (!waited) co_return waited;
  if (is_late) co_return fail(Errc::unreachable, "no tracker");
  co_return base::ok();
}

Task<Result<std::vector<wire::Located>>> FakeTracker::locate(std::vector<wire::ContentRef> wanted,
                                                             Deadline deadline) {
  ++locate_calls;
  auto arrived = co_await travel(deadline);
  if (!arrived) co_return pass(arrived);
  std::vector<wire::Located> found;
  std::size_t layers = 0;
  for (const wire::ContentRef& one : wanted) {
    const auto known = contents.find(one.id);
    if (known == contents.end()) continue;
    found.push_back(known->second);
    layers += known->second.layer.size();
    if (layers >= locate_layers_max) break;
  }
  co_return found;
}

Task<Result<std::vector<wire::ContentRef>>> FakeTracker::announce(
    std::vector<wire::Announcement> announcements, Deadline deadline) {
  auto arrived = co_await travel(deadline);
  if (!arrived) co_return pass(arrived);
  std::vector<wire::ContentRef> answer;
  for (const wire::Announcement& one : announcements) {
    if (unwanted.contains(one.content.id)) answer.push_back(one.content);
  }
  announced.push_back(std::move(announcements));
  co_return answer;
}

Task<Result<std::vector<bool>>> FakeTracker::may_drop(std::vector<wire::ContentRef> wanted,
                                                      Deadline deadline) {
  auto arrived = co_await travel(deadline);
  if (!arrived) co_return pass(arrived);
  std::vector<bool> answers;
  for (const wire::ContentRef& one : wanted) answers.push_back(may_be_dropped.contains(one.id));
  co_return answers;
}

}  // namespace shoal::test
