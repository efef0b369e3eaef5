// SPDX-License-Identifier: MIT
#include "peerd/server.h"

#include <algorithm>

#include "base/hash_tree.h"
#include "peerd/content.h"
#include "peerd/limits.h"
#include "peerd/upload_queue.h"

namespace shoal::peerd {
namespace {

/// What a stranger's numbers must satisfy before they are used. Errors: invalid.
Result<void> check_request(const wire::ReadBlocks& request) {
  const std::uint64_t size = request.content.id.size;
  const std::uint32_t chunk_bytes = request.content.chunk_bytes;
  if (!base::is_valid_chunk_bytes(chunk_bytes) || size == 0 || size > base::kMaxFileBytes) {
    return fail(Errc::invalid, "no such shape of content");
  }
  if (request.chunk >= base::chunk_count(size, chunk_bytes)) {
    return fail(Errc::invalid, "chunk {} lies behind the end", request.chunk);
  }
  const std::uint64_t begin = request.chunk * chunk_bytes;
  const std::uint64_t blocks =
      base::block_count(std::min<std::uint64_t>(chunk_bytes, size - begin));
  const std::uint64_t end = std::uint64_t{request.first_block} + request.block_count;
  if (request.block_count == 0 || end > blocks) {
    return fail(Errc::invalid, "blocks {} to {} of a chunk of {}", request.first_block, end,
                blocks);
  }
  return {};
}

}  // namespace

class Server::Place {
 public:
  explicit Place(std::size_t& count) : count_(&count) { ++*count_; }
  Place(Place&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
  Place& operator=(Place&&) = delete;
  ~Place() {
    if (count_ != nullptr) --*count_;
  }

 private:
  std::size_t* count_;  // entries of an unordered_map stay where they are
};

struct Server::Uploads {
  struct Guest {
    explicit Guest(Executor executor) : woken(std::move(executor)) {}
    bool is_in = false;
    base::Signal woken;
  };

  Uploads(Timer& timer_, UploadQueue::Limits limits) : timer(timer_), queue(limits) {}

  void let_in() {
    if (is_over) return;  // what is still being sent ends with the connections
    for (const UploadQueue::Ticket ticket : queue.let_in(timer.clock().steady())) {
      const auto guest = guests.extract(ticket);
      guest.mapped()->is_in = true;
      guest.mapped()->woken.set();
    }
  }

  Timer& timer;
  bool is_over = false;
  UploadQueue queue;
  UploadQueue::Ticket last_ticket = 0;
  std::unordered_map<UploadQueue::Ticket, std::shared_ptr<Guest>> guests;
};

Server::Server(Executor executor, Timer& timer, Pool& pool, cache::BlobStore& store,
               const Members& members, std::uint64_t bytes_per_second)
    : executor_(std::move(executor)),
      timer_(timer),
      pool_(pool),
      store_(store),
      members_(members),
      uploads_(std::make_shared<Uploads>(
          timer, UploadQueue::Limits{kMaxUploadBytes, kMaxPeerUploadBytes, bytes_per_second})),
      sent_("shoal_chunk_sent_bytes_total", members) {}

Server::~Server() { uploads_->is_over = true; }

/// Waits for the peer's turn. The share ends with what is returned. Errors: canceled.
Task<Result<Server::Share>> Server::enter(PeerId remote, std::uint64_t bytes) {
  const std::shared_ptr<Uploads> uploads = uploads_;
  const UploadQueue::Ticket ticket = ++uploads->last_ticket;
  const auto guest = std::make_shared<Uploads::Guest>(executor_);
  uploads->guests.emplace(ticket, guest);
  uploads->queue.enter(ticket, remote, bytes);
  uploads->let_in();
  while (!guest->is_in) {
    const Deadline until{uploads->queue.next(timer_.clock().steady())};
    auto woken = co_await base::with_deadline(timer_, until, guest->woken.wait());
    if (!woken && woken.error().code() != Errc::timed_out && !guest->is_in) {
      uploads->queue.withdraw(ticket);
      uploads->guests.erase(ticket);
      co_return pass(woken);
    }
    if (!guest->is_in) uploads->let_in();
  }
  co_return Share(uploads.get(), [uploads, remote, bytes](const void*) {
    uploads->queue.leave(remote, bytes);
    uploads->let_in();
  });
}

void Server::register_on(wire::RpcRouter& router) {
  router.on_with_payload<wire::ReadBlocks>(
      [this](wire::RequestContext context, wire::ReadBlocks request) {
        return read_blocks(context.remote, request);
      });
  router.on<wire::ChunkMap>([this](wire::RequestContext context, wire::ChunkMap request) {
    return chunk_map(context.remote, request);
  });
}

Result<void> Server::check_welcome(const PeerId& remote) const {
  // A connection may be older than the latest list of members.
  if (!members_.contains(remote)) return fail(Errc::unauthenticated, "not a member of this swarm");
  return {};
}

Task<Result<wire::WithPayload<wire::ReadBlocksReply>>> Server::read_blocks(
    PeerId remote, wire::ReadBlocks request) {
  static base::Counter& refused = base::counter("shoal_chunk_requests_refused_total");
  Result<void> is_fine = check_welcome(remote);
  if (is_fine) is_fine = check_request(request);
  std::size_t& under_way = in_flight_[remote];
  if (is_fine && under_way >= kMaxServedRequests) {
    is_fine = fail(Errc::busy, "{} requests of yours are being answered", under_way);
  }
  if (!is_fine) {
    refused.add();
    co_return pass(is_fine);
  }
  const Place place(under_way);
  const std::uint64_t bytes = std::uint64_t{request.block_count} * kBlockBytes;
  auto share = co_await enter(remote, bytes);
  if (!share) co_return pass(share);
  const auto is_here = std::make_shared<bool>(false);
  auto read = [&store = store_, request, is_here]() -> Result<cache::Served> {
    const auto blob = store.find_content(request.content.id);
    *is_here = blob != nullptr;
    if (!blob) return fail(Errc::not_found, "that content is not here");
    return blob->serve(to_shape(request.content), request.chunk, request.first_block,
                       request.block_count, request.with_leaves);
  };
  auto served = co_await pool_.run(std::move(read));
  if (!served) {
    if (!*is_here && on_absent) on_absent(request.content);
    co_return pass(served);
  }
  sent_.add(remote, served->data.size());
  wire::WithPayload<wire::ReadBlocksReply> reply;
  reply.message.leaves = std::move(served->leaves);
  reply.payload = std::move(served->data);
  co_return reply;
}

Task<Result<wire::ChunkMapReply>> Server::chunk_map(PeerId remote, wire::ChunkMap request) {
  Result<void> is_welcome = check_welcome(remote);
  if (!is_welcome) co_return pass(is_welcome);
  auto look = [&store = store_, request]() -> Result<wire::ChunkMapReply> {
    const auto blob = store.find_content(request.content.id);
    if (!blob) return fail(Errc::not_found, "that content is not here");
    auto chunks = blob->chunk_map(request.content.id);
    if (!chunks || blob->info().shape != to_shape(request.content)) {
      return fail(Errc::not_found, "that content is not here");
    }
    wire::ChunkMapReply reply;
    reply.complete = blob->info().state == cache::BlobState::sealed;
    if (!reply.complete) reply.chunks = std::move(*chunks);
    return reply;
  };
  auto reply = co_await pool_.run(std::move(look));
  co_return reply;
}

}  // namespace shoal::peerd
