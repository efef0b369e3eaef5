// SPDX-License-Identifier: MIT
#include "fs/answers.h"

#include <chrono>

namespace shoal::fs {
namespace {

/// The kernel counts the time from when the waiting process runs again, not from our answer.
constexpr std::chrono::milliseconds kMargin{500};

/// An entry as it may be given now. Called inside the gate.
struct Prepared {
  wire::InodeRecord record;
  SteadyTime attributes_until = SteadyTime::min();
  EntryOut out;
};

Prepared prepare(Core& core, const Keep& keep, InodeId directory, const std::string& name,
                 const wire::InodeRecord& fetched) {
  Prepared ready;
  std::optional<wire::InodeRecord> kept = core.volume.find_inode(fetched.inode);
  if (kept) {
    ready.record = std::move(*kept);
    ready.attributes_until = keep.until();
    ready.out.attribute_seconds = keep.seconds();
  } else {
    ready.record = fetched;
  }
  core.apply_local(ready.record);
  const auto known = name.empty() ? std::nullopt : core.volume.find_name(directory, name);
  if (known && known->inode == fetched.inode) {
    ready.out.entry_seconds = keep.seconds();
    core.table.name_given(directory, name, core.clock().steady());
  }
  core.table.add_lookup(fetched.inode, ready.attributes_until);
  note_given(core, ready.record);
  if (directory && ready.record.attributes.kind == wire::FileKind::directory) {
    core.table.set_parent(fetched.inode, directory);
  }
  return ready;
}

}  // namespace

Keep::Keep(const Core& core) : until_(core.tracker.lease_end()) {
  const Duration left = until_ - core.clock().steady() - kMargin;
  if (left > Duration::zero()) seconds_ = std::chrono::duration<double>(left).count();
}

void note_given(Core& core, const wire::InodeRecord& record) {
  if (record.attributes.kind != wire::FileKind::directory) return;
  core.table.directory_given(record.inode, record.attributes);
}

bool answer_name_from_memory(Core& core, Reply& reply, InodeId directory, const std::string& name) {
  const ReplyGate::Pass pass = core.gate.enter();
  const auto known = core.volume.find_name(directory, name);
  if (!known) return false;
  const Keep keep(core);
  if (!known->inode) {
    core.table.name_given(directory, name, core.clock().steady());
    reply.no_entry(keep.seconds());
    return true;
  }
  const auto record = core.volume.find_inode(known->inode);
  if (!record) return false;
  Prepared ready = prepare(core, keep, directory, name, *record);
  ready.out.record = &ready.record;
  if (!reply.entry(ready.out)) core.table.forget(known->inode, 1);
  return true;
}

bool answer_entry(Core& core, Reply& reply, InodeId directory, const std::string& name,
                  const wire::InodeRecord& fetched) {
  const ReplyGate::Pass pass = core.gate.enter();
  Prepared ready = prepare(core, Keep(core), directory, name, fetched);
  ready.out.record = &ready.record;
  const bool sent = reply.entry(ready.out);
  if (!sent) core.table.forget(fetched.inode, 1);
  return sent;
}

bool answer_inode(Core& core, Reply& reply, const wire::InodeRecord& fetched) {
  return answer_entry(core, reply, InodeId{}, "", fetched);
}

void answer_absent(Core& core, Reply& reply, InodeId directory, const std::string& name) {
  const ReplyGate::Pass pass = core.gate.enter();
  const auto known = core.volume.find_name(directory, name);
  if (known && !known->inode) {
    core.table.name_given(directory, name, core.clock().steady());
    reply.no_entry(Keep(core).seconds());
  } else {
    reply.no_entry(0);
  }
}

bool answer_created(Core& core, Reply& reply, InodeId directory, const std::string& name,
                    const wire::InodeRecord& fetched, const OpenOut& open) {
  const ReplyGate::Pass pass = core.gate.enter();
  Prepared ready = prepare(core, Keep(core), directory, name, fetched);
  ready.out.record = &ready.record;
  const bool sent = reply.created(ready.out, open);
  if (!sent) core.table.forget(fetched.inode, 1);
  return sent;
}

bool answer_attributes_from_memory(Core& core, Reply& reply, InodeId inode) {
  const ReplyGate::Pass pass = core.gate.enter();
  auto record = core.volume.find_inode(inode);
  if (!record) return false;
  core.apply_local(*record);
  const Keep keep(core);
  core.table.attributes_given(inode, keep.until());
  note_given(core, *record);
  reply.attributes({&*record, 0, keep.seconds()});
  return true;
}

bool answer_attributes(Core& core, Reply& reply, const wire::InodeRecord& fetched) {
  const ReplyGate::Pass pass = core.gate.enter();
  const auto kept = core.volume.find_inode(fetched.inode);
  wire::InodeRecord record = kept ? *kept : fetched;
  core.apply_local(record);
  note_given(core, record);
  EntryOut out{&record, 0, 0};
  if (kept) {
    const Keep keep(core);
    core.table.attributes_given(fetched.inode, keep.until());
    out.attribute_seconds = keep.seconds();
  }
  return reply.attributes(out);
}

bool answer_removed_directory(Core& core, Reply& reply, InodeId inode) {
  const auto last = core.table.directory_last_given(inode);
  if (!last) return false;
  wire::InodeRecord record;
  record.inode = inode;
  record.attributes = *last;
  record.attributes.nlink = 0;
  reply.attributes({&record, 0, 0});
  return true;
}

}  // namespace shoal::fs
