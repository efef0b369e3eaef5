// SPDX-License-Identifier: MIT
#include "fs/xattrs.h"

#include <sys/xattr.h>

#include <cerrno>

#include "fs/answers.h"
#include "fs/blobs.h"
#include "wire/limits.h"

namespace shoal::fs {
namespace {

constexpr std::string_view kShoalPrefix = "user.shoal.";

void answer_value(Reply& reply, ByteView value, std::size_t size) {
  if (size == 0) {
    reply.xattr_size(value.size());
  } else if (size < value.size()) {
    reply.error(ERANGE);
  } else {
    reply.bytes(value);
  }
}

void answer_from(Reply& reply, const XattrList& xattrs, const std::string& name, std::size_t size) {
  for (const wire::Xattr& xattr : xattrs) {
    if (xattr.name != name) continue;
    answer_value(reply, xattr.value, size);
    return;
  }
  reply.error(ENODATA);
}

void answer_list(Reply& reply, const XattrList& xattrs, std::size_t size, bool is_root) {
  std::string names;
  for (const wire::Xattr& xattr : xattrs) {
    if (!is_root && xattr.name.starts_with("trusted.")) continue;
    names += xattr.name;
    names += '\0';
  }
  answer_value(reply, as_bytes(names), size);
}

void fail_for_xattr(Reply& reply, const Error& error) {
  switch (error.code()) {
    case Errc::not_found:
      reply.error(ESTALE);
      break;
    case Errc::too_large:
      reply.error(ENOSPC);
      break;  // all values together: as ext4 says it
    default:
      reply.fail(error);
  }
}

/// nullptr: not in memory.
std::shared_ptr<const XattrList> find_in_memory(const Core& core, InodeId inode) {
  static const auto kNone = std::make_shared<const XattrList>();
  const auto record = core.volume.find_inode(inode);
  if (!record) return nullptr;
  if (!record->has_xattrs) return kNone;
  return core.volume.find_xattrs(inode);
}

Task<Result<std::shared_ptr<const XattrList>>> fetch(Core* core, InodeId inode) {
  const Deadline deadline = core->metadata_deadline();
  if (!core->volume.find_inode(inode)) {
    // The list is kept with the record.
    auto record = co_await core->volume.get_inode(inode, false, deadline);
    if (!record) co_return pass(std::move(record));
    if (!record->has_xattrs) co_return std::make_shared<const XattrList>();
  }
  auto xattrs = co_await core->volume.get_xattrs(inode, deadline);
  co_return xattrs;
}

Task<Result<void>> change(Core* core, InodeId inode, wire::Change operation) {
  std::vector<wire::Operation> operations;
  operations.push_back(operation_now(*core, std::move(operation)));
  auto replies = co_await core->volume.mutate(std::move(operations), Touches{{}, {inode}}, {},
                                              core->metadata_deadline());
  if (!replies) co_return pass(std::move(replies));
  co_return Result<void>{};
}

}  // namespace

XattrSpace xattr_space(std::string_view name) {
  if (name.starts_with(kShoalPrefix)) return XattrSpace::shoal;
  for (const std::string_view prefix : {"user.", "security.", "trusted."}) {
    if (name.starts_with(prefix)) return XattrSpace::stored;
  }
  return XattrSpace::refused;
}

bool answer_xattr_from_memory(Core& core, Reply& reply, InodeId inode, const std::string& name,
                              std::size_t size) {
  const auto xattrs = find_in_memory(core, inode);
  if (!xattrs) return false;
  answer_from(reply, *xattrs, name, size);
  return true;
}

bool answer_xattr_list_from_memory(Core& core, Reply& reply, InodeId inode, std::size_t size,
                                   bool is_root) {
  const auto xattrs = find_in_memory(core, inode);
  if (!xattrs) return false;
  answer_list(reply, *xattrs, size, is_root);
  return true;
}

Task<void> get_xattr_task(Core* core, Reply reply, InodeId inode, std::string name,
                          std::size_t size) {
  auto xattrs = co_await fetch(core, inode);
  if (xattrs) {
    answer_from(reply, **xattrs, name, size);
  } else {
    fail_for_xattr(reply, xattrs.error());
  }
}

Task<void> list_xattrs_task(Core* core, Reply reply, InodeId inode, std::size_t size,
                            bool is_root) {
  auto xattrs = co_await fetch(core, inode);
  if (xattrs) {
    answer_list(reply, **xattrs, size, is_root);
  } else {
    fail_for_xattr(reply, xattrs.error());
  }
}

Task<void> set_xattr_task(Core* core, Reply reply, InodeId inode, std::string name, Bytes value,
                          int flags) {
  wire::SetXattr set;
  set.inode = inode;
  set.name = std::move(name);
  set.value = std::move(value);
  if ((flags & XATTR_CREATE) != 0) set.flags |= wire::SetXattr::kCreate;
  if ((flags & XATTR_REPLACE) != 0) set.flags |= wire::SetXattr::kReplace;
  Result<void> done = co_await change(core, inode, std::move(set));
  if (done) {
    reply.ok();
  } else {
    fail_for_xattr(reply, done.error());
  }
}

Task<void> remove_xattr_task(Core* core, Reply reply, InodeId inode, std::string name) {
  Result<void> done = co_await change(core, inode, wire::RemoveXattr{inode, std::move(name)});
  if (done) {
    reply.ok();
  } else {
    fail_for_xattr(reply, done.error());
  }
}

namespace {

std::string cached_text(cache::BlobStore& store, InodeId inode, const wire::ContentRef& content) {
  const std::uint64_t blocks = base::block_count(content.id.size);
  const std::shared_ptr<cache::Blob> blob = store.find(inode);
  if (!blob) return fmt::format("0/{}", blocks);
  const cache::BlobInfo info = blob->info();
  if (info.state == cache::BlobState::working) return "working";
  if (info.shape.content != content.id) return fmt::format("0/{}", blocks);
  return fmt::format("{}/{}", info.blocks_present, blocks);
}

Task<Result<std::string>> holders_text(Core* core, wire::ContentRef content, Deadline deadline) {
  wire::Locate locate;
  locate.contents.push_back(content);
  auto located = co_await core->tracker.ask(std::move(locate), deadline);
  if (!located) co_return pass(std::move(located));
  std::string text;
  for (const wire::Located& found : located->contents) {
    for (const wire::Holder& holder : found.holders) {
      text += fmt::format("{}{} {} {}", text.empty() ? "" : "\n", holder.peer.short_hex(),
                          holder.online ? "online" : "offline",
                          holder.complete ? "complete" : "partial");
    }
  }
  co_return text;
}

}  // namespace

Task<void> shoal_xattr_task(Core* core, Reply reply, InodeId inode, std::string name,
                            std::size_t size) {
  const Deadline deadline = core->metadata_deadline();
  const std::string what = name.substr(kShoalPrefix.size());
  auto record = co_await core->volume.get_inode(inode, false, deadline);
  if (!record) {
    fail_for_xattr(reply, record.error());
    co_return;
  }
  const wire::ContentRef content = record->content;
  if (record->attributes.kind != wire::FileKind::regular || content.id.is_empty()) {
    reply.error(ENODATA);
  } else if (what == "root") {
    answer_value(reply, as_bytes(content.id.root.hex()), size);
  } else if (what == "cached") {
    cache::BlobStore& store = core->env.store;
    const std::string text = co_await core->env.pool.run(
        [&store, inode, content] { return cached_text(store, inode, content); });
    answer_value(reply, as_bytes(text), size);
  } else if (what == "holders") {
    auto text = co_await holders_text(core, content, deadline);
    if (text) {
      answer_value(reply, as_bytes(*text), size);
    } else {
      fail_for_xattr(reply, text.error());
    }
  } else {
    reply.error(ENODATA);
  }
}

}  // namespace shoal::fs
