// SPDX-License-Identifier: MIT
#include "peerd/drop.h"

#include "base/log.h"

namespace shoal::peerd {

Dropped drop_blob(cache::BlobStore& store, InodeId inode, const ContentId& content) {
  auto removed = store.remove_unused(inode, content);
  if (!removed) {
    base::log_warning("a blob could not be removed inode={}: {}", inode, removed.error().message());
    return Dropped::kept;
  }
  if (*removed) return Dropped::gone;
  const auto blob = store.find(inode);
  if (!blob) return Dropped::gone;
  const cache::BlobInfo info = blob->info();
  const bool has_moved_on =
      info.state == cache::BlobState::working || info.shape.content != content;
  if (has_moved_on) return Dropped::moved_on;
  return info.role == cache::Role::origin ? Dropped::unpublished : Dropped::kept;
}

Dropped release_blob(cache::BlobStore& store, InodeId inode, const ContentId& content) {
  const Dropped dropped = drop_blob(store, inode, content);
  if (dropped != Dropped::kept) return dropped;
  auto lowered = store.set_role(inode, cache::Role::cached);
  if (!lowered) base::log_warning("{}", lowered.error().message());
  return dropped;
}

std::optional<cache::BlobInfo> blob_with(cache::BlobStore& store, const ContentId& content) {
  const auto blob = store.find_content(content);
  if (!blob) return std::nullopt;
  return blob->info();
}

}  // namespace shoal::peerd
