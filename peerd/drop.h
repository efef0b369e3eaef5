// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "cache/blob_store.h"

namespace shoal::peerd {

enum class Dropped {
  gone,      ///< the blob was removed, or there was none
  kept,      ///< somebody uses it: it may be evicted later
  moved_on,  ///< it holds another content, or is being written
};

/// Lets go of the inode's blob if it still holds that content. Thread: pool.
Dropped drop_blob(cache::BlobStore& store, InodeId inode, const ContentId& content);

/// The blobs here that hold a content which nothing refers to. Thread: pool.
std::vector<cache::BlobInfo> blobs_with(cache::BlobStore& store, const ContentId& content);

}  // namespace shoal::peerd
