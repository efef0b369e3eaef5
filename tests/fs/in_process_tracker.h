// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/task.h"
#include "fs/tracker_port.h"
#include "tracker/core.h"
#include "tracker/memory_store.h"

namespace shoal::test {

class InProcessSession;

/// A real tracker core on the loop of the test, without a network. Sessions reach it in order, and
/// it reaches them through their handlers. Thread: the loop.
class InProcessTracker {
 public:
  InProcessTracker(Loop& loop, Timer& timer);
  ~InProcessTracker();

  /// Joins a peer of that name and opens its session. The tracker outlives the result.
  std::unique_ptr<InProcessSession> open_session(const std::string& name);
  /// Ends all tasks; before destruction.
  Task<void> stop();

  std::uint64_t requests() const { return requests_; }
  /// What it has committed under a path; nullopt: nothing.
  std::optional<tracker::InodeRow> find(const std::vector<std::string>& path);

 private:
  friend class InProcessSession;
  struct Waiting;

  Task<Result<tracker::AnyReply>> ask(tracker::ConnectionId connection,
                                      tracker::AnyRequest request);
  void take(tracker::Input input);
  void run();
  void deliver(tracker::Output output);
  Task<void> answer_event(InProcessSession* session, tracker::Push push);
  Task<void> beat();

  Loop& loop_;
  Timer& timer_;
  TaskGroup group_;
  tracker::MemoryStore store_;
  std::unique_ptr<tracker::Core> core_;
  std::vector<tracker::Input> pending_;
  bool is_scheduled_ = false;
  std::uint64_t last_connection_ = 0;
  std::uint64_t last_token_ = 0;
  std::uint64_t requests_ = 0;
  std::map<tracker::Token, std::shared_ptr<Waiting>> waiting_;
  std::map<tracker::ConnectionId, InProcessSession*> sessions_;
};

/// One peer's session, as the mount sees it.
class InProcessSession final : public fs::TrackerPort {
 public:
  /// Who answers events; without one they are answered as nobody who caches anything would.
  std::function<Task<Result<wire::InvalidateReply>>(wire::Invalidate)> on_invalidate;
  std::function<Task<Result<wire::RecallReply>>(wire::Recall)> on_recall;

  ~InProcessSession() override;

  Task<Result<wire::LookupReply>> ask(wire::Lookup request, Deadline deadline) override;
  Task<Result<wire::GetInodeReply>> ask(wire::GetInode request, Deadline deadline) override;
  Task<Result<wire::ReadDirectoryReply>> ask(wire::ReadDirectory request,
                                             Deadline deadline) override;
  Task<Result<wire::GetXattrsReply>> ask(wire::GetXattrs request, Deadline deadline) override;
  Task<Result<wire::GetParentReply>> ask(wire::GetParent request, Deadline deadline) override;
  Task<Result<wire::AllocateInodesReply>> ask(wire::AllocateInodes request,
                                              Deadline deadline) override;
  Task<Result<wire::DelegateReply>> ask(wire::Delegate request, Deadline deadline) override;
  Task<Result<wire::Empty>> ask(wire::ReturnDelegation request, Deadline deadline) override;
  Task<Result<wire::Empty>> ask(wire::CloseOrphan request, Deadline deadline) override;
  Task<Result<wire::LocateReply>> ask(wire::Locate request, Deadline deadline) override;
  Task<Result<wire::LockReply>> ask(wire::Lock request, Deadline deadline) override;
  Task<Result<wire::Empty>> ask(wire::Unlock request, Deadline deadline) override;
  Task<Result<wire::TestLockReply>> ask(wire::TestLock request, Deadline deadline) override;
  Task<Result<std::vector<wire::OperationReply>>> mutate(std::vector<wire::Operation> operations,
                                                         Deadline deadline) override;

  SteadyTime lease_end() const override { return SteadyTime(Duration(lease_end_.load())); }
  std::uint64_t session_generation() const override { return 1; }
  std::uint64_t journal_applied() const override { return journal_applied_; }
  wire::SwarmTotals totals() const override { return {}; }

  /// While it is on, nothing is sent and no lease is renewed.
  void set_cut(bool is_cut) { is_cut_ = is_cut; }
  void end_lease() { lease_end_ = 0; }

 private:
  friend class InProcessTracker;
  InProcessSession(InProcessTracker& tracker) : tracker_(tracker) {}
  template <class Request>
  Task<Result<typename Request::Reply>> send(Request request, Deadline deadline);

  InProcessTracker& tracker_;
  tracker::ConnectionId connection_;
  std::atomic<std::int64_t> lease_end_{0};
  std::uint64_t sequence_ = 0;
  std::uint64_t journal_applied_ = 0;
  bool is_cut_ = false;
};

}  // namespace shoal::test
