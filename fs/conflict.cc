// SPDX-License-Identifier: MIT
#include "fs/conflict.h"

#include <algorithm>

#include "base/log.h"
#include "fs/blobs.h"
#include "fs/names.h"
#include "wire/conflict_name.h"

namespace shoal::fs {
namespace {

constexpr std::size_t kCopyBytes = 1024 * 1024;

Result<cache::Sealed> copy_bytes(cache::Blob& from, cache::Blob& to, std::uint64_t size) {
  Bytes buffer(kCopyBytes);
  Result<void> resized = to.resize(size);
  if (!resized) return pass(std::move(resized));
  for (std::uint64_t at = 0; at < size;) {
    const auto data = from.seek(at, true);
    if (!data) break;  // only holes follow
    at = *data;
    const std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(kCopyBytes, size - at));
    const auto got = from.read_at(at, base::MutableByteView(buffer).first(wanted));
    if (!got) return pass(got);
    if (*got == 0) break;
    Result<void> written = to.write_at(at, ByteView(buffer).first(*got));
    if (!written) return pass(std::move(written));
    at += *got;
  }
  return to.seal(true);
}

/// Where the copy goes: beside a name that we know, else into the root.
NameRef place_for(const Core& core, InodeId inode) {
  auto known = core.volume.find_any_name(inode);
  NameRef place{kRootInode, fmt::format("inode-{}", inode)};
  if (known) place = std::move(*known);
  place.name = wire::conflict_name(place.name, core.options.peer_name, core.wall_nanoseconds());
  return place;
}

/// One operation; its only inode's record.
Task<Result<wire::InodeRecord>> change_one(Core* core, wire::Change change, Touches touches,
                                           std::vector<Volume::Outcome> outcomes, InodeId inode) {
  std::vector<wire::Operation> operations;
  operations.push_back(operation_now(*core, std::move(change)));
  auto replies = co_await core->volume.mutate(std::move(operations), std::move(touches),
                                              std::move(outcomes), core->metadata_deadline());
  if (!replies) co_return pass(std::move(replies));
  const wire::InodeRecord* record = replies->empty() ? nullptr : record_in(replies->front(), inode);
  if (record == nullptr) co_return fail(Errc::internal, "the tracker's answer lacks the inode");
  co_return *record;
}

wire::Create create_copy(const NameRef& place, InodeId inode, const wire::Attributes& like) {
  wire::Create create;
  create.parent = place.directory;
  create.name = place.name;
  create.inode = inode;
  create.mode = like.mode & 0777;
  create.uid = like.uid;
  create.gid = like.gid;
  create.delegate = true;
  return create;
}

Task<Result<void>> publish_copy(Core* core, NameRef place, InodeId copy, wire::Attributes like,
                                cache::Sealed sealed, std::int64_t mtime) {
  Touches touches{{place}, {place.directory, copy}};
  auto made = co_await change_one(core, create_copy(place, copy, like), touches,
                                  {{place, copy, wire::FileKind::regular}}, copy);
  if (!made) co_return pass(std::move(made));
  wire::Publish publish;
  publish.inode = copy;
  publish.version = made->version;
  publish.content = {sealed.shape.content, sealed.shape.chunk_bytes};
  publish.layer = std::move(sealed.layer);
  publish.allocated_bytes = sealed.allocated_bytes;
  publish.mtime = mtime;
  publish.release = true;
  auto published = co_await change_one(core, std::move(publish), Touches{{}, {copy}}, {}, copy);
  if (!published) co_return pass(std::move(published));
  co_return Result<void>{};
}

}  // namespace

Task<Result<bool>> set_aside(Core* core, std::shared_ptr<OpenFile> file) {
  const FileState state = file->state();
  Result<void> fetched = co_await fetch_missing(
      core, state.blob, state.blob->missing(0, state.size), cache::Urgency::reader);
  if (!fetched) co_return pass(std::move(fetched));
  auto record = co_await core->volume.get_inode(file->inode(), false, core->metadata_deadline());
  if (!record) co_return pass(std::move(record));
  auto copy = co_await core->allocate_inode(core->metadata_deadline());
  if (!copy) co_return pass(std::move(copy));
  auto exclusion = co_await file->exclude(OpenFile::Excluded::everything);
  if (!exclusion) co_return pass(std::move(exclusion));

  cache::BlobStore& store = core->env.store;
  const InodeId inode = *copy;
  const std::shared_ptr<cache::Blob> from = state.blob;
  const std::uint64_t size = state.size;
  auto sealed = co_await core->env.pool.run([&store, inode, from, size]() -> Result<cache::Sealed> {
    auto to = store.create_working(inode);
    if (!to) return pass(std::move(to));
    return copy_bytes(*from, **to, size);
  });
  if (!sealed) co_return pass(std::move(sealed));
  if (sealed->shape.content == record->content.id) {
    // The tracker has it from us: the daemon ended before it had heard so.
    const Result<void> dropped =
        co_await core->env.pool.run([&store, inode] { return store.remove(inode); });
    if (!dropped) co_return pass(dropped);
    file->update([&](FileState& same) { same.sealed_as = record->content; });
    co_return false;
  }
  const NameRef place = place_for(*core, file->inode());
  Result<void> published = co_await publish_copy(core, place, inode, record->attributes,
                                                 std::move(*sealed), state.mtime);
  if (!published) co_return pass(std::move(published));

  const InodeId original = file->inode();
  const Result<void> removed =
      co_await core->env.pool.run([&store, original] { return store.remove(original); });
  if (!removed) co_return pass(removed);
  base::log_error(
      "another peer changed a file that had unpublished bytes here; they are kept as "
      "directory={} name={}",
      place.directory, base::printable(place.name));
  // What was shown here, the kernel may keep.
  core->gate.exclusively([&] {
    file->update([&](FileState& changed) {
      changed = FileState{};
      changed.write_error = Error(
          Errc::conflict, fmt::format("another peer changed the file; this version is kept as {}",
                                      base::printable(place.name)));
    });
  });
  (void)core->notifier.submit({Notifier::Job::Kind::pages, original, {}, {0, 0}});
  co_return true;
}

}  // namespace shoal::fs
