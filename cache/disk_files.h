// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/strong_id.h"
#include "cache/blob_files.h"

namespace shoal::cache {

/// Blobs lie in this many folders, by the low byte of the inode's number; made when needed.
inline constexpr unsigned kBlobFolders = 256;

/// "blobs/2a/000000000000012a" plus the kind's ending, relative to the store's folder. Names are
/// made of the inode's number alone.
std::string blob_path(InodeId inode, FileKind kind);
/// "blobs/2a"
std::string blob_folder(std::uint64_t number);

struct BlobName {
  InodeId inode;
  FileKind kind = FileKind::data;
};
/// Reads a file name, without folders; nullopt for names that blob_path never makes.
std::optional<BlobName> parse_blob_name(std::string_view name);

}  // namespace shoal::cache
