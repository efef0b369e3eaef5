// SPDX-License-Identifier: MIT
#include "fs/volume.h"

#include <algorithm>

#include "wire/limits.h"

namespace shoal::fs {

/// A request under way, announced to the cache for as long as the object lives.
class Volume::Transit {
 public:
  Transit(Volume& volume, Touches touches = {}) : volume_(volume) {
    const base::MutexLock lock(volume_.mutex_);
    ticket_ = volume_.cache_.begin(std::move(touches));
  }
  ~Transit() {
    const base::MutexLock lock(volume_.mutex_);
    if (is_known_) {
      volume_.cache_.end(ticket_);
    } else {
      volume_.cache_.end_unknown(ticket_);
    }
  }
  Transit(const Transit&) = delete;
  Transit& operator=(const Transit&) = delete;

  MetaCache::Ticket ticket() const { return ticket_; }
  /// The tracker has answered, so its state is what the records say.
  void settle() { is_known_ = true; }

 private:
  Volume& volume_;
  MetaCache::Ticket ticket_ = 0;
  bool is_known_ = false;
};

namespace {

/// Whether the tracker itself said so. After any other error it may or may not have acted.
bool is_answer(Errc code) {
  switch (code) {
    case Errc::timed_out:
    case Errc::canceled:
    case Errc::unreachable:
    case Errc::stale:
    case Errc::internal:
      return false;
    default:
      return true;
  }
}

/// All names of a new directory are known, for there are none.
MetaCache::Effect empty_directory(InodeId directory) {
  MetaCache::Effect effect;
  effect.fresh = directory;
  return effect;
}

/// The directory that is made; 0: none is.
InodeId made_directory(const wire::Change& change) {
  const auto* create = std::get_if<wire::Create>(&change);
  const bool is_directory = create != nullptr && create->kind == wire::FileKind::directory;
  return is_directory ? create->inode : InodeId{};
}

/// Whether the directory concerned is worth having. A new directory comes delegated itself.
bool changes_names(const wire::Change& change) {
  if (std::holds_alternative<wire::Create>(change)) return !made_directory(change);
  return std::holds_alternative<wire::Unlink>(change) ||
         std::holds_alternative<wire::Rename>(change);
}

}  // namespace

Volume::Volume(TrackerPort& tracker, Outbox* outbox, const Clock& clock, MetaCache::Limits limits)
    : tracker_(tracker), outbox_(outbox), clock_(clock), cache_(limits), local_(cache_) {}

bool Volume::has_lease() const { return clock_.steady() < tracker_.lease_end(); }

std::optional<MetaCache::Name> Volume::find_name(InodeId directory, std::string_view name) const {
  if (!has_lease()) return std::nullopt;
  const base::MutexLock lock(mutex_);
  return cache_.find_name(directory, name);
}

std::optional<wire::InodeRecord> Volume::find_inode(InodeId inode) const {
  if (!has_lease()) return std::nullopt;
  const base::MutexLock lock(mutex_);
  const wire::InodeRecord* record = cache_.find_record(inode);
  if (record == nullptr) return std::nullopt;
  return *record;
}

std::shared_ptr<const XattrList> Volume::find_xattrs(InodeId inode) const {
  if (!has_lease()) return nullptr;
  const base::MutexLock lock(mutex_);
  return cache_.find_xattrs(inode);
}

std::shared_ptr<const Listing> Volume::find_listing(InodeId directory) const {
  if (!has_lease()) return nullptr;
  const base::MutexLock lock(mutex_);
  return cache_.find_listing(directory);
}

std::optional<NameRef> Volume::find_any_name(InodeId inode) const {
  const base::MutexLock lock(mutex_);
  return cache_.find_any_name(inode);
}

Task<Result<std::optional<wire::InodeRecord>>> Volume::lookup(InodeId directory, std::string name,
                                                              Deadline deadline) {
  Result<void> settled = co_await settle(deadline);
  if (!settled) co_return pass(std::move(settled));
  Result<void> completed = co_await complete(directory, deadline);
  if (!completed) co_return pass(std::move(completed));
  if (const auto known = find_name(directory, name)) {
    if (!known->inode) co_return std::nullopt;
    if (auto record = find_inode(known->inode)) co_return record;
  }
  Transit transit(*this);
  transit.settle();
  auto reply = co_await tracker_.ask(wire::Lookup{directory, name}, deadline);
  if (!reply) co_return pass(std::move(reply));
  const base::MutexLock lock(mutex_);
  const std::optional<wire::InodeRecord>& record = reply->record;
  if (record) cache_.put_record(transit.ticket(), *record);
  if (reply->cacheable) {
    cache_.put_name(transit.ticket(), {directory, name}, record ? record->inode : InodeId{},
                    record ? record->attributes.kind : wire::FileKind::regular);
  }
  co_return std::move(reply->record);
}

Task<Result<wire::InodeRecord>> Volume::get_inode(InodeId inode, bool for_data, Deadline deadline) {
  Result<void> settled = co_await settle(deadline);
  if (!settled) co_return pass(std::move(settled));
  Transit transit(*this);
  transit.settle();
  auto reply = co_await tracker_.ask(wire::GetInode{inode, for_data}, deadline);
  if (!reply) co_return pass(std::move(reply));
  if (on_located && !reply->holders.empty()) {
    on_located({reply->record.content, {}, std::move(reply->holders)});
  }
  const base::MutexLock lock(mutex_);
  cache_.put_record(transit.ticket(), reply->record);
  co_return std::move(reply->record);
}

Task<Result<std::shared_ptr<const Listing>>> Volume::list(InodeId directory, Deadline deadline) {
  Result<void> settled = co_await settle(deadline);
  if (!settled) co_return pass(std::move(settled));
  Transit transit(*this);
  transit.settle();
  auto listing = std::make_shared<Listing>();
  bool is_cacheable = true;
  std::string after;
  for (;;) {
    auto page = co_await tracker_.ask(
        wire::ReadDirectory{directory, after, wire::kMaxDirectoryPage}, deadline);
    if (!page) co_return pass(std::move(page));
    is_cacheable = is_cacheable && page->cacheable;
    const base::MutexLock lock(mutex_);
    for (wire::DirectoryEntry& entry : page->entries) {
      cache_.put_record(transit.ticket(), entry.record);
      listing->push_back({std::move(entry.name), entry.record.inode, entry.record.attributes.kind});
    }
    if (page->is_end || page->entries.empty()) break;
    after = listing->back().name;
  }
  if (is_cacheable) {
    const base::MutexLock lock(mutex_);
    cache_.put_listing(transit.ticket(), directory, *listing);
  }
  co_return std::shared_ptr<const Listing>(std::move(listing));
}

Task<Result<std::shared_ptr<const XattrList>>> Volume::get_xattrs(InodeId inode,
                                                                  Deadline deadline) {
  Result<void> settled = co_await settle(deadline);
  if (!settled) co_return pass(std::move(settled));
  Transit transit(*this);
  transit.settle();
  auto reply = co_await tracker_.ask(wire::GetXattrs{inode}, deadline);
  if (!reply) co_return pass(std::move(reply));
  std::shared_ptr<const XattrList> xattrs =
      std::make_shared<const XattrList>(std::move(reply->xattrs));
  const base::MutexLock lock(mutex_);
  if (reply->cacheable) cache_.put_xattrs(transit.ticket(), inode, xattrs);
  co_return xattrs;
}

Task<Result<wire::InodeRecord>> Volume::delegate(InodeId inode, Deadline deadline) {
  Result<void> settled = co_await settle(deadline);
  if (!settled) co_return pass(std::move(settled));
  Touches touches;
  touches.inodes.push_back(inode);
  Transit transit(*this, std::move(touches));
  transit.settle();  // asking changes nothing that a record shows
  auto reply = co_await tracker_.ask(wire::Delegate{inode}, deadline);
  if (!reply) co_return pass(std::move(reply));
  const base::MutexLock lock(mutex_);
  cache_.put_record(transit.ticket(), reply->record);
  co_return std::move(reply->record);
}

Task<Result<std::vector<wire::OperationReply>>> Volume::mutate(
    std::vector<wire::Operation> operations, Touches touches, std::vector<Outcome> outcomes,
    Deadline deadline) {
  Result<void> settled = co_await settle(deadline);
  if (!settled) co_return pass(std::move(settled));
  std::unordered_set<InodeId> fresh;
  for (wire::Operation& operation : operations) {
    operation.wants_directory = outbox_ != nullptr && changes_names(operation.change);
    if (const InodeId made = made_directory(operation.change)) fresh.insert(made);
  }
  Transit transit(*this, std::move(touches));
  auto replies = co_await tracker_.mutate(std::move(operations), deadline);
  if (!replies) {
    if (is_answer(replies.error().code())) transit.settle();
    co_return pass(std::move(replies));
  }
  transit.settle();
  const wire::OperationReply* failed = nullptr;
  const base::MutexLock lock(mutex_);
  for (const wire::OperationReply& reply : *replies) {
    if (reply.error && failed == nullptr) failed = &reply;
    for (const wire::InodeRecord& record : reply.records) {
      cache_.put_record(transit.ticket(), record);
    }
    // A recall that came before this answer was read has undone what it grants.
    if (reply.granted && cache_.is_current(transit.ticket(), reply.granted)) {
      (void)local_.grant(reply.granted);
      if (fresh.contains(reply.granted)) cache_.apply(empty_directory(reply.granted));
    }
  }
  if (failed != nullptr) co_return std::unexpected(Error(*failed->error, failed->context));
  for (const Outcome& outcome : outcomes) {
    cache_.put_own_name(transit.ticket(), outcome.ref, outcome.inode, outcome.kind);
  }
  co_return std::move(*replies);
}

Task<Result<wire::OperationReply>> Volume::change(wire::Operation operation, Touches touches,
                                                  std::vector<Outcome> outcomes,
                                                  Deadline deadline) {
  auto here = change_here(operation);
  if (here) co_return std::move(*here);
  std::vector<wire::Operation> operations;
  operations.push_back(std::move(operation));
  auto replies =
      co_await mutate(std::move(operations), std::move(touches), std::move(outcomes), deadline);
  if (!replies) co_return pass(std::move(replies));
  if (replies->empty()) co_return fail(Errc::internal, "the tracker's answer is empty");
  co_return std::move(replies->front());
}

std::optional<Result<wire::OperationReply>> Volume::change_here(wire::Operation operation,
                                                                Right right, Outbox::Done done) {
  if (outbox_ == nullptr || !has_lease()) return std::nullopt;
  const base::MutexLock lock(mutex_);
  auto plan = local_.plan(operation, right == Right::file);
  if (!plan) return std::nullopt;
  if (!*plan) return Result<wire::OperationReply>(pass(std::move(*plan)));
  LocalNames::Plan& made = **plan;
  auto finished = [this, touches = made.touches,
                   told = std::move(done)](const Result<wire::OperationReply>& reply) mutable {
    {
      const base::MutexLock relock(mutex_);
      cache_.unpin(touches);
    }
    if (told) told(reply);
  };
  auto added = outbox_->add(std::move(operation), std::move(finished));
  if (!added) return std::nullopt;  // full: whoever makes changes has to wait now
  cache_.pin(made.touches);
  local_.apply(made);
  wire::OperationReply reply;
  reply.records = std::move(made.effect.records);
  return Result<wire::OperationReply>(std::move(reply));
}

bool Volume::covers(InodeId inode) const {
  if (!has_lease()) return false;
  const base::MutexLock lock(mutex_);
  const wire::InodeRecord* known = cache_.find_record(inode);
  return known != nullptr && local_.covers(*known);
}

bool Volume::give_up(InodeId directory) {
  const base::MutexLock lock(mutex_);
  cache_.doubt(directory);
  const bool was_held = local_.holds(directory);
  local_.drop(directory);
  return was_held;
}

bool Volume::is_delegated(InodeId directory) const {
  const base::MutexLock lock(mutex_);
  return local_.holds(directory);
}

std::vector<InodeId> Volume::delegated_directories() const {
  const base::MutexLock lock(mutex_);
  return local_.held();
}

Task<Result<void>> Volume::settle(Deadline deadline) {
  if (outbox_ == nullptr || outbox_->is_empty()) co_return Result<void>{};
  Result<void> flushed = co_await outbox_->flush(deadline);
  co_return flushed;
}

/// Reads all names of a directory that is ours, unless there are many: then every name that is
/// absent is known to be.
Task<Result<void>> Volume::complete(InodeId directory, Deadline deadline) {
  constexpr std::size_t kMostNames = 2 * wire::kMaxDirectoryPage;
  {
    const base::MutexLock lock(mutex_);
    if (!local_.holds(directory) || cache_.find_listing(directory) || large_.contains(directory)) {
      co_return Result<void>{};
    }
  }
  auto listing = co_await list(directory, deadline);
  if (!listing) co_return pass(std::move(listing));
  const base::MutexLock lock(mutex_);
  if ((*listing)->size() > kMostNames) large_.insert(directory);
  co_return Result<void>{};
}

void Volume::invalidate(const wire::Stale& stale) {
  const base::MutexLock lock(mutex_);
  if (!stale.name.empty()) {
    cache_.forget_name(stale.inode, stale.name);
  } else {
    cache_.forget_inode(stale.inode);
  }
}

Volume::Left Volume::leave(std::set<InodeId> directories, std::span<const InodeId> used,
                           std::span<const InodeId> known) {
  const base::MutexLock lock(mutex_);
  Left left;
  for (auto place = directories.begin(); place != directories.end();) {
    place = local_.holds(*place) ? directories.erase(place) : std::next(place);
  }
  left.directories = cache_.unused(std::move(directories), used);
  if (left.directories.empty()) return left;
  for (const InodeId inode : known) {
    const bool is_there =
        left.directories.contains(inode) || cache_.may_be_in(inode, left.directories);
    if (is_there) left.inodes.push_back(inode);
  }
  cache_.forget_directories(left.directories);
  return left;
}

void Volume::drop_all(bool session_lost) {
  const base::MutexLock lock(mutex_);
  cache_.drop_all();
  large_.clear();
  if (session_lost) local_.drop_all();
}

std::pair<std::size_t, std::size_t> Volume::sizes() const {
  const base::MutexLock lock(mutex_);
  return {cache_.record_count(), cache_.name_count()};
}

}  // namespace shoal::fs
