// SPDX-License-Identifier: MIT
#include "fs/publish.h"

#include "base/log.h"
#include "fs/blobs.h"
#include "fs/names.h"
#include "fs/write_path.h"
#include "wire/limits.h"

namespace shoal::fs {
namespace {

constexpr std::chrono::seconds kHousekeepInterval{3};
constexpr std::chrono::seconds kNotePause{1};

/// For what the tracker has to do at a publish; the bytes have their own time.
Deadline publish_deadline(const Core& core) { return core.metadata_deadline(); }

wire::Operation publish_operation(const OpenFile& file, const FileState& state,
                                  const cache::Sealed& sealed, bool release) {
  wire::Publish publish;
  publish.inode = file.inode();
  publish.version = state.version;
  publish.content = {sealed.shape.content, sealed.shape.chunk_bytes};
  publish.layer = sealed.layer;
  publish.allocated_bytes = sealed.allocated_bytes;
  publish.mtime = state.mtime;
  publish.atime = state.atime;
  publish.release = release;
  // The time of the last change, which programs here have seen as ctime already.
  return {std::move(publish), state.change_time};
}

/// Fetches what is absent until nothing is, then excludes writes.
Task<Result<OpenFile::Exclusion>> complete_and_exclude(Core* core, std::shared_ptr<OpenFile> file) {
  for (;;) {
    const FileState state = file->state();
    Result<void> fetched = co_await fetch_missing(
        core, state.blob, state.blob->missing(0, state.size), cache::Urgency::reader);
    if (!fetched) co_return pass(std::move(fetched));
    auto exclusion = co_await file->exclude(OpenFile::Excluded::writes);
    if (!exclusion) co_return pass(std::move(exclusion));
    const FileState now = file->state();
    if (now.blob->missing(0, now.size).empty()) co_return std::move(*exclusion);
  }
}

/// Nothing changed: flush what was published before to the disk, give the delegation back.
Task<Result<void>> publish_nothing(Core* core, std::shared_ptr<OpenFile> file,
                                   PublishOptions options) {
  const FileState state = file->state();
  if (options.durable && state.blob) {
    const std::shared_ptr<cache::Blob> blob = state.blob;
    Result<void> synced = co_await core->env.pool.run([blob] { return blob->sync(); });
    if (!synced) co_return synced;
  }
  if (!options.release || !state.is_delegated) co_return Result<void>{};
  {
    auto exclusion = co_await file->exclude(OpenFile::Excluded::writes);
    if (!exclusion) co_return pass(std::move(exclusion));
    const bool is_clean = file->update([](FileState& changed) {
      if (changed.is_dirty) return false;
      changed.is_delegated = false;
      changed.is_working = false;
      return true;
    });
    if (!is_clean) co_return fail(Errc::busy, "written meanwhile");  // the caller goes on
    // Opened for change, but not changed: whole again.
    if (state.is_working && state.blob) co_await end_working(core, file, state.blob);
  }
  const auto dropped = core->volume.change_here(
      operation_now(*core, wire::DropDelegation{file->inode()}), Volume::Right::file);
  if (dropped) co_return Result<void>{};
  auto returned =
      co_await core->tracker.ask(wire::ReturnDelegation{file->inode()}, publish_deadline(*core));
  // If it did not arrive, the tracker recalls it and hears that it is not held.
  (void)returned;
  co_return Result<void>{};
}

/// Takes over what was published as the file's content. From here on the volume's record says what
/// the state has said. Nobody answers meanwhile: who had looked at an older record, and then found
/// nothing to put over it, would show the old size, and the kernel keep it.
void become_published(Core& core, OpenFile& file, const wire::ContentRef& content,
                      std::uint64_t version, bool release) {
  core.gate.exclusively([&] {
    file.update([&](FileState& changed) {
      changed.content = content;
      changed.version = version;
      changed.is_working = false;
      changed.is_dirty = false;
      changed.is_delegated = changed.is_delegated && !release;
      changed.atime.reset();
      changed.sealed_as.reset();
      changed.write_error.reset();
    });
  });
}

void forget_kernel_attributes(Core& core, InodeId inode) {
  const auto known = core.table.known(inode, core.clock().steady());
  if (!known.has_attributes) return;
  (void)core.notifier.submit({Notifier::Job::Kind::attributes, inode, {}, {}});
}

/// Until now nobody but this peer may have known of the blobs' bytes; from here on the tracker
/// counts on them as on any other copy, and may order that they make place for newer contents.
/// Thread: pool.
void note_published(cache::BlobStore& store, const std::vector<PublishedBlob>& published) {
  for (const auto& [inode, content] : published) {
    // An empty file needs no blob; one that is in use goes when the store is opened next.
    if (content.is_empty()) {
      const Result<bool> removed = store.remove_unused(inode, content);
      if (removed && *removed) continue;
    }
    const auto blob = store.find(inode);
    if (!blob) continue;
    const cache::BlobInfo info = blob->info();
    const bool is_it = info.state == cache::BlobState::sealed && info.shape.content == content;
    const Result<void> noted = is_it ? store.set_role(inode, cache::Role::replica) : base::ok();
    if (noted) continue;
    base::log_warning("a published blob keeps its role inode={} reason={}", inode,
                      noted.error().message());
  }
}

/// Works off Core::published, many at once. Not at once: what the tracker said before it heard of
/// them, that nobody wants such bytes, has arrived by then.
Task<void> note_published_later(Core* core) {
  while (!core->published.empty()) {
    const Result<void> waited = co_await core->env.timer.wait_for(kNotePause);
    if (!waited) break;
    co_await note_all_published(core);
  }
  core->is_noting_published = false;
}

void note_published_soon(Core* core, InodeId inode, const ContentId& content) {
  core->published.push_back({inode, content});
  if (std::exchange(core->is_noting_published, true)) return;
  spawn(core->group, note_published_later(core));
}

/// Whether the tracker has just these bytes as the inode's: then only its answer was lost.
Task<bool> has_arrived(Core* core, InodeId inode, ContentId content) {
  auto record = co_await core->volume.get_inode(inode, false, core->metadata_deadline());
  co_return record && record->content.id == content;
}

/// Bytes of which nobody may have heard, because the daemon or the session ended: unless the
/// tracker has them after all, they are work again, and published by housekeep().
Task<void> take_up(Core* core, InodeId inode) {
  cache::BlobStore& store = core->env.store;
  const auto blob = co_await core->env.pool.run([&store, inode] { return store.find(inode); });
  if (!blob) co_return;
  const std::shared_ptr<OpenFile> file = core->file_for(inode);
  auto guard = co_await file->serial().lock();
  if (!guard || file->state().is_working) co_return;  // in use already
  auto sealed = co_await core->env.pool.run([blob]() -> Result<ContentId> {
    if (blob->info().state == cache::BlobState::sealed) return blob->info().shape.content;
    auto made = blob->seal(false);
    if (!made) return pass(made);
    return made->shape.content;
  });
  bool is_known = false;
  if (sealed) is_known = co_await has_arrived(core, inode, *sealed);
  if (is_known) {
    note_published_soon(core, inode, *sealed);
    core->table.release_file(file);
    co_return;
  }
  const Result<void> begun = co_await core->env.pool.run([blob] { return blob->begin_working(); });
  if (!begun) {
    base::log_error("a working copy cannot be kept inode={} reason={}", inode,
                    begun.error().message());
    co_return;
  }
  const cache::BlobInfo info = blob->info();
  const std::int64_t now = core->wall_nanoseconds();
  file->update([&](FileState& state) {
    state = FileState{};
    state.blob = blob;
    state.content = {info.shape.content, info.shape.chunk_bytes};
    state.has_content = true;
    state.is_working = true;
    state.is_dirty = true;
    state.size = info.size;
    state.mtime = now;
    state.change_time = now;
  });
  base::log_info("a working copy is published now inode={} bytes={}", inode, info.size);
}

/// The tracker's word on something published here.
void on_published(Core* core, InodeId inode, const ContentId& content,
                  const Result<wire::OperationReply>& reply) {
  const bool is_taken = reply && !reply->error;
  if (!is_taken) {
    const std::string reason = reply ? reply->context : reply.error().message();
    base::log_warning("a file is to be published again inode={} reason={}", inode, reason);
    spawn(core->group, take_up(core, inode));
    return;
  }
  note_published_soon(core, inode, content);
}

Result<void> outcome_of(const Result<wire::OperationReply>& reply) {
  if (!reply) return pass(reply);
  if (reply->error) return std::unexpected(Error(*reply->error, reply->context));
  return {};
}

/// Under its delegation the file is what this peer says: the content is current here at once, and
/// for everybody when the operation arrives. told: gets the tracker's word. False: the tracker has
/// to be asked. Shape: the caller holds serial() and excludes writes. Thread: any.
Result<bool> hand_in(Core* core, const std::shared_ptr<OpenFile>& file, const FileState& state,
                     const cache::Sealed& sealed, bool release, UnsentPublishes::Told told) {
  const InodeId inode = file->inode();
  auto done = [core, inode, content = sealed.shape.content,
               told](const Result<wire::OperationReply>& reply) {
    *told = outcome_of(reply);
    core->unsent_publishes.remove(inode, true);
    on_published(core, inode, content, reply);
  };
  core->unsent_publishes.add(inode, state.version, told);  // before it can be answered
  const auto made = core->volume.change_here(publish_operation(*file, state, sealed, release),
                                             Volume::Right::file, std::move(done));
  if (!made || !*made) {
    core->unsent_publishes.remove(inode, false);
    if (!made) return false;
    return pass(*made);
  }
  become_published(*core, *file, {sealed.shape.content, sealed.shape.chunk_bytes},
                   state.version + 1, release);
  const bool looks_other =
      state.blob && state.blob->info().allocated_bytes != sealed.allocated_bytes;
  if (looks_other) forget_kernel_attributes(*core, inode);
  return true;
}

Task<Result<bool>> publish_here(Core* core, std::shared_ptr<OpenFile> file, FileState state,
                                const cache::Sealed& sealed, PublishOptions options) {
  const auto told = std::make_shared<std::optional<Result<void>>>();
  auto handed_in = hand_in(core, file, state, sealed, options.release, told);
  if (!handed_in || !*handed_in) co_return handed_in;
  if (options.durable || options.confirmed) {
    Result<void> settled = co_await core->volume.settle(publish_deadline(*core));
    if (!settled) co_return pass(std::move(settled));
    if (*told && !**told) co_return pass(std::move(**told));
  }
  co_return true;
}

Task<Result<void>> send_publish(Core* core, std::shared_ptr<OpenFile> file, FileState state,
                                cache::Sealed sealed, PublishOptions options) {
  auto is_done = co_await publish_here(core, file, state, sealed, options);
  if (!is_done) co_return pass(std::move(is_done));
  if (*is_done) co_return Result<void>{};
  std::vector<wire::Operation> operations;
  operations.push_back(publish_operation(*file, state, sealed, options.release));
  Touches touches;
  touches.inodes.push_back(file->inode());
  auto replies = co_await core->volume.mutate(std::move(operations), std::move(touches), {},
                                              publish_deadline(*core));
  if (!replies) co_return pass(std::move(replies));
  const wire::InodeRecord* record =
      replies->empty() ? nullptr : record_in(replies->back(), file->inode());
  if (record == nullptr) co_return fail(Errc::internal, "the tracker's answer lacks the inode");
  become_published(*core, *file, record->content, record->version, options.release);
  // Times and allocated size as the tracker has them may differ from what was shown meanwhile.
  forget_kernel_attributes(*core, file->inode());
  on_published(core, file->inode(), sealed.shape.content, std::move(replies->back()));
  co_return Result<void>{};
}

}  // namespace

Task<Result<void>> publish_locked(Core* core, std::shared_ptr<OpenFile> file,
                                  PublishOptions options) {
  if (!file->state().is_dirty) {
    Result<void> nothing = co_await publish_nothing(core, file, options);
    const bool is_busy = !nothing && nothing.error().code() == Errc::busy;
    if (!is_busy) co_return nothing;
  }
  if (!core->may_write(file->state())) {
    co_return fail(Errc::stale, "inode {} is not ours to publish at this moment", file->inode());
  }
  auto exclusion = co_await complete_and_exclude(core, file);
  if (!exclusion) co_return pass(std::move(exclusion));
  const FileState state = file->state();
  const std::shared_ptr<cache::Blob> blob = state.blob;
  const bool durable = options.durable;
  auto sealed = co_await core->env.pool.run([blob, durable] { return blob->seal(durable); });
  if (!sealed) co_return pass(std::move(sealed));
  file->update([&](FileState& changed) {
    changed.sealed_as = wire::ContentRef{sealed->shape.content, sealed->shape.chunk_bytes};
    changed.is_changed_since_seal = false;
  });
  // An earlier daemon, or an answer that was lost, has published just these bytes.
  const bool is_known = sealed->shape.content == state.content.id && !state.is_changed_since_seal &&
                        !state.is_mtime_explicit && !state.atime;
  if (is_known) {
    become_published(*core, *file, state.content, state.version, false);
    note_published_soon(core, file->inode(), state.content.id);
    {
      const OpenFile::Exclusion over = std::move(*exclusion);
    }
    Result<void> done = co_await publish_nothing(core, file, options);
    co_return done;
  }
  Result<void> sent = co_await send_publish(core, file, state, *sealed, options);
  if (!sent && file->state().is_dirty) {
    // Open again, so that the store lists it as unpublished should the daemon end before the next
    // attempt.
    Result<void> reopened = co_await core->env.pool.run([blob] { return blob->begin_working(); });
    if (!reopened) {
      base::log_error("a working copy cannot be kept inode={} reason={}", file->inode(),
                      reopened.error().message());
    }
  }
  co_return sent;
}

namespace {

/// What a worker hashes by itself; more is for the pool.
constexpr std::uint64_t kSmallBytes = 256 * 1024;

bool is_small_work(const Core& core, const FileState& state) {
  return state.is_dirty && state.is_working && state.blob && !state.is_removed &&
         !state.is_conflicted && !state.write_error && !state.sealed_as &&
         state.size <= kSmallBytes && core.may_write(state);
}

/// The file is open for change again, as it was before an attempt to publish it.
void reopen(OpenFile& file, cache::Blob& blob) {
  const Result<void> reopened = blob.begin_working();
  if (reopened) return;
  base::log_error("a working copy cannot be kept inode={} reason={}", file.inode(),
                  reopened.error().message());
}

/// Publishes and gives the delegation back without waiting for anybody. False: the long way.
bool publish_at_once(Core& core, const std::shared_ptr<OpenFile>& file) {
  if (!core.options.delegation || core.options.sync) return false;
  if (file->passage()) return false;  // the kernel may be writing
  const auto turn = file->serial().try_lock();
  if (!turn || !core.volume.find_inode(file->inode())) return false;
  const auto exclusion = file->try_exclude(OpenFile::Excluded::writes);
  if (!exclusion) return false;
  const FileState state = file->state();
  if (!is_small_work(core, state) || !state.blob->missing(0, state.size).empty()) return false;
  const auto sealed = state.blob->seal(false);
  if (!sealed) return false;  // the long way fails as well, and tells
  file->update([&](FileState& changed) {
    changed.sealed_as = wire::ContentRef{sealed->shape.content, sealed->shape.chunk_bytes};
    changed.is_changed_since_seal = false;
  });
  // Bytes as they were: there may be nothing to tell.
  const bool is_news = sealed->shape.content != state.content.id;
  const auto handed_in = is_news ? hand_in(&core, file, state, *sealed, true,
                                           std::make_shared<std::optional<Result<void>>>())
                                 : Result<bool>(false);
  if (handed_in && *handed_in) return true;
  reopen(*file, *state.blob);
  return false;
}

}  // namespace

bool settle_closed(Core& core, std::shared_ptr<OpenFile>& file, InodeTable::Closed closed) {
  if (closed.was_orphan) return false;
  const FileState state = file->state();
  const bool is_due = closed.was_last_writer && (state.is_dirty || state.is_delegated);
  if (is_due && !publish_at_once(core, file)) return false;
  if (!file->state().is_dirty) core.table.release_file(std::move(file));
  file.reset();
  return true;
}

namespace {

/// What was never published and has lost its last name: nobody can ask for it.
Task<Result<void>> discard(Core* core, std::shared_ptr<OpenFile> file) {
  auto guard = co_await file->serial().lock();
  if (!guard) co_return pass(std::move(guard));
  cache::BlobStore& store = core->env.store;
  const InodeId inode = file->inode();
  Result<void> removed =
      co_await core->env.pool.run([&store, inode] { return store.remove(inode); });
  file->update([](FileState& changed) { changed = FileState{}; });
  co_return removed;
}

}  // namespace

Task<bool> is_surely_orphan(Core* core, InodeId inode) {
  if (!core->table.is_orphan(inode)) co_return false;
  const std::uint64_t seen = core->table.dooms(inode);
  auto record = co_await core->volume.get_inode(inode, false, core->metadata_deadline());
  if (!record) co_return record.error().code() == Errc::not_found;
  const bool is_linked = record->attributes.nlink > 0;
  if (is_linked) core->table.clear_doom(inode, true, seen);
  co_return !is_linked;
}

namespace {

/// All that took effect here is with the tracker, the file's name and what was published of it
/// before among it. Errors: what the tracker said of that, and the file is to be published again.
Task<Result<void>> settle_published(Core* core, InodeId inode) {
  const UnsentPublishes::Told told = core->unsent_publishes.last_told(inode);
  Result<void> settled = co_await core->volume.settle(publish_deadline(*core));
  if (!settled) co_return settled;
  if (!told || !*told || **told) co_return base::ok();
  // Here already, and not in the background only: who tries again finds the file unpublished.
  co_await take_up(core, inode);
  co_return **told;
}

}  // namespace

Task<Result<void>> publish(Core* core, std::shared_ptr<OpenFile> file, PublishOptions options) {
  const Deadline deadline = publish_deadline(*core);
  for (;;) {
    if (file->state().is_removed) {
      Result<void> discarded = co_await discard(core, file);
      co_return discarded;
    }
    if (file->state().is_dirty) {
      Result<void> acquired = co_await acquire(core, file, deadline);
      if (!acquired) co_return acquired;
    }
    auto guard = co_await file->serial().lock();
    if (!guard) co_return pass(std::move(guard));
    Result<void> published = co_await publish_locked(core, file, options);
    guard = Turn::Guard();
    if (published && options.durable) published = co_await settle_published(core, file->inode());
    const bool is_lost = !published && published.error().code() == Errc::stale;
    if (!is_lost || deadline.has_passed(core->clock())) co_return published;
  }
}

namespace {

/// A file that never had a content but the empty one: nobody else can have read what is here.
bool is_private(const FileState& state) {
  return state.is_dirty && state.content.id.is_empty() && !state.sealed_as;
}

/// Ends the hold that came with the duty to let an inode go. False when somebody uses it after all:
/// then it is an orphan still. Whoever opens it from here on asks the tracker first, although its
/// record may have been in memory, from when it was ours to write.
bool end_last_hold(Core& core, InodeId inode) {
  bool is_over = false;
  core.gate.exclusively([&] {
    wire::Stale stale;
    stale.inode = inode;
    core.volume.invalidate(stale);
    // We may have been asked meanwhile, and have said that it is open.
    if (core.table.end_hold(inode)) (void)core.table.end_hold(inode);
    core.table.doom_unused(inode);
    is_over = !core.table.make_orphan(inode);
  });
  return is_over;
}

/// The last handle on an unlinked file is closed. Other peers may have it open: then what it holds
/// is published for them, and what was published before stays until the tracker releases it. Should
/// somebody open it again, by way of /proc or by a name that was on its way out, then whoever
/// closes it last lets it go. Shape: the inode is held, so that whoever asks is told that it is
/// open.
Task<void> let_orphan_go(Core* core, std::shared_ptr<OpenFile> file) {
  if (!end_last_hold(*core, file->inode())) co_return;
  core->table.hold(file->inode());
  Result<void> published{};
  bool is_gone = false;
  const FileState before = file->state();
  if (before.is_dirty) {
    // A removal that we were asked about need not have come about.
    auto record = co_await core->volume.get_inode(file->inode(), false, core->metadata_deadline());
    is_gone = !record && record.error().code() == Errc::not_found;
    const bool is_linked = record && record->attributes.nlink > 0;
    if (is_linked || (record && !is_private(before))) {
      published = co_await publish(core, file, {.release = true});
    }
    if (is_linked || !(record || is_gone)) {  // housekeep() tries again if need be
      // We may have been asked meanwhile, and have said that it is open.
      const bool was_orphan = core->table.end_hold(file->inode());
      if (was_orphan) core->launch(after_close(core, file, {true, false, true}));
      co_return;
    }
  }
  auto guard = co_await file->serial().lock();
  if (!guard) co_return;  // the mount is ending
  cache::BlobStore& store = core->env.store;
  const InodeId inode = file->inode();
  const FileState state = file->state();
  if (!state.is_dirty && state.is_working && state.blob) {
    co_await end_working(core, file, state.blob);
  } else if (is_gone || !published || is_private(state)) {
    const Result<void> removed =
        co_await core->env.pool.run([&store, inode] { return store.remove(inode); });
    if (!removed) {
      base::log_warning("an unlinked file's blob stays inode={} reason={}", inode,
                        removed.error().message());
    }
  }
  file->update([](FileState& changed) { changed = FileState{}; });
  const Result<void> settled = co_await core->volume.settle(core->metadata_deadline());
  (void)settled;
  if (!end_last_hold(*core, inode)) co_return;
  auto closed = co_await core->tracker.ask(wire::CloseOrphan{inode}, core->metadata_deadline());
  (void)closed;  // otherwise the tracker lets it go with the session
}

}  // namespace

Task<void> after_close(Core* core, std::shared_ptr<OpenFile> file, InodeTable::Closed closed) {
  const FileState state = file->state();
  if (closed.was_orphan) {
    co_await let_orphan_go(core, file);
  } else if (closed.was_last_writer && (state.is_dirty || state.is_delegated)) {
    Result<void> published = co_await publish(core, file, {core->options.sync, true});
    if (!published) {
      base::log_warning("closing a file did not publish it; trying again inode={} reason={}",
                        file->inode(), published.error().message());
    }
  }
  if (!file->state().is_dirty) core->table.release_file(std::move(file));
}

Task<void> note_all_published(Core* core) {
  cache::BlobStore& store = core->env.store;
  co_await core->env.pool.run(
      [&store, batch = std::exchange(core->published, {})] { note_published(store, batch); });
}

Task<Result<void>> publish_closed(Core* core) {
  Result<void> outcome{};
  for (const std::shared_ptr<OpenFile>& file : core->table.files()) {
    const FileState state = file->state();
    // close(2) has returned before RELEASE arrives.
    const bool is_closed = state.is_flushed || core->table.writers(file->inode()) == 0;
    if (!state.is_dirty || !is_closed) continue;
    Result<void> published = co_await publish(core, file, {.release = true});
    if (!published && outcome) outcome = std::move(published);
  }
  Result<void> settled = co_await core->volume.settle(core->metadata_deadline());
  if (!settled && outcome) outcome = std::move(settled);
  co_return outcome;
}

Task<Result<void>> publish_all(Core* core) {
  Result<void> outcome{};
  for (const std::shared_ptr<OpenFile>& file : core->table.files()) {
    if (!file->state().is_dirty) continue;
    Result<void> published = co_await publish(core, file, {true, true});
    if (!published && outcome) outcome = std::move(published);
  }
  Result<void> settled = co_await core->volume.settle(core->metadata_deadline());
  if (!settled && outcome) outcome = std::move(settled);
  co_return outcome;
}

Task<void> recover_unpublished(Core* core) {
  cache::BlobStore& store = core->env.store;
  const auto inodes = co_await core->env.pool.run([&store] { return store.unpublished(); });
  for (const InodeId inode : inodes) co_await take_up(core, inode);
}

namespace {

/// The file was removed by others while its bytes were unpublished: nobody can ask for them.
Task<bool> drop_if_gone(Core* core, std::shared_ptr<OpenFile> file, const Error& error) {
  if (error.code() != Errc::not_found || core->table.opens(file->inode()) > 0) co_return false;
  base::log_warning("an unpublished file was removed meanwhile inode={}", file->inode());
  core->table.hold(file->inode());
  co_await let_orphan_go(core, file);
  co_return true;
}

Task<void> tend(Core* core, std::shared_ptr<OpenFile> file) {
  if (core->table.opens(file->inode()) > 0) co_return;
  const FileState state = file->state();
  if (state.is_dirty || (state.is_delegated && core->may_write(state))) {
    Result<void> published = co_await publish(core, file, {.release = true});
    if (!published) {
      const Error error = published.error();
      const bool is_gone = co_await drop_if_gone(core, file, error);
      if (!is_gone) {
        base::log_debug("still unpublished inode={} reason={}", file->inode(), error.message());
        co_return;
      }
    }
  }
  core->table.release_file(std::move(file));
}

}  // namespace

Task<void> housekeep(Core* core) {
  for (;;) {
    auto files = core->table.files();
    while (!files.empty()) {
      std::shared_ptr<OpenFile> file = std::move(files.back());
      files.pop_back();
      co_await tend(core, std::move(file));
    }
    const Result<void> waited = co_await core->env.timer.wait_for(kHousekeepInterval);
    if (!waited) co_return;
  }
}

}  // namespace shoal::fs
