// SPDX-License-Identifier: MIT
// OPENDIR, READDIR, READDIRPLUS, RELEASEDIR, FSYNCDIR. A position is the number of entries before
// it in the handle's snapshot; "." and ".." come first.
#include <cerrno>

#include "fs/answers.h"
#include "fs/open_directory.h"
#include "fs/ops/ops.h"
#include "fs/stat.h"

namespace shoal::fs::ops {
namespace {

/// libfuse only lays out bytes here, and the request may have been answered by an interrupt.
constexpr fuse_req_t kNoRequest = nullptr;

using DirectoryBox = std::shared_ptr<OpenDirectory>;

DirectoryBox& directory_of(const fuse_file_info* info) {
  return *reinterpret_cast<DirectoryBox*>(static_cast<std::uintptr_t>(info->fh));
}

/// A page of entries as the kernel reads it.
class Page {
 public:
  Page(Core& core, std::size_t size, bool plus) : core_(core), buffer_(size), plus_(plus) {}

  /// Shape: inside the reply gate when plus. False when there is no room left.
  bool add(const OpenDirectory& directory, const Listing& listing, std::uint64_t position) {
    if (position == 0) return add_bare(".", directory.inode(), wire::FileKind::directory, 1);
    if (position == 1) return add_bare("..", directory.parent(), wire::FileKind::directory, 2);
    const NameEntry& entry = listing[position - 2];
    if (!plus_) return add_bare(entry.name, entry.inode, entry.kind, position + 1);
    return add_full(directory.inode(), entry, position + 1);
  }

  void send(Reply& reply) {
    if (reply.bytes(ByteView(buffer_).first(used_))) return;
    for (const InodeId inode : given_) core_.table.forget(inode, 1);
  }

 private:
  char* place() { return reinterpret_cast<char*>(buffer_.data()) + used_; }

  bool take(std::size_t needed) {
    if (needed > buffer_.size() - used_) return false;
    used_ += needed;
    return true;
  }

  bool add_bare(const std::string& name, InodeId inode, wire::FileKind kind, std::uint64_t next) {
    const auto offset = static_cast<off_t>(next);
    if (!plus_) {
      struct stat attributes{};
      attributes.st_ino = inode.value();
      attributes.st_mode = kind_bits(kind);
      return take(fuse_add_direntry(kNoRequest, place(), buffer_.size() - used_, name.c_str(),
                                    &attributes, offset));
    }
    fuse_entry_param param{};  // node 0: the kernel looks it up when it needs it
    param.attr.st_ino = inode.value();
    param.attr.st_mode = kind_bits(kind);
    return take(fuse_add_direntry_plus(kNoRequest, place(), buffer_.size() - used_, name.c_str(),
                                       &param, offset));
  }

  bool add_full(InodeId directory, const NameEntry& entry, std::uint64_t next) {
    auto record = core_.volume.find_inode(entry.inode);
    const auto known = core_.volume.find_name(directory, entry.name);
    if (!record || !known || known->inode != entry.inode) {
      return add_bare(entry.name, entry.inode, entry.kind, next);
    }
    core_.apply_local(*record);
    const Keep keep(core_);
    fuse_entry_param param{};
    param.ino = entry.inode.value();
    param.generation = 1;
    param.attr = stat_of(*record);
    param.attr_timeout = keep.seconds();
    param.entry_timeout = keep.seconds();
    const std::size_t needed =
        fuse_add_direntry_plus(kNoRequest, place(), buffer_.size() - used_, entry.name.c_str(),
                               &param, static_cast<off_t>(next));
    if (!take(needed)) return false;
    core_.table.add_lookup(entry.inode, keep.until());
    note_given(core_, *record);
    core_.table.name_given(directory, entry.name, core_.clock().steady());
    if (entry.kind == wire::FileKind::directory) core_.table.set_parent(entry.inode, directory);
    given_.push_back(entry.inode);
    return true;
  }

  Core& core_;
  Bytes buffer_;
  const bool plus_;
  std::size_t used_ = 0;
  std::vector<InodeId> given_;
};

void send_page(Core& core, Reply& reply, const OpenDirectory& directory, const Listing& listing,
               std::uint64_t position, std::size_t size, bool plus) {
  const ReplyGate::Pass pass = core.gate.enter();
  Page page(core, size, plus);
  while (position < listing.size() + 2 && page.add(directory, listing, position)) ++position;
  page.send(reply);
}

/// From the start on: the names are taken anew.
Task<void> list_task(Core* core, Reply reply, DirectoryBox directory, std::size_t size, bool plus) {
  auto listing = co_await core->volume.list(directory->inode(), core->metadata_deadline());
  if (!listing) {
    const bool is_gone = listing.error().code() == Errc::not_found;
    if (is_gone) {
      reply.error(ENOENT);
    } else {
      reply.fail(listing.error());
    }
    co_return;
  }
  directory->set_snapshot(*listing);
  if (!reply.is_open()) co_return;
  send_page(*core, reply, *directory, **listing, 0, size, plus);
}

void read_page(fuse_req_t request, std::size_t size, off_t offset, const fuse_file_info* info,
               bool plus) {
  Core& core = core_of(request);
  Reply reply(core, request);
  const DirectoryBox directory = directory_of(info);
  std::shared_ptr<const Listing> listing = directory->snapshot();
  if (offset == 0 || !listing) {
    listing = core.volume.find_listing(directory->inode());
    if (!listing) {
      core.launch(list_task(&core, reply.park(), directory, size, plus));
      return;
    }
    directory->set_snapshot(listing);
  }
  send_page(core, reply, *directory, *listing, static_cast<std::uint64_t>(offset), size, plus);
}

void readdir(fuse_req_t request, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* info) {
  read_page(request, size, offset, info, false);
}

void readdirplus(fuse_req_t request, fuse_ino_t, std::size_t size, off_t offset,
                 fuse_file_info* info) {
  read_page(request, size, offset, info, true);
}

void opendir(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
  Core& core = core_of(request);
  Reply reply(core, request);
  const InodeId id(inode);
  core.table.directory_used(id, core.clock().steady());
  auto* box = new DirectoryBox(std::make_shared<OpenDirectory>(id, core.table.parent(id)));
  OpenOut out;
  out.handle = reinterpret_cast<std::uintptr_t>(box);
  out.keep_pages = false;
  if (!reply.opened(out)) delete box;
}

void releasedir(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  delete &directory_of(info);
  Reply(core_of(request), request).ok();
}

Task<void> fsyncdir_task(Core* core, Reply reply) {
  const Result<void> settled = co_await core->volume.settle(core->metadata_deadline());
  if (settled) {
    reply.ok();
  } else {
    reply.fail(settled.error());
  }
}

/// Names are on the tracker's disk when it has answered what was changed here.
void fsyncdir(fuse_req_t request, fuse_ino_t, int, fuse_file_info*) {
  Core& core = core_of(request);
  Reply reply(core, request);
  core.launch(fsyncdir_task(&core, reply.park()));
}

}  // namespace

void add_directory_ops(fuse_lowlevel_ops& ops) {
  ops.opendir = opendir;
  ops.readdir = readdir;
  ops.readdirplus = readdirplus;
  ops.releasedir = releasedir;
  ops.fsyncdir = fsyncdir;
}

}  // namespace shoal::fs::ops
