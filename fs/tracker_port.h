// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <vector>

#include "base/task.h"
#include "wire/locks.h"
#include "wire/messages.h"

namespace shoal::fs {

/// What the mount asks of the tracker. The real one is wire::TrackerClient's; tests script their
/// own. Errors are those of TrackerClient. Thread: the loop; the last three: any.
class TrackerPort {
 public:
  virtual ~TrackerPort() = default;

  virtual Task<Result<wire::LookupReply>> ask(wire::Lookup request, Deadline deadline) = 0;
  virtual Task<Result<wire::GetInodeReply>> ask(wire::GetInode request, Deadline deadline) = 0;
  virtual Task<Result<wire::ReadDirectoryReply>> ask(wire::ReadDirectory request,
                                                     Deadline deadline) = 0;
  virtual Task<Result<wire::GetXattrsReply>> ask(wire::GetXattrs request, Deadline deadline) = 0;
  virtual Task<Result<wire::GetParentReply>> ask(wire::GetParent request, Deadline deadline) = 0;
  virtual Task<Result<wire::AllocateInodesReply>> ask(wire::AllocateInodes request,
                                                      Deadline deadline) = 0;
  virtual Task<Result<wire::DelegateReply>> ask(wire::Delegate request, Deadline deadline) = 0;
  virtual Task<Result<wire::Empty>> ask(wire::ReturnDelegation request, Deadline deadline) = 0;
  virtual Task<Result<wire::Empty>> ask(wire::CloseOrphan request, Deadline deadline) = 0;
  virtual Task<Result<wire::LocateReply>> ask(wire::Locate request, Deadline deadline) = 0;
  virtual Task<Result<wire::LockReply>> ask(wire::Lock request, Deadline deadline) = 0;
  virtual Task<Result<wire::Empty>> ask(wire::Unlock request, Deadline deadline) = 0;
  virtual Task<Result<wire::TestLockReply>> ask(wire::TestLock request, Deadline deadline) = 0;
  virtual Task<Result<std::vector<wire::OperationReply>>> mutate(
      std::vector<wire::Operation> operations, Deadline deadline) = 0;

  virtual SteadyTime lease_end() const = 0;
  virtual std::uint64_t session_generation() const = 0;
  /// Loop only. See TrackerClient::journal_applied.
  virtual std::uint64_t journal_applied() const = 0;
  virtual wire::SwarmTotals totals() const = 0;
};

}  // namespace shoal::fs
