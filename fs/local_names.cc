// SPDX-License-Identifier: MIT
#include "fs/local_names.h"

#include "wire/limits.h"

namespace shoal::fs {
namespace {

constexpr std::uint32_t kSetUid = 04000;
constexpr std::uint32_t kSetGid = 02000;
constexpr std::uint32_t kGroupExecute = 010;
/// What a directory's st_size says: the customary block.
constexpr std::uint64_t kDirectoryBytes = 4096;

bool is_directory(const wire::InodeRecord& record) {
  return record.attributes.kind == wire::FileKind::directory;
}

/// A directory after names in it have changed.
void touch(wire::InodeRecord& directory, int subdirectories, std::int64_t time) {
  wire::Attributes& attributes = directory.attributes;
  attributes.nlink =
      static_cast<std::uint32_t>(static_cast<int>(attributes.nlink) + subdirectories);
  attributes.mtime = attributes.ctime = time;
}

wire::InodeRecord make_record(const wire::Create& change, const wire::InodeRecord& parent,
                              std::int64_t time) {
  wire::InodeRecord made;
  made.inode = change.inode;
  made.cacheable = true;
  made.delegated = change.delegate && change.kind == wire::FileKind::regular;
  made.target = change.target;
  wire::Attributes& attributes = made.attributes;
  attributes.kind = change.kind;
  attributes.mode = change.mode;
  attributes.nlink = 1;
  attributes.uid = change.uid;
  attributes.gid = change.gid;
  attributes.atime = attributes.mtime = attributes.ctime = time;
  if (change.kind == wire::FileKind::char_device || change.kind == wire::FileKind::block_device) {
    attributes.rdev = change.rdev;
  }
  if (is_directory(made)) {
    attributes.nlink = 2;
    attributes.size = attributes.allocated_bytes = kDirectoryBytes;
  } else if (change.kind == wire::FileKind::symlink) {
    attributes.size = change.target.size();
  }
  if ((parent.attributes.mode & kSetGid) != 0) {
    attributes.gid = parent.attributes.gid;
    if (is_directory(made)) attributes.mode |= kSetGid;
  }
  return made;
}

}  // namespace

bool LocalNames::grant(InodeId directory) {
  if (held_.size() >= wire::kMaxDelegatedDirectories) return held_.contains(directory);
  held_.insert(directory);
  return true;
}

bool LocalNames::covers(const wire::InodeRecord& record) {
  if (is_directory(record)) return holds(record.inode);
  return record.attributes.nlink == 1 && holds(cache_.home(record.inode));
}

std::optional<wire::InodeRecord> LocalNames::record(InodeId inode) {
  const wire::InodeRecord* known = cache_.find_record(inode);
  if (known == nullptr) return std::nullopt;
  return *known;
}

std::optional<wire::InodeRecord> LocalNames::held_directory(InodeId directory) {
  if (!holds(directory)) return std::nullopt;
  return record(directory);
}

std::optional<wire::InodeRecord> LocalNames::only_name_of(const NameRef& ref) {
  const auto name = cache_.find_name(ref.directory, ref.name);
  if (!name || !name->inode) return std::nullopt;
  auto named = record(name->inode);
  if (!named || is_directory(*named) || named->attributes.nlink != 1) return std::nullopt;
  return named;
}

LocalNames::Outcome LocalNames::plan_create(wire::Create& change, std::int64_t time) {
  auto parent = held_directory(change.parent);
  if (!parent || change.orphan) return std::nullopt;
  const auto name = cache_.find_name(change.parent, change.name);
  if (!name) return std::nullopt;
  if (name->inode) return fail(Errc::exists, "a name in directory {}", change.parent);
  const bool makes_directory = change.kind == wire::FileKind::directory;
  if (makes_directory && parent->attributes.nlink >= wire::kMaxLinks) return std::nullopt;

  Plan plan;
  if (makes_directory) {
    change.delegate = held_.size() < wire::kMaxDelegatedDirectories;
    if (change.delegate) plan.granted = plan.effect.fresh = change.inode;
  }
  plan.effect.records.push_back(make_record(change, *parent, time));
  touch(*parent, makes_directory ? 1 : 0, time);
  plan.effect.records.push_back(std::move(*parent));
  plan.effect.names.push_back({{change.parent, change.name}, {change.inode, change.kind}});
  return plan;
}

LocalNames::Outcome LocalNames::plan_unlink(wire::Unlink& change, std::int64_t time) {
  auto parent = held_directory(change.parent);
  if (!parent) return std::nullopt;
  const NameRef ref{change.parent, change.name};
  auto file = only_name_of(ref);
  if (!file) return std::nullopt;

  Plan plan;
  change.expected = file->inode;
  touch(*parent, 0, time);
  if (change.keep_open) {
    file->attributes.nlink = 0;
    file->attributes.ctime = time;
    plan.effect.records.push_back(std::move(*file));
  } else {
    plan.effect.gone.push_back(file->inode);
  }
  plan.effect.records.push_back(std::move(*parent));
  plan.effect.names.push_back({ref, {}});
  return plan;
}

LocalNames::Outcome LocalNames::plan_rmdir(wire::Rmdir& change, std::int64_t time) {
  auto parent = held_directory(change.parent);
  if (!parent) return std::nullopt;
  const auto name = cache_.find_name(change.parent, change.name);
  if (!name || !name->inode || name->kind != wire::FileKind::directory) return std::nullopt;
  if (!holds(name->inode) || !cache_.is_empty(name->inode)) return std::nullopt;

  Plan plan;
  change.expected = name->inode;
  touch(*parent, -1, time);
  plan.dropped = name->inode;
  plan.effect.gone.push_back(name->inode);
  plan.effect.records.push_back(std::move(*parent));
  plan.effect.names.push_back({{change.parent, change.name}, {}});
  return plan;
}

LocalNames::Outcome LocalNames::plan_rename(wire::Rename& change, std::int64_t time) {
  auto from = held_directory(change.parent);
  auto to = held_directory(change.new_parent);
  if (!from || !to || (change.flags & ~wire::Rename::kNoReplace) != 0) return std::nullopt;
  const NameRef source{change.parent, change.name};
  const NameRef target{change.new_parent, change.new_name};
  const auto name = cache_.find_name(source.directory, source.name);
  const auto taken = cache_.find_name(target.directory, target.name);
  if (!name || !name->inode || !taken || taken->inode == name->inode) return std::nullopt;
  auto moved = record(name->inode);
  if (!moved) return std::nullopt;
  if (is_directory(*moved)) {
    // Only the tracker sees all directories above, and with them loops.
    if (change.parent != change.new_parent || !holds(moved->inode)) return std::nullopt;
  } else if (moved->attributes.nlink != 1) {
    return std::nullopt;
  }
  Plan plan;
  if (taken->inode) {
    if (change.flags != 0) return fail(Errc::exists, "a name in directory {}", change.new_parent);
    auto replaced = only_name_of(target);
    if (!replaced || is_directory(*moved)) return std::nullopt;
    if (change.keep_open) {
      replaced->attributes.nlink = 0;
      replaced->attributes.ctime = time;
      plan.effect.records.push_back(std::move(*replaced));
    } else {
      plan.effect.gone.push_back(replaced->inode);
    }
  }
  change.expected = moved->inode;
  change.replaced = taken->inode;
  moved->attributes.ctime = time;
  touch(*from, 0, time);
  if (change.parent != change.new_parent) {
    touch(*to, 0, time);
    plan.effect.records.push_back(std::move(*to));
  }
  plan.effect.records.push_back(std::move(*from));
  plan.effect.records.insert(plan.effect.records.begin(), std::move(*moved));
  plan.effect.names.push_back({source, {}});
  plan.effect.names.push_back({target, *name});
  return plan;
}

LocalNames::Outcome LocalNames::plan_set_attributes(const wire::SetAttributes& change,
                                                    bool has_file, std::int64_t time) {
  auto changed = record(change.inode);
  if (!changed || !(has_file || covers(*changed))) return std::nullopt;
  wire::Attributes& attributes = changed->attributes;
  if (change.drop_privileges && !is_directory(*changed)) {
    if (changed->has_xattrs) return std::nullopt;  // security.capability may be among them
    attributes.mode &= ~kSetUid;
    if ((attributes.mode & kGroupExecute) != 0) attributes.mode &= ~kSetGid;
  }
  if (change.mode) attributes.mode = *change.mode;
  if (change.uid) attributes.uid = *change.uid;
  if (change.gid) attributes.gid = *change.gid;
  if (change.atime) attributes.atime = *change.atime;
  if (change.mtime) attributes.mtime = *change.mtime;
  attributes.ctime = time;
  Plan plan;
  plan.effect.records.push_back(std::move(*changed));
  return plan;
}

/// Shape: the caller holds the file's delegation.
LocalNames::Outcome LocalNames::plan_publish(const wire::Publish& change, std::int64_t time) {
  auto file = record(change.inode);
  if (!file || change.drop_privileges) return std::nullopt;
  file->content = change.content;
  file->version = change.version + 1;
  file->delegated = !change.release;
  wire::Attributes& attributes = file->attributes;
  attributes.size = change.content.id.size;
  attributes.allocated_bytes = change.allocated_bytes;
  if (change.mtime) attributes.mtime = *change.mtime;
  if (change.atime) attributes.atime = *change.atime;
  attributes.ctime = time;
  Plan plan;
  plan.effect.records.push_back(std::move(*file));
  return plan;
}

LocalNames::Outcome LocalNames::plan_take(const wire::TakeDelegation& change) {
  auto file = record(change.inode);
  if (!file || file->attributes.kind != wire::FileKind::regular || !covers(*file)) {
    return std::nullopt;
  }
  file->delegated = true;
  Plan plan;
  plan.effect.records.push_back(std::move(*file));
  return plan;
}

std::optional<Result<LocalNames::Plan>> LocalNames::plan(wire::Operation& operation,
                                                         bool has_file) {
  const std::int64_t time = operation.time;
  Outcome outcome;
  if (auto* create = std::get_if<wire::Create>(&operation.change)) {
    outcome = plan_create(*create, time);
  } else if (auto* unlink = std::get_if<wire::Unlink>(&operation.change)) {
    outcome = plan_unlink(*unlink, time);
  } else if (auto* rmdir = std::get_if<wire::Rmdir>(&operation.change)) {
    outcome = plan_rmdir(*rmdir, time);
  } else if (auto* rename = std::get_if<wire::Rename>(&operation.change)) {
    outcome = plan_rename(*rename, time);
  } else if (const auto* set = std::get_if<wire::SetAttributes>(&operation.change)) {
    outcome = plan_set_attributes(*set, has_file, time);
  } else if (const auto* publish = std::get_if<wire::Publish>(&operation.change)) {
    if (has_file) outcome = plan_publish(*publish, time);
  } else if (const auto* take = std::get_if<wire::TakeDelegation>(&operation.change)) {
    outcome = plan_take(*take);
  } else if (const auto* drop = std::get_if<wire::DropDelegation>(&operation.change)) {
    if (!has_file) return std::nullopt;
    outcome = Plan{.effect = {}, .touches = {{}, {drop->inode}}, .granted = {}, .dropped = {}};
  }
  if (!outcome || !*outcome) return outcome;
  Plan& plan = **outcome;
  for (const auto& [ref, name] : plan.effect.names) plan.touches.names.push_back(ref);
  for (const auto& made : plan.effect.records) plan.touches.inodes.push_back(made.inode);
  for (const InodeId gone : plan.effect.gone) plan.touches.inodes.push_back(gone);
  return outcome;
}

void LocalNames::apply(const Plan& plan) {
  cache_.apply(plan.effect);
  if (plan.granted) held_.insert(plan.granted);
  if (plan.dropped) held_.erase(plan.dropped);
}

}  // namespace shoal::fs
