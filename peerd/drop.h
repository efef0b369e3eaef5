// SPDX-License-Identifier: MIT
#pragma once

#include <optional>

#include "cache/blob_store.h"

namespace shoal::peerd {

enum class Dropped {
  gone,         ///< the blob was removed, or there was none
  kept,         ///< somebody uses it
  moved_on,     ///< it holds another content, or is being written
  unpublished,  ///< it was written here, and the tracker may hear of it only now
};

/// Removes the inode's blob if it still holds that content and nobody uses it. Thread: pool.
Dropped drop_blob(cache::BlobStore& store, InodeId inode, const ContentId& content);

/// The same for what nothing refers to any more: one that is in use becomes evictable.
Dropped release_blob(cache::BlobStore& store, InodeId inode, const ContentId& content);

/// A blob here that holds the content. Thread: pool.
std::optional<cache::BlobInfo> blob_with(cache::BlobStore& store, const ContentId& content);

}  // namespace shoal::peerd
