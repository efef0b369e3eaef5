// SPDX-License-Identifier: MIT
#include "fs/tracker_client_port.h"

#include "wire/tracker_client.h"

namespace shoal::fs {
namespace {

class TrackerClientPort final : public TrackerPort {
 public:
  explicit TrackerClientPort(wire::TrackerClient& client) : client_(client) {}

  Task<Result<wire::LookupReply>> ask(wire::Lookup request, Deadline deadline) override {
    return client_.call(std::move(request), deadline);
  }
  Task<Result<wire::GetInodeReply>> ask(wire::GetInode request, Deadline deadline) override {
    return client_.call(std::move(request), deadline);
  }
  Task<Result<wire::ReadDirectoryReply>> ask(wire::ReadDirectory request,
                                             Deadline deadline) override {
    return client_.call(std::move(request), deadline);
  }
  Task<Result<wire::GetXattrsReply>> ask(wire::GetXattrs request, Deadline deadline) override {
    return client_.call(std::move(request), deadline);
  }
  Task<Result<wire::GetParentReply>> ask(wire::GetParent request, Deadline deadline) override {
    return client_.call(std::move(request), deadline);
  }
  Task<Result<wire::AllocateInodesReply>> ask(wire::AllocateInodes request,
                                              Deadline deadline) override {
    return client_.call(std::move(request), deadline);
  }
  Task<Result<wire::DelegateReply>> ask(wire::Delegate request, Deadline deadline) override {
    return client_.call(std::move(request), deadline);
  }
  Task<Result<wire::Empty>> ask(wire::ReturnDelegation request, Deadline deadline) override {
    return client_.call(std::move(request), deadline);
  }
  Task<Result<wire::Empty>> ask(wire::CloseOrphan request, Deadline deadline) override {
    return client_.call(std::move(request), deadline);
  }
  Task<Result<wire::LocateReply>> ask(wire::Locate request, Deadline deadline) override {
    return client_.call(std::move(request), deadline);
  }
  Task<Result<wire::LockReply>> ask(wire::Lock request, Deadline deadline) override {
    return client_.call(request, deadline);
  }
  Task<Result<wire::Empty>> ask(wire::Unlock request, Deadline deadline) override {
    return client_.call(std::move(request), deadline);
  }
  Task<Result<wire::TestLockReply>> ask(wire::TestLock request, Deadline deadline) override {
    return client_.call(request, deadline);
  }
  Task<Result<std::vector<wire::OperationReply>>> mutate(std::vector<wire::Operation> operations,
                                                         Deadline deadline) override {
    return client_.mutate(std::move(operations), deadline);
  }

  SteadyTime lease_end() const override { return client_.lease_end(); }
  std::uint64_t session_generation() const override { return client_.session_generation(); }
  std::uint64_t journal_applied() const override { return client_.journal_applied(); }
  wire::SwarmTotals totals() const override { return client_.totals(); }

 private:
  wire::TrackerClient& client_;
};

}  // namespace

std::unique_ptr<TrackerPort> make_tracker_port(wire::TrackerClient& client) {
  return std::make_unique<TrackerClientPort>(client);
}

}  // namespace shoal::fs
