// SPDX-License-Identifier: MIT
#include "cache/local_blob_store.h"

#include "base/check.h"
#include "cache/local_blob.h"

namespace shoal::cache {
namespace {

Result<void> check_shape(const Shape& shape, const std::vector<Digest>& layer) {
  const ContentId& content = shape.content;
  if (!base::is_valid_chunk_bytes(shape.chunk_bytes)) {
    return fail(Errc::corrupt, "a chunk size of {}", shape.chunk_bytes);
  }
  if (content.size > base::kMaxFileBytes || (content.is_empty() && !content.root.is_zero())) {
    return fail(Errc::corrupt, "a content of {} bytes with root {}", content.size,
                content.root.hex());
  }
  if (!layer.empty() && !base::verify_layer(content, shape.chunk_bytes, layer)) {
    return fail(Errc::corrupt, "the piece layer does not lead to the root {}", content.root.hex());
  }
  return {};
}

}  // namespace

std::shared_ptr<Blob> LocalBlobStore::find(InodeId inode) { return table_->find(inode); }

std::shared_ptr<Blob> LocalBlobStore::find_content(const ContentId& content) {
  return table_->find_content(content);
}

Result<std::shared_ptr<Blob>> LocalBlobStore::obtain(InodeId inode, const Shape& shape,
                                                     std::vector<Digest> layer, Role role) {
  if (!inode) return fail(Errc::invalid, "a blob without an inode");
  auto ok = check_shape(shape, layer);
  if (!ok) return pass(ok);
  base::MutexLock names(table_->names(inode));
  if (auto blob = table_->find(inode)) {
    auto renewed = renew(*blob, shape, std::move(layer));
    if (renewed) renewed = table_->set_role(inode, role, true);
    if (!renewed) return pass(renewed);
    return blob;
  }
  // The row of a blob that was removed a moment ago must not be taken for this one's.
  auto forgotten = table_->forget_row(inode);
  if (!forgotten) return pass(forgotten);
  auto file = table_->files().create(inode, true);
  if (!file) return pass(file);
  auto sized = (*file)->resize(shape.content.size);
  if (!sized) {
    auto removed = table_->files().remove(inode, FileKind::data);
    return pass(removed ? sized : removed);
  }
  const bool is_empty = shape.content.is_empty();
  auto blob = table_->add(BlobRecord{.inode = inode,
                                     .state = is_empty ? BlobState::sealed : BlobState::partial,
                                     .role = role,
                                     .is_whole = is_empty,
                                     .shape = shape,
                                     .size = shape.content.size});
  if (!layer.empty()) {
    auto kept = blob->put_layer(shape, std::move(layer));
    if (!kept) return pass(kept);
  }
  return blob;
}

Result<void> LocalBlobStore::renew(LocalBlob& blob, const Shape& shape, std::vector<Digest> layer) {
  const BlobInfo info = blob.info();
  if (info.state == BlobState::working) return {};
  Result<void> renewed;
  if (info.shape != shape) {
    renewed = blob.follow(shape, std::move(layer));
  } else if (!layer.empty()) {
    renewed = blob.put_layer(shape, std::move(layer));
  }
  // Somebody opened it for change in between: it is returned as it is.
  if (!renewed && renewed.error().code() == Errc::busy) return {};
  return renewed;
}

Result<std::shared_ptr<Blob>> LocalBlobStore::create_working(InodeId inode) {
  if (!inode) return fail(Errc::invalid, "a blob without an inode");
  base::MutexLock names(table_->names(inode));
  // In this order a crash leaves the old blob with its row, or a file without a row: a working one.
  auto ready = table_->forget_row(inode);
  if (ready) ready = table_->remove(inode);
  if (!ready) return pass(ready);
  auto file = table_->files().create(inode, false);
  if (!file) return pass(file);
  return table_->add(BlobRecord{
      .inode = inode, .state = BlobState::working, .role = Role::origin, .is_whole = true});
}

Result<void> LocalBlobStore::set_role(InodeId inode, Role role) {
  return table_->set_role(inode, role, false);
}

Result<void> LocalBlobStore::remove(InodeId inode) {
  base::MutexLock names(table_->names(inode));
  return table_->remove(inode);
}

Result<bool> LocalBlobStore::remove_unused(InodeId inode, const ContentId& content) {
  base::MutexLock names(table_->names(inode));
  return table_->remove_unused(inode, content);
}

void LocalBlobStore::for_each(const std::function<void(const BlobInfo&)>& visit) {
  for (const BlobInfo& info : table_->list()) visit(info);
}

std::vector<InodeId> LocalBlobStore::unpublished() {
  std::vector<InodeId> still;
  for (const InodeId inode : unpublished_) {
    const auto info = table_->info(inode);
    if (info && info->state == BlobState::working) still.push_back(inode);
  }
  return still;
}

std::unique_ptr<BlobStore> make_memory_store(std::uint64_t ceiling_bytes) {
  auto files = make_memory_files();
  auto space = Space::open(*files, ceiling_bytes, 1);
  CHECK(space, "memory has a size");
  return std::make_unique<LocalBlobStore>(BlobTable::make({.files = std::move(files),
                                                           .index = nullptr,
                                                           .space = std::move(*space),
                                                           .keeps_blobs = true}));
}

}  // namespace shoal::cache
