// SPDX-License-Identifier: MIT
#include "peerd/drop.h"

#include "base/log.h"

namespace shoal::peerd {

Dropped drop_blob(cache::BlobStore& store, InodeId inode, const ContentId& content) {
  const auto blob = store.find(inode);
  if (!blob) return Dropped::gone;
  const cache::BlobInfo info = blob->info();
  if (info.state == cache::BlobState::working || info.shape.content != content) {
    return Dropped::moved_on;
  }
  auto removed = store.remove(inode);
  if (removed) return Dropped::gone;
  base::log_warning("a blob could not be removed inode={}: {}", inode, removed.error().message());
  return Dropped::kept;
}

std::vector<cache::BlobInfo> blobs_with(cache::BlobStore& store, const ContentId& content) {
  std::vector<cache::BlobInfo> found;
  const auto blob = store.find_content(content);
  if (blob) found.push_back(blob->info());
  return found;
}

}  // namespace shoal::peerd
