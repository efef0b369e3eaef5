// SPDX-License-Identifier: MIT
#include "fs/file_system.h"

#include <asio/post.hpp>

#include "base/log.h"
#include "fs/core.h"
#include "fs/events.h"
#include "fs/kernel_read_ahead.h"
#include "fs/mount.h"
#include "fs/mount_with.h"
#include "fs/notifier_kernel.h"
#include "fs/publish.h"
#include "fs/tracker_client_port.h"

namespace shoal::fs {
namespace {

constexpr std::chrono::seconds kInitTime{20};
/// So long a mount waits for what an earlier daemon left to be published, before it shows names.
constexpr std::chrono::seconds kRecoveryTime{10};
/// How long a lazily detached mount may still be served for those who have files open.
constexpr std::chrono::seconds kLazyTime{2};

/// What a recall has come to.
struct Recalled {
  explicit Recalled(Executor executor) : done(std::move(executor)) {}
  base::Signal done;
  Result<wire::RecallReply> reply = fail(Errc::canceled, "the mount is ending");
};

/// Tells that it is done, even when the task that has it is dropped.
class RecallEnd {
 public:
  explicit RecallEnd(std::shared_ptr<Recalled> recalled) : recalled_(std::move(recalled)) {}
  RecallEnd(RecallEnd&& other) noexcept = default;
  RecallEnd& operator=(RecallEnd&&) = delete;
  ~RecallEnd() {
    if (recalled_) recalled_->done.set();
  }
  void set(Result<wire::RecallReply> reply) { recalled_->reply = std::move(reply); }

 private:
  std::shared_ptr<Recalled> recalled_;
};

Task<void> carry_out_recall(Core* core, wire::Recall event, RecallEnd end) {
  auto reply = co_await fs::recall(core, std::move(event));
  end.set(std::move(reply));
}

class MountedFileSystem final : public FileSystem {
 public:
  MountedFileSystem(Parts parts, std::unique_ptr<TrackerPort> port, MountOptions options,
                    std::unique_ptr<Journal> journal)
      : port_(std::move(port)),
        core_(parts, std::move(options), *port_, std::move(journal)),
        initialised_(parts.loop.get_executor()),
        gone_(parts.loop.get_executor()) {}

  ~MountedFileSystem() override { mount_.reset(); }

  Task<Result<void>> begin();
  /// After begin() has failed.
  Task<void> give_up() { return core_.group.stop(); }

  Task<Result<wire::InvalidateReply>> invalidate(wire::Invalidate event) override {
    return fs::invalidate(&core_, std::move(event));
  }
  Task<Result<wire::RecallReply>> recall(wire::Recall event) override;
  std::vector<wire::Reclaim> reclaims() override { return fs::reclaims(core_); }
  std::vector<wire::LockClaim> lock_claims() override { return core_.locks.claims(); }
  void caches_void(bool session_lost) override { void_caches(core_, session_lost); }
  void connected() override {}

  Task<Result<void>> settle(Deadline deadline) override {
    return base::with_deadline(core_.env.timer, deadline, publish_closed(&core_));
  }
  Task<Result<void>> unmount(bool lazy) override;
  bool is_mounted() const override { return !gone_.is_set(); }
  std::string mode() const override {
    return core_.passthrough ? core_.passthrough->mode() : "mediated";
  }
  Task<Result<void>> wait_unmounted() override {
    Result<void> gone = co_await gone_.wait();
    co_return gone;
  }

 private:
  Task<void> end_tasks();

  std::unique_ptr<TrackerPort> port_;
  Core core_;
  base::Signal initialised_;
  base::Signal gone_;
  std::unique_ptr<KernelCaches> kernel_;
  std::unique_ptr<Mount> mount_;
  bool has_ended_ = false;
};

/// In a task of the mount: with the connection that it came on the request is canceled, but a
/// publish that has begun must end. Cut off behind its Publish, the file would be taken for
/// unpublished, written to again, and the bytes that the tracker has as the current ones be gone.
Task<Result<wire::RecallReply>> MountedFileSystem::recall(wire::Recall event) {
  const auto recalled = std::make_shared<Recalled>(core_.env.loop.get_executor());
  spawn(core_.group, carry_out_recall(&core_, std::move(event), RecallEnd(recalled)));
  const Result<void> done = co_await recalled->done.wait();
  if (!done) co_return pass(done);
  co_return std::move(recalled->reply);
}

Task<Result<void>> MountedFileSystem::begin() {
  Loop& loop = core_.env.loop;
  core_.on_init = [this, &loop] { asio::post(loop, [this] { initialised_.set(); }); };
  // What an earlier daemon left in the journal was seen by its programs: nobody sees less now.
  Result<void> settled = co_await core_.volume.settle(core_.metadata_deadline());
  if (!settled)
    co_return fail(settled.error().code(), "the journal of an earlier run: {}",
                   settled.error().message());
  co_await recover_unpublished(&core_);
  settled = co_await settle(Deadline::after(core_.clock(), kRecoveryTime));
  if (!settled) {
    base::log_warning("what an earlier run left unpublished is published later reason=\"{}\"",
                      settled.error().message());
  }
  auto mount = co_await core_.env.pool.run([this] { return Mount::open(core_); });
  if (!mount) co_return pass(std::move(mount));
  mount_ = std::move(*mount);
  if (core_.options.passthrough != PassthroughOption::off) {
    core_.passthrough = std::make_unique<Passthrough>(core_, mount_->session());
  }
  mount_->start(std::max(1U, core_.options.workers),
                [this, &loop] { asio::post(loop, [this] { gone_.set(); }); });
  const Deadline deadline = Deadline::after(core_.clock(), kInitTime);
  Result<void> initialised =
      co_await base::with_deadline(core_.env.timer, deadline, initialised_.wait());
  if (!initialised) {
    const Result<void> ended = co_await unmount(true);
    (void)ended;
    co_return fail(Errc::io, "the kernel did not begin to use the mount on {}",
                   core_.options.mount_point);
  }
  kernel_ = make_kernel_caches(*mount_, core_.kernel_minor);
  core_.notifier.start(*kernel_);
  spawn(core_.group, housekeep(&core_));
  spawn(core_.group, watch_lease(&core_));
  if (core_.passthrough) spawn(core_.group, core_.passthrough->watch());
  const unsigned read_ahead_kib = co_await core_.env.pool.run(
      [this] { return raise_kernel_read_ahead(core_.options.mount_point); });
  base::log_info("mounted on={} protocol=7.{} epoch={} guarded={} read_ahead_kib={} mode=\"{}\"",
                 core_.options.mount_point, core_.kernel_minor, kernel_->can_drop_all_names(),
                 kernel_->is_guarded(), read_ahead_kib, mode());
  co_return Result<void>{};
}

Task<void> MountedFileSystem::end_tasks() {
  core_.notifier.disarm();
  co_await core_.group.stop();
  co_await core_.env.pool.run([this] {
    mount_->join();
    core_.notifier.join();
  });
  has_ended_ = true;
}

Task<Result<void>> MountedFileSystem::unmount(bool lazy) {
  if (has_ended_ || !mount_) co_return Result<void>{};
  Result<void> published = co_await publish_all(&core_);
  if (!published) {
    base::log_warning(
        "unmounting with unpublished files; they are published at the next start "
        "reason={}",
        published.error().message());
  }
  if (!gone_.is_set()) {
    Result<void> detached =
        co_await core_.env.pool.run([this, lazy] { return mount_->detach(lazy); });
    if (!detached) co_return detached;
    const Deadline deadline = Deadline::after(core_.clock(), kLazyTime);
    const Result<void> gone = co_await base::with_deadline(core_.env.timer, deadline, gone_.wait());
    if (!gone) co_await core_.env.pool.run([this] { mount_->abandon(); });
  }
  // What was written since, up to the moment the mount went.
  published = co_await publish_all(&core_);
  co_await note_all_published(&core_);
  co_await end_tasks();
  co_await core_.env.pool.run([this] {
    mount_.reset();
    if (core_.passthrough) core_.passthrough->stop();
  });
  co_return Result<void>{};
}

}  // namespace

Task<Result<std::unique_ptr<FileSystem>>> mount_with(Parts parts,
                                                     std::unique_ptr<TrackerPort> tracker,
                                                     MountOptions options) {
  auto journal = co_await parts.pool.run([path = options.journal] { return Journal::open(path); });
  if (!journal) co_return pass(std::move(journal));
  auto made = std::make_unique<MountedFileSystem>(parts, std::move(tracker), std::move(options),
                                                  std::move(*journal));
  Result<void> begun = co_await made->begin();
  if (!begun) {
    co_await made->give_up();
    co_return pass(std::move(begun));
  }
  co_return std::unique_ptr<FileSystem>(std::move(made));
}

Task<Result<std::unique_ptr<FileSystem>>> FileSystem::mount(Environment environment,
                                                            MountOptions options) {
  const Parts parts{environment.loop,  environment.timer,  environment.pool,
                    environment.store, environment.source, environment.on_located};
  auto mounted =
      co_await mount_with(parts, make_tracker_port(environment.tracker), std::move(options));
  co_return mounted;
}

}  // namespace shoal::fs
