// SPDX-License-Identifier: MIT
#include "fs/names.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "fs/answers.h"
#include "fs/files.h"

namespace shoal::fs {

DirectoryChange::DirectoryChange(InodeTable& table, InodeId first, InodeId second)
    : table_(&table), directories_{first, second} {
  for (const InodeId directory : directories_) {
    if (directory) table.begin_change(directory);
  }
}

DirectoryChange::DirectoryChange(DirectoryChange&& other) noexcept
    : table_(other.table_), directories_(std::exchange(other.directories_, {})) {}

DirectoryChange::~DirectoryChange() {
  for (const InodeId directory : directories_) {
    if (directory) table_->end_change(directory);
  }
}

const wire::InodeRecord* record_in(const wire::OperationReply& reply, InodeId inode) {
  for (const wire::InodeRecord& record : reply.records) {
    if (record.inode == inode) return &record;
  }
  return nullptr;
}

wire::Operation operation_now(const Core& core, wire::Change change) {
  return wire::Operation{std::move(change), core.wall_nanoseconds()};
}

Task<void> lookup_task(Core* core, Reply reply, InodeId directory, std::string name) {
  auto found = co_await core->volume.lookup(directory, name, core->metadata_deadline());
  if (!found) {
    reply.fail(found.error());
  } else if (*found) {
    answer_entry(*core, reply, directory, name, **found);
  } else {
    answer_absent(*core, reply, directory, name);
  }
}

namespace {

/// Until an inode that a retry found has surely been used.
Task<void> hold_for_a_while(Core* core, InodeId inode) {
  const InodeHold hold(*core, inode);
  const Result<void> waited = co_await core->env.timer.wait_for(StaleRetries::kTerm);
  static_cast<void>(waited);
}

}  // namespace

Task<void> lookup_again_task(Core* core, Reply reply, InodeId directory, std::string name) {
  const Deadline deadline = core->metadata_deadline();
  while (reply.is_open()) {
    auto found = co_await core->volume.lookup(directory, name, deadline);
    if (!found) {
      reply.fail(found.error());
      co_return;
    }
    if (!*found) {
      answer_absent(*core, reply, directory, name);
      co_return;
    }
    const InodeId inode = (*found)->inode;
    if ((*found)->attributes.kind == wire::FileKind::directory) {
      answer_entry(*core, reply, directory, name, **found);
      co_return;
    }
    // Held first: then a removal that begins from now on asks us whether it is in use, and one that
    // we have answered already is waited for.
    const InodeHold hold(*core, inode);
    core->launch(hold_for_a_while(core, inode));
    auto record = co_await get_held_inode(core, inode, deadline);
    if (record) {
      answer_entry(*core, reply, directory, name, *record);
      co_return;
    }
    if (record.error().code() != Errc::not_found) {
      reply.fail(record.error());
      co_return;
    }
  }
}

Task<void> lookup_inode_task(Core* core, Reply reply, InodeId inode) {
  auto record = co_await core->volume.get_inode(inode, false, core->metadata_deadline());
  if (record) {
    answer_inode(*core, reply, *record);
  } else {
    reply.error(record.error().code() == Errc::not_found ? ESTALE : EIO);
  }
}

Task<void> lookup_parent_task(Core* core, Reply reply, InodeId directory) {
  const Deadline deadline = core->metadata_deadline();
  Result<void> settled = co_await core->volume.settle(deadline);
  if (!settled) {
    reply.fail(settled.error());
    co_return;
  }
  auto parent = co_await core->tracker.ask(wire::GetParent{directory}, deadline);
  if (!parent) {
    reply.error(parent.error().code() == Errc::not_found ? ESTALE : EIO);
    co_return;
  }
  auto record = co_await core->volume.get_inode(parent->parent, false, deadline);
  if (record) {
    answer_inode(*core, reply, *record);
  } else {
    reply.fail(record.error());
  }
}

namespace {

wire::Create create_of(const NewInode& made, InodeId inode) {
  wire::Create create;
  create.parent = made.directory;
  create.name = made.name;
  create.inode = inode;
  create.kind = made.kind;
  create.mode = made.mode;
  create.uid = made.uid;
  create.gid = made.gid;
  create.rdev = made.rdev;
  create.target = made.target;
  return create;
}

/// In a directory that is gone nothing can be made: ENOENT, as on any local filesystem.
void fail_in_directory(const Error& error, Reply& reply) {
  if (error.code() == Errc::stale) {
    reply.error(ENOENT);
  } else {
    reply.fail(error);
  }
}

Task<Result<wire::InodeRecord>> create_inode(Core* core, NewInode made, InodeId inode,
                                             bool delegate, Deadline deadline) {
  wire::Create create = create_of(made, inode);
  create.delegate = delegate;
  create.orphan = made.name.empty();
  Touches touches;
  touches.inodes.push_back(made.directory);
  std::vector<Volume::Outcome> outcomes;
  if (!create.orphan) {
    const NameRef ref{made.directory, made.name};
    touches.names.push_back(ref);
    outcomes.push_back({ref, inode, made.kind});
  }
  auto reply = co_await core->volume.change(operation_now(*core, std::move(create)),
                                            std::move(touches), std::move(outcomes), deadline);
  if (!reply) co_return pass(std::move(reply));
  const wire::InodeRecord* record = record_in(*reply, inode);
  if (record == nullptr) co_return fail(Errc::internal, "the tracker's answer lacks the new inode");
  co_return *record;
}

/// Gives a new file its working blob while nobody else can use it. When that fails, the first write
/// tries again, and tells why.
void begin_new_blob(Core& core, OpenFile& file) {
  auto blob = core.env.store.create_working(file.inode());
  if (!blob) return;
  const Result<void> begun = (*blob)->begin_working();
  if (!begun) return;
  file.update([&](FileState& state) {
    state.blob = std::move(*blob);
    state.is_working = true;
  });
}

}  // namespace

Task<void> make_task(Core* core, Reply reply, DirectoryChange, NewInode made) {
  const Deadline deadline = core->metadata_deadline();
  auto inode = co_await core->allocate_inode(deadline);
  if (!inode) {
    reply.fail(inode.error());
    co_return;
  }
  const bool is_directory = made.kind == wire::FileKind::directory;
  auto record = co_await create_inode(core, made, *inode, is_directory, deadline);
  if (!record) {
    fail_in_directory(record.error(), reply);
    co_return;
  }
  answer_entry(*core, reply, made.directory, made.name, *record);
}

namespace {

/// False, and nothing is answered: the name is taken, which is no error for this caller.
Task<bool> create_new(Core* core, Reply* reply, const NewInode* made, int flags,
                      Deadline deadline) {
  auto inode = co_await core->allocate_inode(deadline);
  if (!inode) {
    reply->fail(inode.error());
    co_return true;
  }
  // The file object is there, and its slow operations wait, before anybody else can hear of the
  // inode: a recall that comes with the answer finds them.
  std::shared_ptr<FileHandle> handle = make_handle(*core, *inode, flags);
  auto guard = co_await handle->file()->serial().lock();
  if (!guard) {
    close_handle(*core, std::move(handle));
    co_return true;
  }
  const std::uint64_t generation = core->tracker.session_generation();
  auto record = co_await create_inode(core, *made, *inode, true, deadline);
  if (!record) {
    guard = Turn::Guard();
    close_handle(*core, std::move(handle));
    if (record.error().code() == Errc::exists && (flags & O_EXCL) == 0) co_return false;
    fail_in_directory(record.error(), *reply);
    co_return true;
  }
  handle->file()->update([&](FileState& state) {
    state.content = record->content;
    state.version = record->version;
    state.has_content = true;
    state.is_delegated = record->delegated;
    state.generation = generation;
  });
  if (core->passthrough && record->delegated && handle->is_writable()) {
    // There before the open is answered, so that the kernel can write into it.
    OpenFile* const file = handle->file().get();
    co_await core->env.pool.run([core, file] { begin_new_blob(*core, *file); });
  }
  if (made->name.empty()) core->table.set_orphan(*inode);
  guard = Turn::Guard();
  const OpenOut out = open_out(*core, std::move(handle));
  if (!answer_created(*core, *reply, made->directory, made->name, *record, out)) {
    close_handle(*core, take_handle(out.handle));
  }
  co_return true;
}

/// What the kernel checks before it opens a file that it finds.
bool may_open(const wire::Attributes& file, const NewInode& caller, int flags) {
  if (caller.uid == 0) return true;
  const bool is_in_group =
      file.gid == caller.gid || std::ranges::find(caller.groups, file.gid) != caller.groups.end();
  const unsigned shift = file.uid == caller.uid ? 6 : is_in_group ? 3 : 0;
  unsigned wanted = 0;
  if ((flags & O_ACCMODE) != O_WRONLY) wanted |= 4;
  if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0) wanted |= 2;
  return ((file.mode >> shift) & wanted) == wanted;
}

/// Opens what has the name that was to be made. False, and nothing is answered: it is gone again.
Task<bool> open_existing(Core* core, Reply* reply, const NewInode* made, int flags,
                         Deadline deadline) {
  auto found = co_await core->volume.lookup(made->directory, made->name, deadline);
  if (found && !*found) co_return false;
  if (!found) {
    reply->fail(found.error());
    co_return true;
  }
  if ((*found)->attributes.kind != wire::FileKind::regular) {
    // Only the kernel can open that, and has looked twice.
    const bool is_directory = (*found)->attributes.kind == wire::FileKind::directory;
    reply->error(is_directory ? EISDIR : ESTALE);
    co_return true;
  }
  const InodeHold hold(*core, (*found)->inode);
  auto record = co_await get_held_inode(core, (*found)->inode, deadline);
  if (!record && record.error().code() == Errc::not_found) co_return false;
  if (!record) {
    reply->fail(record.error());
    co_return true;
  }
  if (!may_open(record->attributes, *made, flags)) {
    reply->error(EACCES);
    co_return true;
  }
  std::shared_ptr<FileHandle> handle = make_handle(*core, record->inode, flags);
  if (!handle) co_return false;
  Result<void> ready = co_await make_ready(core, handle, flags, deadline);
  if (!ready) {
    close_handle(*core, std::move(handle));
    reply->fail(ready.error());
    co_return true;
  }
  const OpenOut out = open_out(*core, std::move(handle));
  if (!answer_created(*core, *reply, made->directory, made->name, *record, out)) {
    close_handle(*core, take_handle(out.handle));
  }
  co_return true;
}

}  // namespace

Task<void> create_task(Core* core, Reply reply, DirectoryChange, NewInode made, int flags) {
  const Deadline deadline = core->metadata_deadline();
  while (reply.is_open()) {
    bool is_answered = co_await create_new(core, &reply, &made, flags, deadline);
    if (is_answered) co_return;
    if (!made.is_retry || deadline.has_passed(core->clock())) {
      reply.error(ESTALE);  // the kernel looks again and opens what somebody else has made
      co_return;
    }
    // It does so once only.
    is_answered = co_await open_existing(core, &reply, &made, flags, deadline);
    if (is_answered) co_return;
  }
}

bool make_here(Core& core, Reply& reply, const NewInode& made) {
  if (!core.volume.is_delegated(made.directory)) return false;
  const auto inode = core.take_inode();
  if (!inode) return false;
  const auto outcome = core.volume.change_here(operation_now(core, create_of(made, *inode)));
  if (!outcome) return false;
  if (*outcome) {
    answer_entry(core, reply, made.directory, made.name, (*outcome)->records.front());
  } else {
    reply.fail(outcome->error());
  }
  return true;
}

bool create_here(Core& core, Reply& reply, const NewInode& made, int flags) {
  if (!core.volume.is_delegated(made.directory)) return false;
  const auto inode = core.take_inode();
  if (!inode) return false;
  std::shared_ptr<FileHandle> handle = make_handle(core, *inode, flags);
  wire::Create create = create_of(made, *inode);
  create.delegate = true;
  // Before anybody else can hear of it: a recall finds the delegation.
  const std::uint64_t generation = core.tracker.session_generation();
  handle->file()->update([&](FileState& state) {
    state.has_content = true;
    state.is_delegated = true;
    state.generation = generation;
  });
  const auto outcome = core.volume.change_here(operation_now(core, std::move(create)));
  if (!outcome || !*outcome) {
    handle->file()->update([](FileState& state) { state.is_delegated = false; });
    close_handle(core, std::move(handle));
    if (!outcome) return false;
    const bool is_race = outcome->error().code() == Errc::exists && (flags & O_EXCL) == 0;
    if (is_race) {
      reply.error(ESTALE);  // the kernel looks again and opens what is there
    } else {
      reply.fail(outcome->error());
    }
    return true;
  }
  if (handle->is_writable()) begin_new_blob(core, *handle->file());
  const OpenOut out = open_out(core, std::move(handle));
  const wire::InodeRecord& record = (*outcome)->records.front();
  if (!answer_created(core, reply, made.directory, made.name, record, out)) {
    close_handle(core, take_handle(out.handle));
  }
  return true;
}

Task<void> link_task(Core* core, Reply reply, DirectoryChange, InodeId inode, InodeId directory,
                     std::string name) {
  const NameRef ref{directory, name};
  std::vector<wire::Operation> operations;
  operations.push_back(operation_now(*core, wire::Link{inode, directory, name}));
  Touches touches{{ref}, {inode, directory}};
  std::vector<Volume::Outcome> outcomes;
  outcomes.push_back({ref, inode, wire::FileKind::regular});
  const auto known = core->volume.find_inode(inode);
  if (known) outcomes.back().kind = known->attributes.kind;
  auto replies = co_await core->volume.mutate(std::move(operations), std::move(touches),
                                              std::move(outcomes), core->metadata_deadline());
  if (!replies) {
    fail_in_directory(replies.error(), reply);
    co_return;
  }
  const wire::InodeRecord* record = replies->empty() ? nullptr : record_in(replies->front(), inode);
  if (record == nullptr) {
    reply.error(EIO);
  } else {
    core->table.end_orphan(inode);  // O_TMPFILE, or one that had lost its names
    answer_entry(*core, reply, directory, name, *record);
  }
}

}  // namespace shoal::fs
