// SPDX-License-Identifier: MIT
// The one place where the peer daemon meets the filesystem.
#include "base/log.h"
#include "fs/file_system.h"
#include "peerd/mount.h"

namespace shoal::peerd {
namespace {

class FuseMount final : public Mount {
 public:
  FuseMount(std::unique_ptr<fs::FileSystem> files, std::string mount_point, bool delegation)
      : files_(std::move(files)), mount_point_(std::move(mount_point)), delegation_(delegation) {}

  Task<Result<wire::InvalidateReply>> invalidate(wire::Invalidate event) override {
    return files_->invalidate(std::move(event));
  }
  Task<Result<wire::RecallReply>> recall(wire::Recall event) override {
    return files_->recall(std::move(event));
  }
  std::vector<wire::Reclaim> reclaims() override { return files_->reclaims(); }
  std::vector<wire::LockClaim> lock_claims() override { return files_->lock_claims(); }
  void caches_void(bool session_lost) override { files_->caches_void(session_lost); }
  void connected() override { files_->connected(); }

  Task<Result<void>> settle(Deadline deadline) override { return files_->settle(deadline); }

  std::string mount_point() const override { return mount_point_; }
  std::string mode() const override {
    return delegation_ ? files_->mode() : files_->mode() + ", delegation off";
  }
  Task<Result<void>> unmount(bool lazy) override { return files_->unmount(lazy); }
  bool is_mounted() const override { return files_->is_mounted(); }
  Task<Result<void>> wait_unmounted() override { return files_->wait_unmounted(); }

 private:
  std::unique_ptr<fs::FileSystem> files_;
  std::string mount_point_;
  bool delegation_;
};

}  // namespace

Task<Result<std::unique_ptr<Mount>>> mount_swarm(MountEnvironment environment,
                                                 MountSettings settings) {
  const std::string mount_point = settings.mount_point;
  auto cleared =
      co_await environment.pool.run([mount_point] { return fs::clear_stale_mount(mount_point); });
  if (!cleared) co_return pass(cleared);
  fs::MountOptions options;
  options.mount_point = mount_point;
  options.source_name = "shoal:" + settings.swarm_name;
  options.peer_name = settings.peer_name;
  options.journal = settings.journal;
  options.allow_other = settings.allow_other;
  options.sync = settings.sync;
  options.delegation = settings.delegation;
  options.read_budget = settings.read_budget;
  options.workers = settings.workers;
  options.guardian = {"/proc/self/exe", "guard"};
  options.passthrough = settings.passthrough == "auto" ? fs::PassthroughOption::automatic
                        : settings.passthrough == "on" ? fs::PassthroughOption::on
                                                       : fs::PassthroughOption::off;
  const fs::Environment place{environment.loop,      environment.timer, environment.pool,
                              environment.tracker,   environment.store, environment.source,
                              environment.on_located};
  auto files = co_await fs::FileSystem::mount(place, std::move(options));
  if (!files) co_return pass(files);
  std::unique_ptr<Mount> mount = std::make_unique<FuseMount>(
      std::move(*files), std::move(settings.mount_point), settings.delegation);
  co_return mount;
}

}  // namespace shoal::peerd
