// SPDX-License-Identifier: MIT
#include "fs/pages.h"

#include "base/log.h"
#include "base/metrics.h"

namespace shoal::fs {
namespace {

using Job = Notifier::Job;

constexpr std::uint64_t kPageBytes = 4096;
/// Then a page is taken to be locked by a request that waits for us.
constexpr std::chrono::milliseconds kPatience{30};
constexpr std::chrono::milliseconds kOwnPatience{10};
constexpr std::chrono::seconds kMargin{2};
/// How much longer reads are held than the event's handler runs.
constexpr std::chrono::milliseconds kHoldOver{1};

std::uint64_t page_of(std::uint64_t offset) { return offset / kPageBytes * kPageBytes; }

std::shared_ptr<Notifier::Pending> submit(Core& core, InodeId inode, ByteRange range) {
  return core.notifier.submit({Job::Kind::pages, inode, {}, range});
}

Task<void> release_later(Core* core, std::shared_ptr<OpenFile> file) {
  const Result<void> waited = co_await core->env.timer.wait_for(kHoldOver);
  (void)waited;
  file->release_reads();
}

/// Drops the pages around the one that an unanswered write may hold locked. That page holds nothing
/// but what is being written: the kernel locks it only while it is not filled from the file.
Task<bool> drop_around(Core* core, InodeId inode, ByteRange write, Deadline deadline) {
  const std::uint64_t locked = page_of(write.end - 1);
  std::vector<std::shared_ptr<Notifier::Pending>> parts;
  if (locked > 0) parts.push_back(submit(*core, inode, {0, locked}));
  parts.push_back(submit(*core, inode, {locked + kPageBytes, 0}));
  bool all_done = true;
  for (const auto& part : parts) {
    const bool done = co_await core->notifier.finished(part, deadline);
    all_done = all_done && done;
  }
  co_return all_done;
}

/// Waits for a drop that was handed in, or does without the page that a write of ours holds.
Task<bool> await_drop(Core* core, InodeId inode, std::shared_ptr<Notifier::Pending> pending,
                      Deadline deadline) {
  const Deadline patience = Deadline::after(core->clock(), kPatience).earlier(deadline);
  const bool done = co_await core->notifier.finished(pending, patience);
  if (done) co_return true;
  const std::shared_ptr<OpenFile> file = core->table.find_file(inode);
  const auto waiting = file ? file->waiting_write() : std::nullopt;
  if (!waiting) co_return false;
  const bool around = co_await drop_around(core, inode, *waiting, patience);
  co_return around;
}

void count_unclear(InodeId inode) {
  static base::Counter& unclear = base::counter("shoal_kernel_pages_unclear_total");
  unclear.add();
  base::log_warning("the kernel did not let go of pages in time inode={}", inode);
}

}  // namespace

ReadHold::ReadHold(Core& core, std::shared_ptr<OpenFile> file)
    : core_(&core), file_(std::move(file)) {
  file_->hold_reads();
}

ReadHold::~ReadHold() {
  if (!file_) return;
  if (core_->group.is_stopping()) {
    file_->release_reads();
  } else {
    spawn(core_->group, release_later(core_, std::move(file_)));
  }
}

Task<Result<void>> drop_pages(Core* core, InodeId inode, std::vector<ReadHold>* holds) {
  const Deadline deadline = Deadline::after(core->clock(), core->options.read_budget + kMargin);
  const std::shared_ptr<OpenFile> file = core->table.find_file(inode);
  if (!file) {  // nothing is open: no read comes
    auto pending = submit(*core, inode, {0, 0});
    const bool done = co_await core->notifier.finished(pending, deadline);
    if (done) {
      core->table.pages_dropped(inode);
    } else {
      count_unclear(inode);
    }
    co_return Result<void>{};
  }
  while (!deadline.has_passed(core->clock())) {
    file->pages_dropping(core->clock().steady());
    std::shared_ptr<Notifier::Pending> pending;
    {
      ReadHold hold(*core, file);
      pending = submit(*core, inode, {0, 0});
      const bool done = co_await await_drop(core, inode, pending, deadline);
      if (done) {
        holds->push_back(std::move(hold));
        co_return Result<void>{};
      }
    }
    // A held read may be in the way: those in there get the old content, and go with the next drop.
    bool done = false;
    while (!done && !deadline.has_passed(core->clock())) {
      done = co_await await_drop(core, inode, pending, deadline);
    }
  }
  count_unclear(inode);
  co_return Result<void>{};
}

Task<void> flush_mapped_pages(Core* core, std::shared_ptr<OpenFile> file) {
  if (!file->may_be_mapped()) co_return;
  const Deadline deadline = Deadline::after(core->clock(), core->options.read_budget);
  file->pages_dropping(core->clock().steady());
  auto pending = submit(*core, file->inode(), {0, 0});
  while (!deadline.has_passed(core->clock())) {
    const bool done = co_await await_drop(core, file->inode(), pending, deadline);
    if (done) co_return;
  }
  count_unclear(file->inode());
}

namespace {

class WaitingWrite {
 public:
  WaitingWrite(OpenFile& file, ByteRange range) : file_(file) { file_.set_waiting_write(range); }
  ~WaitingWrite() { file_.set_waiting_write(std::nullopt); }
  WaitingWrite(const WaitingWrite&) = delete;
  WaitingWrite& operator=(const WaitingWrite&) = delete;

 private:
  OpenFile& file_;
};

Task<void> answer_after_drop(Core* core, Reply reply, std::shared_ptr<OpenFile> file,
                             std::uint64_t offset, Written written) {
  const WaitingWrite waiting(*file, {offset, offset + written.count});
  // The last page may be locked until the write is answered; it then holds nothing that was read.
  const std::uint64_t last = page_of(offset + written.count - 1);
  const Deadline deadline = Deadline::after(core->clock(), kOwnPatience);
  std::vector<std::shared_ptr<Notifier::Pending>> parts;
  if (page_of(offset) < last)
    parts.push_back(submit(*core, file->inode(), {page_of(offset), last}));
  parts.push_back(submit(*core, file->inode(), {last, last + kPageBytes}));
  for (const auto& part : parts) {
    const bool done = co_await core->notifier.finished(part, deadline);
    (void)done;
  }
  answer_write(*core, reply, file->inode(), offset, written);
}

}  // namespace

void finish_write(Core& core, Reply reply, std::shared_ptr<OpenFile> file, std::uint64_t offset,
                  const Result<Written>& written) {
  if (written && written->count > 0 && file->pages_in_doubt(core.clock().steady())) {
    core.launch(answer_after_drop(&core, std::move(reply), std::move(file), offset, *written));
  } else {
    answer_write(core, reply, file->inode(), offset, written);
  }
}

}  // namespace shoal::fs
