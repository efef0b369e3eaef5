// SPDX-License-Identifier: MIT
#include "fs/notifier_kernel.h"

#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <unistd.h>

#include "base/log.h"
#include "fs/mount.h"

namespace shoal::fs {
namespace {

// Libraries of before 3.18 do not know this notification; the kernel takes it from any.
constexpr unsigned kEpochMinor = 44;
constexpr std::int32_t kNotifyIncreaseEpoch = 8;

class FuseKernelCaches final : public KernelCaches {
 public:
  FuseKernelCaches(const Mount& mount, unsigned kernel_minor)
      : session_(mount.session()), guardian_(mount.guardian()) {
    // The first increase is the test: nothing was handed out yet.
    has_epoch_ = kernel_minor >= kEpochMinor && increase_epoch();
    base::log_debug("kernel caches minor={} epoch={}", kernel_minor, has_epoch_);
  }

  int drop_name(InodeId directory, const std::string& name) override {
    return -fuse_lowlevel_notify_inval_entry(session_, directory.value(), name.data(), name.size());
  }

  int drop_attributes(InodeId inode) override {
    return -fuse_lowlevel_notify_inval_inode(session_, inode.value(), -1, 0);
  }

  int drop_pages(InodeId inode, ByteRange range) override {
    const auto length = range.end == 0 ? 0 : static_cast<off_t>(range.length());
    return -fuse_lowlevel_notify_inval_inode(session_, inode.value(),
                                             static_cast<off_t>(range.begin), length);
  }

  bool drop_all_names() override { return has_epoch_ && increase_epoch(); }
  bool can_drop_all_names() const override { return has_epoch_; }
  bool is_guarded() const override { return guardian_ != nullptr && guardian_->is_there(); }

 private:
  bool increase_epoch() {
    fuse_out_header header{};
    header.len = sizeof header;
    header.error = kNotifyIncreaseEpoch;
    header.unique = 0;
    return write(fuse_session_fd(session_), &header, sizeof header) == sizeof header;
  }

  fuse_session* const session_;
  const Guardian* const guardian_;
  bool has_epoch_ = false;
};

}  // namespace

std::unique_ptr<KernelCaches> make_kernel_caches(const Mount& mount, unsigned kernel_minor) {
  return std::make_unique<FuseKernelCaches>(mount, kernel_minor);
}

}  // namespace shoal::fs
