// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "cache/blob_files.h"
#include "cache/blob_index.h"
#include "cache/blob_store.h"
#include "cache/store_folder.h"

namespace shoal::cache {

/// What the store may rely on after a start.
struct Recovered {
  std::vector<IndexRow> rows;
  std::vector<InodeId> unpublished;
  std::vector<Shape> departed;  ///< contents of blobs that are gone
  RecoveryReport report;
};

/// Brings index and files together. Every row is compared with its file: what was settled and not
/// touched since is believed, as all is after an orderly close; all else is hashed; what does not
/// lead to its root is dropped; files without a row hold work that was not published, unless they
/// are marked as refetchable. What changes is queued in the index.
Result<Recovered> recover(const StoreFolder& folder, BlobFiles& files, BlobIndex& index,
                          bool was_clean);

}  // namespace shoal::cache
