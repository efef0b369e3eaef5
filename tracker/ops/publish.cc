// SPDX-License-Identifier: MIT
#include "base/hash_tree.h"
#include "tracker/ops/names.h"
#include "tracker/ops/privileges.h"

namespace shoal::tracker {
namespace {

Result<void> check_content(const wire::Publish& change) {
  const wire::ContentRef& content = change.content;
  if (content.id.size > base::kMaxFileBytes) {
    return fail(Errc::too_large, "a file of {} bytes", content.id.size);
  }
  if (!base::is_valid_chunk_bytes(content.chunk_bytes)) {
    return fail(Errc::invalid, "chunks of {} bytes", content.chunk_bytes);
  }
  const bool wants_layer = content.id.size > content.chunk_bytes;
  const bool fits = wants_layer ? base::verify_layer(content.id, content.chunk_bytes, change.layer)
                                : change.layer.empty();
  if (!fits) return fail(Errc::corrupt, "the piece layer does not lead to the root");
  if (content.id.is_empty() && !content.id.root.is_zero()) {
    return fail(Errc::corrupt, "a root for an empty content");
  }
  return {};
}

Applied apply_publish(OpContext& context, const wire::Publish& change, bool holds, InodeRow inode) {
  // The new reference first, so that publishing the same content again does not release it.
  const ContentRow content = context.contents.refer(change.content, change.layer, context.peer);
  context.contents.unrefer(inode.content, inode.inode);
  context.census.count_bytes(inode.content_ref.id.size, content.ref.id.size);
  inode.content = content.key;
  inode.content_ref = content.ref;
  inode.version += 1;
  inode.allocated_bytes = change.allocated_bytes;
  if (change.mtime) inode.mtime = *change.mtime;
  if (change.atime) inode.atime = *change.atime;
  inode.ctime = context.time;
  if (change.drop_privileges) drop_privileges(context.store, inode);
  context.store.update_inode(inode);
  Applied applied;
  if (holds && change.release) applied.released = inode.inode;
  applied.records.push_back(std::move(inode));
  return applied;
}

}  // namespace

Result<Plan> plan_publish(OpContext& context, const wire::Publish& change) {
  auto inode = context.store.inode(change.inode);
  if (!inode) return fail(Errc::not_found, "no inode {}", change.inode);
  if (inode->is_directory()) return fail(Errc::is_directory, "inode {}", change.inode);
  if (inode->kind != wire::FileKind::regular) return fail(Errc::invalid, "inode {}", change.inode);
  auto content = check_content(change);
  if (!content) return pass(content);
  const bool holds = context.delegate == context.session;
  if (context.delegate && !holds) {
    return fail(Errc::conflict, "inode {} is being written elsewhere", change.inode);
  }
  if (change.version != inode->version) {
    return fail(Errc::conflict, "inode {} is at version {}, not {}", change.inode, inode->version,
                change.version);
  }

  Plan plan;
  TouchedInode touched = touched_attributes(*inode);
  touched.data = true;
  touched.xattrs = change.drop_privileges && inode->has_xattrs;
  plan.footprint.inodes.push_back(touched);
  plan.apply = [&change, holds, row = std::move(*inode)](OpContext& at) mutable {
    return apply_publish(at, change, holds, std::move(row));
  };
  return plan;
}

Result<Plan> plan_take_delegation(OpContext& context, const wire::TakeDelegation& change) {
  auto inode = context.store.inode(change.inode);
  if (!inode) return fail(Errc::not_found, "no inode {}", change.inode);
  if (inode->is_directory()) return fail(Errc::is_directory, "inode {}", change.inode);
  if (inode->kind != wire::FileKind::regular) return fail(Errc::invalid, "inode {}", change.inode);
  if (context.delegate && context.delegate != context.session) {
    return fail(Errc::conflict, "inode {} is being written elsewhere", change.inode);
  }
  Plan plan;
  // Nobody, where the directory is delegated to the session: see docs/coherence.md.
  if (!context.delegate) {
    plan.footprint.inodes.push_back({.inode = change.inode, .attributes = true, .data = true});
  }
  plan.apply = [row = std::move(*inode)](OpContext&) mutable {
    Applied applied;
    applied.granted = row.inode;
    applied.records.push_back(std::move(row));
    return applied;
  };
  return plan;
}

Result<Plan> plan_drop_delegation(OpContext& context, const wire::DropDelegation& change) {
  auto inode = context.store.inode(change.inode);
  if (!inode) return fail(Errc::not_found, "no inode {}", change.inode);
  Plan plan;
  plan.apply = [row = std::move(*inode)](OpContext& at) mutable {
    Applied applied;
    if (at.delegate && at.delegate == at.session) applied.released = row.inode;
    applied.records.push_back(std::move(row));
    return applied;
  };
  return plan;
}

}  // namespace shoal::tracker
