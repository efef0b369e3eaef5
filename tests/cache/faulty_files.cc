// SPDX-License-Identifier: MIT
#include "tests/cache/faulty_files.h"

#include <algorithm>

namespace shoal::cache {
namespace {

class FaultyFile final : public SparseFile {
 public:
  FaultyFile(std::shared_ptr<SparseFile> inner, Faults& faults)
      : inner_(std::move(inner)), faults_(faults) {}

  Result<std::size_t> read(std::uint64_t offset, MutableByteView out) override {
    auto ok = faults_.before_call();
    if (!ok) return pass(ok);
    return inner_->read(offset, out);
  }
  Result<void> write(std::uint64_t offset, ByteView data) override {
    auto ok = faults_.before_call();
    if (!ok) return ok;
    const std::uint64_t room = faults_.take_room(data.size());
    auto written = inner_->write(offset, data.first(static_cast<std::size_t>(room)));
    if (written && room < data.size()) return fail(Errc::no_space, "the disk is full");
    return written;
  }
  Result<void> resize(std::uint64_t size) override {
    auto ok = faults_.before_call();
    return ok ? inner_->resize(size) : ok;
  }
  Result<void> zero(std::uint64_t offset, std::uint64_t length, bool punch) override {
    auto ok = faults_.before_call();
    return ok ? inner_->zero(offset, length, punch) : ok;
  }
  Result<void> allocate(std::uint64_t offset, std::uint64_t length, bool keep_size) override {
    auto ok = faults_.before_call();
    if (!ok) return ok;
    const std::uint64_t room = faults_.take_room(length);
    auto done = inner_->allocate(offset, room, keep_size);
    if (done && room < length) return fail(Errc::no_space, "the disk is full");
    return done;
  }
  Result<std::uint64_t> seek(std::uint64_t offset, bool data) override {
    auto ok = faults_.before_call();
    if (!ok) return pass(ok);
    return inner_->seek(offset, data);
  }
  Result<FileStatus> status() override { return inner_->status(); }
  Result<void> set_refetchable(bool is_refetchable) override {
    auto ok = faults_.before_call();
    return ok ? inner_->set_refetchable(is_refetchable) : ok;
  }
  Result<void> sync() override {
    if (faults_.sync_fails()) return fail(Errc::io, "the disk does not sync");
    return inner_->sync();
  }
  void pin() override { inner_->pin(); }

 private:
  const std::shared_ptr<SparseFile> inner_;
  Faults& faults_;
};

class FaultyFiles final : public BlobFiles {
 public:
  FaultyFiles(std::unique_ptr<BlobFiles> inner, Faults& faults)
      : inner_(std::move(inner)), faults_(faults) {}

  Result<std::shared_ptr<SparseFile>> create(InodeId inode, bool is_refetchable) override {
    auto ok = faults_.before_call();
    if (!ok) return pass(ok);
    auto file = inner_->create(inode, is_refetchable);
    if (!file) return file;
    return std::make_shared<FaultyFile>(std::move(*file), faults_);
  }
  std::shared_ptr<SparseFile> open(InodeId inode, FileKind kind) override {
    return std::make_shared<FaultyFile>(inner_->open(inode, kind), faults_);
  }
  Result<void> remove(InodeId inode, FileKind kind) override {
    auto ok = faults_.before_call();
    return ok ? inner_->remove(inode, kind) : ok;
  }
  Result<void> sync_name(InodeId inode) override { return inner_->sync_name(inode); }
  Result<void> sync_all() override {
    if (faults_.sync_fails()) return fail(Errc::io, "the disk does not sync");
    return inner_->sync_all();
  }
  Result<base::DiskSpace> space() override { return inner_->space(); }

 private:
  const std::unique_ptr<BlobFiles> inner_;
  Faults& faults_;
};

}  // namespace

void Faults::set_room(std::uint64_t bytes) {
  base::MutexLock lock(mutex_);
  room_ = bytes;
}

void Faults::fail_after(std::uint64_t calls, bool for_ever) {
  base::MutexLock lock(mutex_);
  fail_at_ = calls_ + calls;
  for_ever_ = for_ever;
}

void Faults::set_sync_fails(bool fails) {
  base::MutexLock lock(mutex_);
  sync_fails_ = fails;
}

void Faults::clear() {
  base::MutexLock lock(mutex_);
  room_ = fail_at_ = ~std::uint64_t{0};
  sync_fails_ = for_ever_ = false;
}

Result<void> Faults::before_call() {
  base::MutexLock lock(mutex_);
  const std::uint64_t call = calls_++;
  if (call == fail_at_ || (for_ever_ && call > fail_at_)) {
    return fail(Errc::io, "the disk failed at call {}", call);
  }
  return {};
}

std::uint64_t Faults::take_room(std::uint64_t bytes) {
  base::MutexLock lock(mutex_);
  const std::uint64_t taken = std::min(bytes, room_);
  if (room_ != ~std::uint64_t{0}) room_ -= taken;
  return taken;
}

bool Faults::sync_fails() const {
  base::MutexLock lock(mutex_);
  return sync_fails_;
}

std::uint64_t Faults::calls() const {
  base::MutexLock lock(mutex_);
  return calls_;
}

std::unique_ptr<BlobFiles> make_faulty_files(std::unique_ptr<BlobFiles> inner, Faults& faults) {
  return std::make_unique<FaultyFiles>(std::move(inner), faults);
}

}  // namespace shoal::cache
