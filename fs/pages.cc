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
constexpr std::chrono::milliseconds kOwnPatience{5};
/// For a read that waits for the network, until it is looked again whether a write is in the way.
constexpr std::chrono::milliseconds kReadPatience{500};
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

/// Drops all pages beside an unanswered write, which may hold its last page locked. Such a page
/// holds nothing but what is being written, for the kernel locks it only while it is not filled
/// from the file; so that one is not waited for. False when others are locked too.
Task<bool> drop_around(Core* core, std::shared_ptr<OpenFile> file, ByteRange write) {
  const InodeId inode = file->inode();
  const std::uint64_t last = page_of(write.end - 1);
  const Deadline patience = Deadline::after(core->clock(), kPatience);
  std::vector<std::shared_ptr<Notifier::Pending>> parts;
  if (last > 0) parts.push_back(submit(*core, inode, {0, last}));
  parts.push_back(submit(*core, inode, {last + kPageBytes, 0}));
  if (!file->stuck_drop || file->stuck_drop->is_done()) {
    file->stuck_drop = submit(*core, inode, {last, last + kPageBytes});
  }
  bool all_done = true;
  for (const auto& part : parts) {
    const bool done = co_await core->notifier.finished(part, patience);
    all_done = all_done && done;
  }
  const auto own = file->stuck_drop;
  const bool own_done = co_await core->notifier.finished_unless_stuck(own, kOwnPatience);
  (void)own_done;
  co_return all_done;
}

/// One drop of all pages. False when somebody keeps one locked; pending is then what to wait for.
Task<bool> drop_once(Core* core, InodeId inode, std::shared_ptr<Notifier::Pending>* pending) {
  const std::shared_ptr<OpenFile> file = core->table.find_file(inode);
  auto waiting = file ? file->waiting_write() : std::nullopt;
  if (waiting) {
    const bool done = co_await drop_around(core, file, *waiting);
    co_return done;
  }
  *pending = submit(*core, inode, {0, 0});
  const bool done =
      co_await core->notifier.finished(*pending, Deadline::after(core->clock(), kPatience));
  if (done) co_return true;
  waiting = file ? file->waiting_write() : std::nullopt;  // it may have come just now
  if (!waiting) co_return false;
  file->stuck_drop = *pending;
  const bool around = co_await drop_around(core, file, *waiting);
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
    // The connection that brought the event may end meanwhile: then nothing here waits any more.
    const bool is_canceled = co_await base::cancel_requested();
    if (is_canceled) co_return fail(Errc::canceled, "clearing pages of inode {}", inode);
    file->pages_dropping(core->clock().steady());
    std::shared_ptr<Notifier::Pending> pending;
    {
      ReadHold hold(*core, file);
      const bool done = co_await drop_once(core, inode, &pending);
      if (done) {
        holds->push_back(std::move(hold));
        co_return Result<void>{};
      }
    }
    // A held read may be in the way: those in there get the old content, and go with the next drop.
    const Deadline patience = Deadline::after(core->clock(), kReadPatience).earlier(deadline);
    if (pending) {
      const bool done = co_await core->notifier.finished(pending, patience);
      (void)done;
    }
  }
  count_unclear(inode);
  co_return Result<void>{};
}

Task<void> flush_mapped_pages(Core* core, std::shared_ptr<OpenFile> file) {
  if (!file->may_be_mapped()) co_return;
  const Deadline deadline = Deadline::after(core->clock(), core->options.read_budget);
  file->pages_dropping(core->clock().steady());
  while (!deadline.has_passed(core->clock())) {
    const bool is_canceled = co_await base::cancel_requested();
    if (is_canceled) co_return;
    std::shared_ptr<Notifier::Pending> pending;
    bool done = co_await drop_once(core, file->inode(), &pending);
    if (!done && pending) {
      done = co_await core->notifier.finished(
          pending, Deadline::after(core->clock(), kReadPatience).earlier(deadline));
    }
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
  // The last page may be locked until the write is answered, unless all of it is written; it then
  // holds nothing that was read. The others are locked by reads only.
  const std::uint64_t end = offset + written.count;
  const std::uint64_t last = page_of(end - 1);
  const bool is_last_whole = offset <= last && end == last + kPageBytes;
  const std::uint64_t free_end = is_last_whole ? end : last;
  std::shared_ptr<Notifier::Pending> own;
  if (!is_last_whole) own = submit(*core, file->inode(), {last, last + kPageBytes});
  if (page_of(offset) < free_end) {
    const auto others = submit(*core, file->inode(), {page_of(offset), free_end});
    const bool done = co_await core->notifier.finished_unless_stuck(others, kPatience);
    (void)done;  // otherwise a read keeps them that waits for us: they go when it ends
  }
  if (own) {
    const bool done = co_await core->notifier.finished_unless_stuck(own, kOwnPatience);
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
