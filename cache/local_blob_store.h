// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <vector>

#include "cache/blob_store.h"
#include "cache/blob_table.h"

namespace shoal::cache {

/// The store's operations over a table of blobs, whatever its files are. The memory store is this;
/// the disk store adds opening, closing and what goes on in the background.
class LocalBlobStore : public BlobStore {
 public:
  explicit LocalBlobStore(std::shared_ptr<BlobTable> table, std::vector<InodeId> unpublished = {})
      : table_(std::move(table)), unpublished_(std::move(unpublished)) {}
  ~LocalBlobStore() override { table_->let_go(); }

  std::shared_ptr<Blob> find(InodeId inode) override;
  std::shared_ptr<Blob> find_content(const ContentId& content) override;
  Result<std::shared_ptr<Blob>> obtain(InodeId inode, const Shape& shape, std::vector<Digest> layer,
                                       Role role) override;
  Result<std::shared_ptr<Blob>> create_working(InodeId inode) override;
  Result<void> set_role(InodeId inode, Role role) override;
  Result<void> remove(InodeId inode) override;
  Result<bool> remove_unused(InodeId inode, const ContentId& content) override;
  void for_each(const std::function<void(const BlobInfo&)>& visit) override;
  std::vector<InodeId> unpublished() override;
  Result<Eviction> evict(std::uint64_t wanted) override { return table_->evict(wanted); }
  std::vector<Shape> take_departed() override { return table_->take_departed(); }
  bool began_anew() const override { return false; }
  Result<void> note_void_told() override { return {}; }
  StoreUsage usage() const override { return table_->usage(); }
  Result<void> close() override { return {}; }

 protected:
  BlobTable& table() { return *table_; }

 private:
  Result<void> renew(LocalBlob& blob, const Shape& shape, std::vector<Digest> layer);

  const std::shared_ptr<BlobTable> table_;
  const std::vector<InodeId> unpublished_;  // as they were at the start
};

}  // namespace shoal::cache
