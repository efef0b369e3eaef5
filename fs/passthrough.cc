// SPDX-License-Identifier: MIT
#include "fs/passthrough.h"

#include <fcntl.h>

#include <asio/post.hpp>
#include <cerrno>

#include "base/log.h"
#include "base/metrics.h"
#include "fs/blobs.h"
#include "fs/core.h"
#include "fs/errno.h"
#include "fs/mount_backing.h"
#include "fs/open_mode.h"
#include "fs/reply.h"
#include "fs/write_path.h"

namespace shoal::fs {
namespace {

/// Between two looks at all passages.
constexpr std::chrono::milliseconds kWatchPause{200};
/// A gate is not open during the last part of a lease, so that a loop that is late does no harm.
constexpr std::chrono::seconds kLeaseMargin{3};
/// The inode's lock may be held by a request that waits for us and that we do not know as such,
/// like one for its name. Then nobody is inside either, and after this time it is enough that the
/// file does not change for longer than the kernel ever lets a writer pause.
constexpr std::chrono::seconds kLockPatience{10};
constexpr std::chrono::milliseconds kLockPoll{5};
constexpr std::chrono::milliseconds kQuiet{300};

bool has_time(const Core& core) {
  return core.clock().steady() + kLeaseMargin < core.tracker.lease_end();
}

/// A file that nobody but this session can have: new or cut, under its delegation.
bool is_suited(const Core& core, const FileHandle& handle, const FileState& state) {
  OpenSituation situation;
  situation.flags = handle.flags();
  situation.can_pass_through = true;
  situation.may_be_mapped = core.options.passthrough == PassthroughOption::on;
  situation.is_ours = state.is_working && state.blob && core.may_write(state) && has_time(core);
  situation.is_empty = size_of(state) == 0;
  return choose_open_mode(situation) == OpenMode::passthrough;
}

}  // namespace

// -- one inode ------------------------------------------------------------------------------------

void Passage::close_gate() {
  const base::MutexLock lock(gate_mutex_);
  if (!std::exchange(is_open_, false)) return;
  const Result<void> closed = owner_.gates_->close(file());
  if (closed) return;
  base::log_error("a gate could not be closed inode={} reason={}", inode_,
                  closed.error().message());
}

void Passage::open_gate() {
  const base::MutexLock lock(gate_mutex_);
  is_empty_ = false;
  if (std::exchange(is_open_, true)) return;
  const Result<void> opened = owner_.gates_->reopen(file());
  if (!opened) is_open_ = false;  // they are let in one by one
}

struct Passthrough::LockWait {
  explicit LockWait(Executor executor) : ended(std::move(executor)) {}
  base::Signal ended;
  std::atomic<bool> is_done{false};
  std::atomic<bool> is_passed{false};
};

Task<void> Passage::drained() {
  if (is_empty_.load()) co_return;
  Core& core = owner_.core_;
  const auto file = core.table.find_file(inode_);
  // A write that waits at the gate holds the lock, as a request that waits for us may: there is no
  // other inside. (A read at the gate does not hold it.)
  const bool are_all_writes = core.options.passthrough == PassthroughOption::automatic;
  const auto is_proved = [&] {
    if (are_all_writes && is_awaited()) return true;
    return file && (file->waiting_write() || file->is_locked_by_request());
  };
  bool is_clear = is_proved();
  const auto wait = is_clear ? nullptr : owner_.wait_for_lock(inode_);
  const Deadline deadline = Deadline::after(core.clock(), kLockPatience);
  while (!is_clear && !deadline.has_passed(core.clock()) && !wait->is_done.load()) {
    const Result<void> ended = co_await base::with_deadline(
        core.env.timer, Deadline::after(core.clock(), kLockPoll), wait->ended.wait());
    if (!ended && ended.error().code() == Errc::canceled) co_return;
    is_clear = is_proved();
  }
  if (wait && wait->is_passed.load()) is_clear = true;
  while (!is_clear) {
    const Result<void> waited = co_await core.env.timer.wait_for(kQuiet);
    if (!waited) co_return;
    const auto look = blob_->look();
    is_clear = !look || !look->is_changed;
    if (!is_clear && file) file->notice(*look);
  }
  is_empty_ = true;
}

// -- beginning and ending -------------------------------------------------------------------------

Passthrough::~Passthrough() { stop(); }

void Passthrough::stop() {
  is_able_ = false;
  if (gates_) gates_->stop();
  std::vector<std::pair<std::jthread, std::shared_ptr<LockWait>>> waits;
  {
    const base::MutexLock lock(mutex_);
    waits.swap(waits_);
  }
  waits.clear();  // joins
}

void Passthrough::give_up(const std::string& reason) {
  is_able_ = false;
  base::log_info("files are not passed through reason=\"{}\"", reason);
  const base::MutexLock lock(mutex_);
  reason_ = reason;
}

void Passthrough::set_kernel_support(bool is_supported) {
  if (core_.options.passthrough == PassthroughOption::off) return;
  if (!is_supported) {
    give_up(library_can_pass_through() ? "the kernel cannot" : "libfuse is older than 3.17");
    return;
  }
  auto gates = FileGates::open();
  if (!gates) {
    give_up(gates.error().message());
    return;
  }
  gates_ = std::move(*gates);
  gates_->start(
      [this](FileGates::Key key, FileGates::Knock knock) { on_knock(key, std::move(knock)); });
  is_able_ = true;
}

std::string Passthrough::mode() const {
  if (is_able_) return "passthrough";
  const base::MutexLock lock(mutex_);
  return reason_.empty() ? "mediated" : "mediated: " + reason_;
}

std::shared_ptr<Passage> Passthrough::begin(const FileHandle& handle) {
  const std::shared_ptr<OpenFile>& file = handle.file();
  const FileState state = file->state();
  if (!is_suited(core_, handle, state)) return nullptr;
  auto shared = state.blob->share();
  if (!shared) return nullptr;
  const auto key = FileGates::key_of(**shared);
  if (!key) return nullptr;
  const Result<void> gated = gates_->add(**shared);
  if (!gated) {
    give_up(gated.error().message());
    return nullptr;
  }
  const auto backing = open_backing(session_, **shared);
  if (!backing) {
    gates_->remove(**shared);
    give_up(backing.error().message());
    return nullptr;
  }
  static base::Counter& passed = base::counter("shoal_files_passed_through_total");
  passed.add();
  {
    const base::MutexLock lock(mutex_);
    files_[*key] = file;
  }
  return std::make_shared<Passage>(*this, file->inode(), state.blob, std::move(*shared), *backing);
}

void Passthrough::end(Passage& passage) {
  const auto key = FileGates::key_of(passage.file());
  if (key) {
    const base::MutexLock lock(mutex_);
    files_.erase(*key);
  }
  gates_->remove(passage.file());
  close_backing(session_, passage.backing());
  passage.blob()->unshare();
}

void Passthrough::choose(FileHandle& handle, OpenOut& out) {
  OpenFile& file = *handle.file();
  const base::MutexLock lock(file.modes());
  const std::shared_ptr<Passage> passage =
      file.enter_mode(is_able_, [this, &handle] { return begin(handle); });
  handle.set_in_mode(true);
  if (!passage) return;
  out.keep_pages = false;
  out.backing = passage->backing();
  // The kernel wants all handles alike. What this one reads and writes comes to us; what it maps is
  // the blob's file.
  const bool is_writer_only = (handle.flags() & O_ACCMODE) == O_WRONLY;
  out.is_direct = !(is_plain_write(handle.flags()) &&
                    (is_writer_only || core_.options.passthrough == PassthroughOption::on));
}

void Passthrough::leave(FileHandle& handle) {
  if (!handle.is_in_mode()) return;
  OpenFile& file = *handle.file();
  const base::MutexLock lock(file.modes());
  handle.set_in_mode(false);
  const std::shared_ptr<Passage> last = file.leave_mode();
  if (last) end(*last);
}

// -- at the gate ----------------------------------------------------------------------------------

namespace {

/// Counts somebody at the gate until the answer is out.
class Visitor {
 public:
  Visitor(std::shared_ptr<Passage> passage, FileGates::Knock knock)
      : passage_(std::move(passage)), knock_(std::move(knock)) {
    passage_->knocks(1);
  }
  Visitor(Visitor&& other) noexcept
      : passage_(std::exchange(other.passage_, nullptr)), knock_(std::move(other.knock_)) {}
  Visitor& operator=(Visitor&&) = delete;
  ~Visitor() {
    if (passage_) passage_->knocks(-1);
  }
  Passage& passage() { return *passage_; }
  void let_in() {
    passage_->let_in();
    std::exchange(passage_, nullptr)->knocks(-1);
    knock_.allow();
  }
  void refuse(int number) { knock_.refuse(number); }

 private:
  std::shared_ptr<Passage> passage_;
  FileGates::Knock knock_;
};

int refusal(const Error& error) { return errno_for(error.code()) == ENOSPC ? ENOSPC : EIO; }

/// All that a write needs, wherever it goes: the caller has the guard of lock_to_write().
Task<Result<void>> prepare_passage(Core* core, std::shared_ptr<OpenFile> file, Passage* passage) {
  Result<void> working = co_await begin_working(core, file);
  if (!working) co_return working;
  const FileState state = file->state();
  if (state.blob != passage->blob()) {
    co_return fail(Errc::io, "the blob of inode {} was replaced", file->inode());
  }
  Result<void> fetched = co_await fetch_missing(
      core, state.blob, state.blob->missing(0, size_of(state)), cache::Urgency::reader);
  if (!fetched) co_return fetched;
  cache::BlobStore& store = core->env.store;
  const std::shared_ptr<cache::Blob> blob = state.blob;
  Result<void> ready = co_await core->env.pool.run([&store, blob]() -> Result<void> {
    constexpr std::uint64_t kRoom = 1024 * 1024;
    if (store.usage().available_bytes < kRoom) {
      const auto made = store.evict(kRoom);
      if (store.usage().available_bytes < kRoom) return fail(Errc::no_space, "the store is full");
    }
    const auto shared = blob->share();
    if (!shared) return pass(shared);
    return {};
  });
  co_return ready;
}

Task<void> admit(Core* core, std::shared_ptr<OpenFile> file, Visitor visitor) {
  const Deadline deadline = core->metadata_deadline();
  while (!deadline.has_passed(core->clock())) {
    auto guard = co_await lock_to_write(core, file, deadline);
    if (!guard) {
      visitor.refuse(refusal(guard.error()));
      co_return;
    }
    if (visitor.passage().is_refused()) {
      visitor.refuse(EIO);
      co_return;
    }
    Result<void> ready = co_await prepare_passage(core, file, &visitor.passage());
    if (!ready && ready.error().code() == Errc::stale) continue;
    if (!ready) {
      base::log_warning("a write was refused inode={} reason={}", file->inode(),
                        ready.error().message());
      visitor.refuse(refusal(ready.error()));
      co_return;
    }
    if (!core->may_write(file->state())) continue;  // the lease ended
    if (has_time(*core)) visitor.passage().open_gate();
    visitor.let_in();
    co_return;
  }
  visitor.refuse(EIO);
}

}  // namespace

void Passthrough::on_knock(FileGates::Key key, FileGates::Knock knock) {
  std::shared_ptr<OpenFile> file;
  {
    const base::MutexLock lock(mutex_);
    const auto found = files_.find(key);
    if (found != files_.end()) file = found->second.lock();
  }
  const std::shared_ptr<Passage> passage = file ? file->passage() : nullptr;
  if (!passage) {
    knock.allow();  // its last close was just now
    return;
  }
  if (passage->is_refused()) {
    knock.refuse(EIO);
    return;
  }
  core_.launch(admit(&core_, std::move(file), Visitor(passage, std::move(knock))));
}

std::shared_ptr<Passthrough::LockWait> Passthrough::wait_for_lock(InodeId inode) {
  const auto wait = std::make_shared<LockWait>(core_.env.loop.get_executor());
  const base::MutexLock lock(mutex_);
  std::erase_if(waits_, [](const auto& entry) { return entry.second->is_done.load(); });
  waits_.emplace_back(std::jthread([this, wait, inode] {
                        wait->is_passed = wait_for_inode_lock(core_.options.mount_point, inode);
                        wait->is_done = true;
                        asio::post(core_.env.loop, [wait] { wait->ended.set(); });
                      }),
                      wait);
  return wait;
}

Task<void> Passthrough::watch() {
  for (;;) {
    const Result<void> waited = co_await core_.env.timer.wait_for(kWatchPause);
    if (!waited) co_return;
    std::vector<std::shared_ptr<OpenFile>> files;
    {
      const base::MutexLock lock(mutex_);
      for (const auto& [key, weak] : files_) {
        if (auto file = weak.lock()) files.push_back(std::move(file));
      }
    }
    if (files.empty()) continue;
    for (const auto& file : files) (void)file->state();  // what they take is counted
    const bool is_full = core_.env.store.usage().available_bytes == 0;
    if (has_time(core_) && !is_full) continue;
    for (const auto& file : files) {
      if (const auto passage = file->passage()) passage->close_gate();
    }
  }
}

}  // namespace shoal::fs
