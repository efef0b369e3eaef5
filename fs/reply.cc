// SPDX-License-Identifier: MIT
#include "fs/reply.h"

#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "fs/errno.h"
#include "fs/stat.h"

namespace shoal::fs {
namespace {

/// How long an interrupted request may still end by itself: programs whose signal handlers return
/// (timers, terminal resizes, preemption) do not expect EINTR from a file operation.
constexpr std::chrono::milliseconds kInterruptGrace{700};

Task<void> answer_interrupted(Core* core, std::uint64_t number) {
  const std::shared_ptr<ReplySlot> slot = core->interrupts->find(number);
  if (!slot) co_return;
  if (slot->interrupted) slot->interrupted->set();
  const int caller = slot->caller;
  const bool is_killed = co_await core->env.pool.run([caller] { return is_being_killed(caller); });
  if (!is_killed) {
    const Result<void> waited = co_await core->env.timer.wait_for(kInterruptGrace);
    if (!waited) co_return;
  }
  if (fuse_req* request = slot->request.exchange(nullptr)) {
    core->interrupts->remove(number);
    fuse_reply_err(request, EINTR);
  }
}

/// Called by libfuse on a worker, with the request's lock held: only hands on.
void on_interrupt(fuse_req_t request, void* data) {
  Core& core = *static_cast<Core*>(fuse_req_userdata(request));
  core.launch(answer_interrupted(&core, reinterpret_cast<std::uintptr_t>(data)));
}

fuse_entry_param entry_param(const EntryOut& entry) {
  fuse_entry_param param{};
  param.ino = entry.record->inode.value();
  param.generation = 1;  // numbers are never used again
  param.attr = stat_of(*entry.record);
  param.attr_timeout = entry.attribute_seconds;
  param.entry_timeout = entry.entry_seconds;
  return param;
}

fuse_file_info file_info(const OpenOut& open) {
  fuse_file_info info{};
  info.fh = open.handle;
  info.keep_cache = open.keep_pages ? 1 : 0;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
  info.backing_id = open.backing;
  info.direct_io = open.is_direct ? 1 : 0;
#endif
  return info;
}

}  // namespace

Reply::~Reply() {
  if (fuse_req* request = take()) fuse_reply_err(request, EIO);
}

Reply Reply::park(std::shared_ptr<base::Signal> interrupted) {
  slot_ = core_->interrupts->add(request_, fuse_req_ctx(request_)->pid, std::move(interrupted));
  // An interrupt may come, and even be answered, from here on: the slot decides who answers.
  fuse_req* const request = std::exchange(request_, nullptr);
  fuse_req_interrupt_func(request, on_interrupt,
                          reinterpret_cast<void*>(static_cast<std::uintptr_t>(slot_->number)));
  return std::move(*this);
}

fuse_req* Reply::take() {
  if (!slot_) return std::exchange(request_, nullptr);
  fuse_req* const request = slot_->request.exchange(nullptr);
  if (request != nullptr) core_->interrupts->remove(slot_->number);
  return request;
}

bool Reply::is_open() const {
  return slot_ ? slot_->request.load() != nullptr : request_ != nullptr;
}

bool Reply::error(int number) {
  fuse_req* const request = take();
  if (request == nullptr) return false;
  if (number == ESTALE) {
    core_->stale_retries.told(fuse_req_ctx(request)->pid, core_->clock().steady());
  }
  return fuse_reply_err(request, number) == 0;
}

bool Reply::fail(const Error& error) { return this->error(errno_for(error.code())); }

bool Reply::none() {
  fuse_req* const request = take();
  if (request == nullptr) return false;
  fuse_reply_none(request);
  return true;
}

bool Reply::entry(const EntryOut& entry) {
  fuse_req* const request = take();
  if (request == nullptr) return false;
  const fuse_entry_param param = entry_param(entry);
  return fuse_reply_entry(request, &param) == 0;
}

bool Reply::no_entry(double seconds) {
  fuse_req* const request = take();
  if (request == nullptr) return false;
  if (seconds <= 0) return fuse_reply_err(request, ENOENT) == 0;
  fuse_entry_param param{};
  param.entry_timeout = seconds;
  return fuse_reply_entry(request, &param) == 0;
}

bool Reply::created(const EntryOut& entry, const OpenOut& open) {
  fuse_req* const request = take();
  if (request == nullptr) return false;
  const fuse_entry_param param = entry_param(entry);
  const fuse_file_info info = file_info(open);
  return fuse_reply_create(request, &param, &info) == 0;
}

bool Reply::attributes(const EntryOut& entry) {
  fuse_req* const request = take();
  if (request == nullptr) return false;
  const struct stat out = stat_of(*entry.record);
  return fuse_reply_attr(request, &out, entry.attribute_seconds) == 0;
}

bool Reply::opened(const OpenOut& open) {
  fuse_req* const request = take();
  if (request == nullptr) return false;
  core_->stale_retries.ended(fuse_req_ctx(request)->pid);
  const fuse_file_info info = file_info(open);
  return fuse_reply_open(request, &info) == 0;
}

bool Reply::target(const std::string& target) {
  fuse_req* const request = take();
  return request != nullptr && fuse_reply_readlink(request, target.c_str()) == 0;
}

bool Reply::bytes(ByteView data) {
  fuse_req* const request = take();
  return request != nullptr &&
         fuse_reply_buf(request, reinterpret_cast<const char*>(data.data()), data.size()) == 0;
}

bool Reply::written(std::size_t count) {
  fuse_req* const request = take();
  return request != nullptr && fuse_reply_write(request, count) == 0;
}

bool Reply::xattr_size(std::size_t size) {
  fuse_req* const request = take();
  return request != nullptr && fuse_reply_xattr(request, size) == 0;
}

bool Reply::offset(std::uint64_t offset) {
  fuse_req* const request = take();
  return request != nullptr && fuse_reply_lseek(request, static_cast<off_t>(offset)) == 0;
}

bool Reply::lock(const std::optional<wire::LockHolder>& holder) {
  fuse_req* const request = take();
  if (request == nullptr) return false;
  struct flock out{};
  out.l_type = F_UNLCK;
  if (holder) {
    constexpr std::uint64_t kLast = std::numeric_limits<off_t>::max();
    const std::uint64_t last = std::min(holder->range.last, kLast);
    out.l_type = holder->type == wire::LockType::write ? F_WRLCK : F_RDLCK;
    out.l_whence = SEEK_SET;
    out.l_start = static_cast<off_t>(std::min(holder->range.first, kLast));
    out.l_len = last == kLast ? 0 : static_cast<off_t>(last - holder->range.first + 1);
    out.l_pid = static_cast<pid_t>(holder->pid);
  }
  return fuse_reply_lock(request, &out) == 0;
}

bool Reply::statfs(const wire::SwarmTotals& totals) {
  fuse_req* const request = take();
  if (request == nullptr) return false;
  constexpr std::uint64_t kUnit = 4096;
  struct statvfs out{};
  out.f_bsize = 1024 * 1024;
  out.f_frsize = kUnit;
  out.f_blocks = totals.capacity_bytes / kUnit;
  out.f_bfree = totals.free_bytes / kUnit;
  out.f_bavail = out.f_bfree;
  const std::uint64_t inodes = totals.files + totals.directories;
  out.f_ffree = std::uint64_t{1} << 32;  // numbers do not run out
  out.f_favail = out.f_ffree;
  out.f_files = inodes + out.f_ffree;
  out.f_namemax = 255;
  return fuse_reply_statfs(request, &out) == 0;
}

}  // namespace shoal::fs
