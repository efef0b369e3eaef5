// SPDX-License-Identifier: MIT
#include "cache/blob_table.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "cache/local_blob.h"

namespace shoal::cache {
namespace {

/// Nobody may be asking; whoever counts on a copy finds out in another way then.
constexpr std::size_t kMaxDeparted = 100'000;

}  // namespace

BlobTable::BlobTable(Parts parts)
    : files_(std::move(parts.files)),
      index_(std::move(parts.index)),
      space_(std::move(parts.space)),
      keeps_blobs_(parts.keeps_blobs) {}

std::shared_ptr<BlobTable> BlobTable::make(Parts parts) {
  return std::shared_ptr<BlobTable>(new BlobTable(std::move(parts)));
}

BlobTable::~BlobTable() = default;

// --- entries

std::shared_ptr<LocalBlob> BlobTable::live(Entry& entry) {
  std::shared_ptr<LocalBlob> blob = entry.blob.lock();
  if (blob) return blob;
  blob = std::make_shared<LocalBlob>(shared_from_this(), entry.record, false);
  entry.blob = blob;
  if (keeps_blobs_) entry.kept = blob;
  return blob;
}

const BlobTable::Entry* BlobTable::entry_of(const LocalBlob& blob) const {
  const auto found = entries_.find(blob.inode());
  if (found == entries_.end() || found->second.blob.lock().get() != &blob) return nullptr;
  return &found->second;
}

BlobTable::Entry* BlobTable::entry_of(const LocalBlob& blob) {
  const auto found = entries_.find(blob.inode());
  if (found == entries_.end() || found->second.blob.lock().get() != &blob) return nullptr;
  return &found->second;
}

bool BlobTable::is_in_use(const Entry& entry) {
  return entry.blob.use_count() > (entry.kept ? 1 : 0);
}

void BlobTable::add_content(const BlobRecord& record) {
  if (record.state == BlobState::working || record.shape.content.is_empty()) return;
  contents_.emplace(record.shape.content, record.inode);
}

void BlobTable::drop_content(const BlobRecord& record) {
  contents_.erase({record.shape.content, record.inode});
}

bool BlobTable::has_content(const ContentId& content) const {
  const auto first = contents_.lower_bound({content, InodeId()});
  return first != contents_.end() && first->first == content;
}

void BlobTable::note_departed(const BlobRecord& old) {
  if (old.shape.content.is_empty()) return;
  if (departed_.size() < kMaxDeparted) departed_.push_back(old.shape);
}

void BlobTable::note_departed(const std::vector<Shape>& shapes) {
  base::MutexLock lock(mutex_);
  const std::size_t count = std::min(shapes.size(), kMaxDeparted);
  departed_.assign(shapes.begin(), shapes.begin() + static_cast<std::ptrdiff_t>(count));
}

std::vector<Shape> BlobTable::take_departed() {
  base::MutexLock lock(mutex_);
  std::vector<Shape> departed = std::exchange(departed_, {});
  std::erase_if(departed,
                [this](const Shape& shape) REQUIRES(mutex_) { return has_content(shape.content); });
  return departed;
}

void BlobTable::insert(Entry entry) {
  const BlobRecord& record = entry.record;
  add_content(record);
  eviction_.put(record.inode, record.allocated_bytes, record.role);
  space_.add(static_cast<std::int64_t>(record.allocated_bytes));
  const InodeId inode = record.inode;
  const bool is_new = entries_.insert_or_assign(inode, std::move(entry)).second;
  CHECK(is_new, "inode {} has a blob", inode);
}

std::shared_ptr<LocalBlob> BlobTable::take_out(InodeId inode) {
  const auto found = entries_.find(inode);
  Entry& entry = found->second;
  std::shared_ptr<LocalBlob> blob = entry.blob.lock();
  drop_content(entry.record);
  note_departed(entry.record);
  eviction_.erase(inode);
  unsaved_.erase(inode);
  if (blob) {
    blob->orphaned_bytes = entry.record.allocated_bytes;  // given back with the last user
  } else {
    space_.add(-static_cast<std::int64_t>(entry.record.allocated_bytes));
  }
  entries_.erase(found);
  return blob;
}

BlobIndex::Ticket BlobTable::queue(Entry& entry,
                                   std::shared_ptr<const std::vector<Digest>> leaves) {
  if (!index_) return 0;
  const BlobIndex::Ticket ticket =
      index_->put(IndexRow{.record = entry.record,
                           .is_settled = entry.is_settled,
                           .modified_ns = entry.modified_ns,
                           .used = eviction_.last_use(entry.record.inode),
                           .leaves = std::move(leaves)});
  if (!entry.first) entry.first = ticket;
  entry.is_noted = true;
  return ticket;
}

// --- blobs

std::shared_ptr<LocalBlob> BlobTable::find(InodeId inode) {
  std::shared_ptr<LocalBlob> blob;
  {
    base::MutexLock lock(mutex_);
    const auto found = entries_.find(inode);
    if (found == entries_.end()) return nullptr;
    eviction_.use(inode);
    found->second.is_noted = false;
    blob = live(found->second);
  }
  blob->load();
  return blob;
}

std::shared_ptr<LocalBlob> BlobTable::find_content(const ContentId& content) {
  std::optional<InodeId> chosen;
  {
    base::MutexLock lock(mutex_);
    for (auto found = contents_.lower_bound({content, InodeId()});
         found != contents_.end() && found->first == content; ++found) {
      chosen = found->second;
      if (entries_.at(*chosen).record.state == BlobState::sealed) break;
    }
  }
  return chosen ? find(*chosen) : nullptr;
}

std::optional<BlobInfo> BlobTable::info(InodeId inode) const {
  base::MutexLock lock(mutex_);
  const auto found = entries_.find(inode);
  if (found == entries_.end()) return std::nullopt;
  return info_of(found->second.record);
}

std::shared_ptr<LocalBlob> BlobTable::add(const BlobRecord& record) {
  auto blob = std::make_shared<LocalBlob>(shared_from_this(), record, true);
  base::MutexLock lock(mutex_);
  insert(Entry{.record = record, .first = {}, .blob = blob, .kept = keeps_blobs_ ? blob : nullptr});
  queue(entries_.at(record.inode), nullptr);
  return blob;
}

void BlobTable::restore(IndexRow row) {
  base::MutexLock lock(mutex_);
  insert(Entry{.record = row.record,
               .is_settled = row.is_settled,
               .is_noted = true,
               .modified_ns = row.modified_ns,
               .first = 0,
               .blob = {},
               .kept = nullptr});
}

Result<void> BlobTable::forget_row(InodeId inode) {
  if (!index_) return {};
  std::optional<BlobIndex::Ticket> first;
  {
    base::MutexLock lock(mutex_);
    const auto found = entries_.find(inode);
    if (found != entries_.end()) first = found->second.first;
  }
  if (!index_->may_hold(inode, first)) return {};
  return index_->flush(index_->erase(inode), false);
}

Result<void> BlobTable::remove(InodeId inode) {
  std::shared_ptr<LocalBlob> blob;
  BlobRecord record;
  {
    base::MutexLock lock(mutex_);
    const auto found = entries_.find(inode);
    if (found == entries_.end()) return {};
    record = found->second.record;
    blob = take_out(inode);
  }
  if (blob) blob->detach();
  auto removed = remove_files(record, blob != nullptr);
  // The row goes after the files: a file without a row would be taken for unpublished work.
  if (removed && index_) index_->erase(inode);
  return removed;
}

Result<bool> BlobTable::remove_unused(InodeId inode, const ContentId& content) {
  std::shared_ptr<LocalBlob> blob;  // nobody's but ours
  BlobRecord record;
  {
    base::MutexLock lock(mutex_);
    const auto found = entries_.find(inode);
    if (found == entries_.end()) return false;
    record = found->second.record;
    const bool is_it = record.state != BlobState::working && record.shape.content == content;
    if (!is_it || is_unpublished(record) || is_in_use(found->second)) return false;
    blob = take_out(inode);
  }
  blob.reset();
  auto removed = remove_files(record, false);
  if (!removed) return pass(removed);
  if (index_) index_->erase(inode);
  return true;
}

Result<void> BlobTable::remove_files(const BlobRecord& record, bool was_used) {
  const InodeId inode = record.inode;
  auto removed = files_->remove(inode, FileKind::data);
  // Small whole blobs, nearly all there are, have one file.
  const std::uint64_t size = std::max(record.size, record.shape.content.size);
  const bool is_plain = record.is_whole && base::block_count(size) <= kSmallBlocks;
  if (is_plain && !was_used) return removed;
  for (const FileKind kind : {FileKind::leaves, FileKind::layer, FileKind::map}) {
    auto side = files_->remove(inode, kind);
    if (removed && !side) removed = side;
  }
  return removed;
}

Result<void> BlobTable::set_role(InodeId inode, Role role, bool only_raise) {
  base::MutexLock lock(mutex_);
  const auto found = entries_.find(inode);
  if (found == entries_.end()) return {};
  BlobRecord& record = found->second.record;
  if (record.role == role || (only_raise && role < record.role)) return {};
  record.role = role;
  eviction_.put(inode, record.allocated_bytes, role);
  queue(found->second, nullptr);
  return {};
}

std::vector<BlobInfo> BlobTable::list() const {
  std::vector<BlobInfo> infos;
  std::vector<std::shared_ptr<LocalBlob>> used;
  {
    base::MutexLock lock(mutex_);
    infos.reserve(entries_.size());
    for (const auto& [inode, entry] : entries_) {
      if (auto blob = entry.blob.lock()) {
        used.push_back(std::move(blob));  // knows better how large it is by now
      } else {
        infos.push_back(info_of(entry.record));
      }
    }
  }
  for (const auto& blob : used) infos.push_back(blob->info());
  return infos;
}

void BlobTable::let_go() {
  std::vector<std::shared_ptr<LocalBlob>> kept;
  base::MutexLock lock(mutex_);
  for (auto& [inode, entry] : entries_) {
    if (entry.kept) kept.push_back(std::move(entry.kept));
  }
  unsaved_.clear();
}

// --- what blobs report

Result<void> BlobTable::save(const LocalBlob& blob, const BlobRecord& record, Change change) {
  BlobIndex::Ticket ticket = 0;
  bool durable = change.persist == Persist::durable;
  bool must_flush = change.persist != Persist::queued;
  {
    base::MutexLock lock(mutex_);
    Entry* entry = entry_of(blob);
    if (entry == nullptr) return {};  // no inode has it: nothing of it is to be found again
    const Role role = change.role.value_or(entry->record.role);
    const std::uint64_t allocated = entry->record.allocated_bytes;
    drop_content(entry->record);
    // A working copy still stands for the content it started from, until it becomes another one.
    const bool is_other = record.shape.content != entry->record.shape.content;
    if (is_other) note_departed(entry->record);
    entry->record = record;
    entry->record.role = role;
    entry->record.allocated_bytes = allocated;
    add_content(entry->record);
    eviction_.put(record.inode, allocated, role);
    ++entry->changes;
    const bool was_settled = std::exchange(entry->is_settled, false);
    if (change.file_tells && index_ && !index_->may_hold(record.inode, entry->first)) {
      must_flush = durable;
    }
    // Bytes that count as verified are about to change: a power cut must not undo this row.
    durable = durable || (must_flush && was_settled);
    ticket = queue(*entry, std::move(change.leaves));
  }
  if (!index_ || !must_flush) return {};
  return index_->flush(ticket, durable);
}

Result<void> BlobTable::unsettle(const LocalBlob& blob) {
  BlobIndex::Ticket ticket = 0;
  {
    base::MutexLock lock(mutex_);
    Entry* entry = entry_of(blob);
    if (entry == nullptr) return {};
    ++entry->changes;
    if (!std::exchange(entry->is_settled, false)) return {};
    ticket = queue(*entry, nullptr);
  }
  return index_ ? index_->flush(ticket, true) : Result<void>();
}

void BlobTable::keep_until_saved(const std::shared_ptr<LocalBlob>& blob) {
  base::MutexLock lock(mutex_);
  Entry* entry = entry_of(*blob);
  if (entry == nullptr) return;
  entry->kept = blob;
  if (!keeps_blobs_) unsaved_.insert(blob->inode());
}

BlobTable::Kept BlobTable::kept(const LocalBlob& blob) const {
  base::MutexLock lock(mutex_);
  const Entry* entry = entry_of(blob);
  if (entry == nullptr) return {.allocated_bytes = blob.orphaned_bytes};
  return {.role = entry->record.role, .allocated_bytes = entry->record.allocated_bytes};
}

}  // namespace shoal::cache
