// SPDX-License-Identifier: MIT
#include "tests/sim/sim_peer.h"

#include "base/check.h"
#include "peerd/content.h"
#include "peerd/join.h"

namespace shoal::test {
namespace {

constexpr std::uint16_t kPeerPort = 7000;
constexpr std::chrono::seconds kOperationTime{60};
constexpr std::chrono::seconds kReadTime{10};

}  // namespace

SimPeer::SimPeer(base::Loop& loop, Timer& timer, SimNetwork& network, Options options)
    : loop_(loop),
      timer_(timer),
      network_(network),
      options_(std::move(options)),
      store_(cache::make_memory_store(options_.store_bytes)) {}

SimPeer::~SimPeer() { CHECK(daemon_ == nullptr, "peer {} runs", options_.address); }

Deadline SimPeer::soon() const { return Deadline::after(timer_.clock(), kOperationTime); }

Task<Result<void>> SimPeer::join(wire::Invitation invitation) {
  auto joined =
      co_await peerd::spend_invitation(loop_.get_executor(), network_.host(options_.address),
                                       timer_, std::move(invitation), options_.address, soon());
  if (!joined) co_return pass(joined);
  co_return base::ok();
}

void SimPeer::start() {
  peerd::PeerDaemon::Options options;
  options.name = options_.address;
  options.listen = {options_.address, kPeerPort};
  options.tracker = options_.tracker;
  options.tracker_id = SimNetwork::id_of(options_.tracker.host);
  options.jitter_seed = options_.seed;
  daemon_ = std::make_unique<peerd::PeerDaemon>(
      peerd::PeerDaemon::Environment{loop_, network_.host(options_.address), timer_, *pool_,
                                     *store_},
      std::move(options));
  auto opened = daemon_->open();
  CHECK(opened.has_value(), "{}", opened.error().message());
  inodes_left_ = 0;
}

Task<void> SimPeer::stop(bool abruptly) {
  if (abruptly) network_.kill_process(options_.address);
  co_await daemon_->stop(abruptly);
  daemon_.reset();
}

Task<Result<InodeId>> SimPeer::allocate() {
  if (inodes_left_ == 0) {
    auto range = co_await daemon_->tracker().call(wire::AllocateInodes{}, soon());
    if (!range) co_return pass(range);
    next_inode_ = range->first.value();
    inodes_left_ = range->count;
  }
  --inodes_left_;
  co_return InodeId(next_inode_++);
}

Task<Result<InodeId>> SimPeer::create(std::string name, Bytes bytes, KnownContents& known) {
  auto inode = co_await allocate();
  if (!inode) co_return pass(inode);
  wire::Create change;
  change.parent = kRootInode;
  change.name = std::move(name);
  change.inode = *inode;
  change.mode = 0644;
  change.delegate = true;
  const std::int64_t time = timer_.clock().wall().time_since_epoch().count();
  wire::Operation operation{std::move(change), time};
  auto created = co_await daemon_->tracker().mutate_one(std::move(operation), soon());
  if (!created) co_return pass(created);
  const std::uint64_t version = created->records.front().version;
  auto published = co_await publish(*inode, version, std::move(bytes), known);
  if (!published) co_return pass(published);
  co_return *inode;
}

Task<Result<void>> SimPeer::replace(InodeId inode, Bytes bytes, KnownContents& known) {
  wire::Delegate request;
  request.inode = inode;
  auto delegated = co_await daemon_->tracker().call(request, soon());
  if (!delegated) co_return pass(delegated);
  auto published = co_await publish(inode, delegated->record.version, std::move(bytes), known);
  co_return published;
}

Task<Result<void>> SimPeer::publish(InodeId inode, std::uint64_t version, Bytes bytes,
                                    KnownContents& known) {
  auto blob = store_->create_working(inode);
  if (!blob) co_return pass(blob);
  const std::shared_ptr<cache::Blob> working = *blob;
  auto written = working->write_at(0, bytes);
  if (!written) co_return written;
  auto sealed = working->seal(false);
  if (!sealed) co_return pass(sealed);
  known.insert_or_assign(sealed->shape.content, std::move(bytes));
  wire::Publish change;
  change.inode = inode;
  change.version = version;
  change.content = peerd::to_ref(sealed->shape);
  change.layer = std::move(sealed->layer);
  change.allocated_bytes = sealed->allocated_bytes;
  change.release = true;
  const std::int64_t time = timer_.clock().wall().time_since_epoch().count();
  wire::Operation operation{std::move(change), time};
  auto published = co_await daemon_->tracker().mutate_one(std::move(operation), soon());
  if (published) {
    unpublished_.erase(inode);
    auto lowered = store_->set_role(inode, cache::Role::replica);
    co_return lowered;
  }
  unpublished_.insert_or_assign(inode, version);
  auto reopened = working->begin_working();
  CHECK(reopened.has_value(), "{}", reopened.error().message());
  co_return pass(published);
}

Task<void> SimPeer::publish_rest(KnownContents& known) {
  const std::map<InodeId, std::uint64_t> waiting = unpublished_;
  for (const auto& [inode, version] : waiting) co_await publish_again(inode, version, known);
}

Task<void> SimPeer::publish_again(InodeId inode, std::uint64_t version, KnownContents& known) {
  const auto blob = store_->find(inode);
  wire::Delegate request;
  request.inode = inode;
  auto delegated = co_await daemon_->tracker().call(request, soon());
  if (!delegated && delegated.error().code() != Errc::not_found) co_return;
  if (delegated && delegated->record.version == version) {
    Bytes bytes(blob->info().size);
    auto count = blob->read_at(0, bytes);
    CHECK(count && *count == bytes.size(), "a working copy cannot be read");
    auto published = co_await publish(inode, version, std::move(bytes), known);
    static_cast<void>(published.has_value());
    co_return;
  }
  unpublished_.erase(inode);
  if (!delegated) {  // removed by others
    auto removed = store_->remove(inode);
    CHECK(removed.has_value(), "{}", removed.error().message());
    co_return;
  }
  // The answer to the first attempt was lost, or somebody else changed the file.
  const bool is_ours = delegated->record.content.id == blob->info().shape.content;
  auto ended = is_ours ? seal_again(*blob) : store_->remove(inode);
  CHECK(ended.has_value(), "{}", ended.error().message());
  wire::ReturnDelegation back;
  back.inode = inode;
  auto returned = co_await daemon_->tracker().call(back, soon());
  static_cast<void>(returned.has_value());
}

Result<void> SimPeer::seal_again(cache::Blob& blob) {
  auto sealed = blob.seal(false);
  if (!sealed) return pass(sealed);
  daemon_->announcer().complete(peerd::to_ref(sealed->shape));
  return store_->set_role(blob.info().inode, cache::Role::replica);
}

Task<Result<void>> SimPeer::remove(std::string name) {
  wire::Unlink change;
  change.parent = kRootInode;
  change.name = std::move(name);
  const std::int64_t time = timer_.clock().wall().time_since_epoch().count();
  wire::Operation operation{std::move(change), time};
  auto removed = co_await daemon_->tracker().mutate_one(std::move(operation), soon());
  if (!removed) co_return pass(removed);
  co_return base::ok();
}

Task<Result<void>> SimPeer::read(InodeId inode, const KnownContents& known) {
  wire::GetInode request;
  request.inode = inode;
  request.for_data = true;
  auto record = co_await daemon_->tracker().call(request, soon());
  if (!record) co_return pass(record);
  const cache::Shape shape = peerd::to_shape(record->record.content);
  if (shape.content.is_empty()) co_return base::ok();
  const auto expected = known.find(shape.content);
  if (expected == known.end()) co_return fail(Errc::internal, "a content that nobody made");
  const Deadline deadline = Deadline::after(timer_.clock(), kReadTime);
  if (unpublished_.contains(inode)) co_return fail(Errc::stale, "not published yet");
  auto layer = co_await daemon_->fetcher().layer(shape, deadline);
  if (!layer) co_return pass(layer);
  auto blob = store_->obtain(inode, shape, std::move(*layer), cache::Role::cached);
  if (!blob) co_return pass(blob);
  const std::shared_ptr<cache::Blob> here = *blob;
  const cache::BlobInfo info = here->info();
  if (info.state == cache::BlobState::working || info.shape != shape) {
    co_return fail(Errc::stale, "the file is being replaced here");
  }
  const cache::BlockRun all{0, base::block_count(shape.content.size)};
  auto fetched = co_await daemon_->fetcher().fetch(here, all, cache::Urgency::reader, deadline);
  if (!fetched) co_return fetched;
  Bytes bytes(shape.content.size);
  auto count = here->read_at(0, bytes);
  if (!count) co_return pass(count);
  // The file may have been replaced between fetch and read; then it is another read's turn.
  if (here->info().shape != shape) co_return fail(Errc::stale, "replaced while it was read");
  if (*count != bytes.size() || bytes != expected->second) {
    co_return fail(Errc::internal, "other bytes than were written");
  }
  co_return base::ok();
}

}  // namespace shoal::test
