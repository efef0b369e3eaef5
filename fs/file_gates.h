// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "base/file.h"
#include "base/result.h"

namespace shoal::fs {

/// Gates in front of files that other programs write to without us: fanotify's events before an
/// access (Linux 6.14). While a file's gate is closed, whoever reads or writes through a descriptor
/// that was opened since add() waits until somebody lets it in. What is mapped is beyond this.
/// When the daemon dies all gates are open. Owner: Passthrough. Thread: any.
class FileGates {
 public:
  /// What names a file of this machine.
  struct Key {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    auto operator<=>(const Key&) const = default;
  };
  static Result<Key> key_of(const base::Fd& file);

  /// Somebody who waits at a gate: EIO if dropped without an answer.
  class Knock {
   public:
    Knock(const FileGates& gates, base::Fd file) : gates_(&gates), file_(std::move(file)) {}
    Knock(Knock&& other) noexcept = default;
    Knock& operator=(Knock&&) = delete;
    ~Knock();
    void allow();
    /// number: EIO, ENOSPC, EPERM, EBUSY, EAGAIN, ETXTBSY or EDQUOT.
    void refuse(int number);
    const base::Fd& file() const { return file_; }

   private:
    void answer(std::uint32_t response);
    const FileGates* gates_;
    base::Fd file_;
  };
  /// Called by a thread of its own; must not touch a file with a gate.
  using OnKnock = std::function<void(Key, Knock)>;

  /// Errors: unsupported (kernel), access_denied (needs CAP_SYS_ADMIN).
  static Result<std::unique_ptr<FileGates>> open();
  ~FileGates();

  void start(OnKnock on_knock);
  /// Nobody knocks any more; all that wait go through. Before the destructor.
  void stop();

  /// A gate that is closed. Errors: unsupported (filesystem), no_space (limits).
  Result<void> add(const base::Fd& file);
  Result<void> close(const base::Fd& file);
  Result<void> reopen(const base::Fd& file);
  void remove(const base::Fd& file);

 private:
  FileGates(base::Fd group, base::Fd wake) : group_(std::move(group)), wake_(std::move(wake)) {}
  void listen();
  void take_events();

  base::Fd group_;
  base::Fd wake_;
  OnKnock on_knock_;
  std::jthread thread_;
};

}  // namespace shoal::fs
