// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "fs/core.h"
#include "fs/interrupts.h"
#include "wire/locks.h"
#include "wire/records.h"

struct fuse_req;

namespace shoal::fs {

/// An inode as the kernel gets it.
struct EntryOut {
  const wire::InodeRecord* record = nullptr;
  double entry_seconds = 0;      ///< how long the kernel may keep the name
  double attribute_seconds = 0;  ///< and the attributes
};

/// How an open file is given to the kernel.
struct OpenOut {
  std::uint64_t handle = 0;
  bool keep_pages = true;
  std::int32_t backing = 0;  ///< of the file that the kernel uses itself; 0: none
  bool is_direct = false;    ///< with backing: reads and writes come to us all the same
};

/// The right and duty to answer one FUSE request: exactly one answer goes out, EIO if the object is
/// dropped without one. Move-only. The senders are false when the answer did not arrive (the
/// request was interrupted or answered with EINTR before): then nothing was handed to the kernel.
/// Thread: any, one at a time.
class Reply {
 public:
  Reply(Core& core, fuse_req* request) : core_(&core), request_(request) {}
  Reply(Reply&& other) noexcept
      : core_(other.core_),
        request_(std::exchange(other.request_, nullptr)),
        slot_(std::move(other.slot_)) {}
  Reply& operator=(Reply&&) = delete;
  ~Reply();

  /// Before the request is moved into a task: an interrupt by the kernel then answers EINTR, after
  /// a grace so that signals which end nobody do not break short waits. interrupted: set at once,
  /// so that whoever waits on it can answer without the grace. Thread: the worker.
  Reply park(std::shared_ptr<base::Signal> interrupted = nullptr);
  /// False once it was answered, by an interrupt for instance: a task may give up then.
  bool is_open() const;

  bool error(int number);
  bool fail(const Error& error);
  bool ok() { return error(0); }
  bool none();
  bool entry(const EntryOut& entry);
  bool no_entry(double seconds);  ///< absent, and for how long that may be kept
  bool created(const EntryOut& entry, const OpenOut& open);
  bool attributes(const EntryOut& entry);
  bool opened(const OpenOut& open);
  bool target(const std::string& target);
  bool bytes(ByteView data);
  bool written(std::size_t count);
  bool xattr_size(std::size_t size);
  bool offset(std::uint64_t offset);
  bool lock(const std::optional<wire::LockHolder>& holder);
  bool statfs(const wire::SwarmTotals& totals);

 private:
  fuse_req* take();

  Core* core_;
  fuse_req* request_;
  std::shared_ptr<ReplySlot> slot_;
};

}  // namespace shoal::fs
