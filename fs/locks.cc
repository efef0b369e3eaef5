// SPDX-License-Identifier: MIT
#include "fs/locks.h"

#include <cerrno>
#include <optional>
#include <vector>

#include "base/log.h"
#include "fs/open_file.h"

namespace shoal::fs {
namespace {

/// Between two attempts to give a lock up that the tracker was too busy for.
constexpr std::chrono::milliseconds kUnlockPause{100};

std::uint64_t next_ticket() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

Task<void> unlock_task(Core* core, LockTable::Key key, wire::Unlock request) {
  for (;;) {
    // Without a deadline, as Lock: answers are noted in the order in which they come.
    auto reply = co_await core->tracker.ask(request, Deadline::never());
    const bool is_over = reply || reply.error().code() == Errc::stale;
    if (reply) core->locks.released(key, request.range, request.keep);
    if (is_over || reply.error().code() == Errc::canceled) break;
    base::log_debug("an unlock waits inode={} reason={}", key.inode, reply.error().message());
    const Result<void> waited = co_await core->env.timer.wait_for(kUnlockPause);
    if (!waited) break;
  }
  core->locks.end_unlock(key);
}

/// Puts things back as they were before a lock that the program was not told of, or gives up.
/// ticket: of a Lock that may wait still.
void unlock_but(Core& core, const LockTable::Key& key, wire::LockRange range, std::uint64_t ticket,
                std::vector<wire::LockPiece> keep) {
  wire::Unlock request;
  request.inode = key.inode;
  request.kind = key.kind;
  request.owner = key.owner;
  request.range = range;
  request.ticket = ticket;
  request.keep = std::move(keep);
  core.locks.begin_unlock(key);
  core.launch(unlock_task(&core, key, std::move(request)));
}

/// One Lock on its way. Without an outcome nobody knows whether it was granted.
struct Attempt {
  Core* core;
  const LockCall* call;
  std::shared_ptr<FileHandle> handle;
  std::shared_ptr<base::Signal> over;
  std::uint64_t ticket = next_ticket();
  std::vector<wire::LockPiece> before{};  ///< what the owner had, when granted
  std::optional<Result<wire::LockOutcome>> outcome{};
};

Task<void> send_lock(Attempt* attempt) {
  const LockCall& call = *attempt->call;
  LockTable& locks = attempt->core->locks;
  wire::Lock request;
  request.inode = call.key.inode;
  request.kind = call.key.kind;
  request.owner = call.key.owner;
  request.type = call.piece.type;
  request.range = call.piece.range;
  request.pid = call.pid;
  request.wait = call.wait;
  request.ticket = attempt->ticket;
  auto reply = co_await attempt->core->tracker.ask(request, Deadline::never());
  if (!reply && reply.error().code() == Errc::canceled) co_return;
  if (!reply) {
    attempt->outcome = pass(std::move(reply));
  } else {
    attempt->outcome = reply->outcome;
    if (reply->outcome == wire::LockOutcome::granted) {
      attempt->before = locks.pieces(call.key, call.piece.range);
      locks.granted(call.key, call.pid, call.piece, attempt->handle);
    } else if (call.key.kind == wire::LockKind::flock) {
      locks.released(call.key, {}, {});  // a conversion that fails gives the old lock up
    }
  }
  attempt->over->set();
}

/// What to leave the owner with after a Lock of unknown outcome.
std::vector<wire::LockPiece> former(const Core& core, const LockCall& call) {
  auto pieces = core.locks.pieces(call.key, call.piece.range);
  if (call.key.kind == wire::LockKind::flock) {
    std::erase_if(pieces, [&call](const auto& piece) { return piece.type != call.piece.type; });
  }
  return pieces;
}

int errno_of(const Result<wire::LockOutcome>& outcome) {
  if (!outcome) return outcome.error().code() == Errc::busy ? ENOLCK : EIO;
  switch (*outcome) {
    case wire::LockOutcome::granted:
      return 0;
    case wire::LockOutcome::refused:
      return EAGAIN;
    case wire::LockOutcome::deadlock:
      return EDEADLK;
    case wire::LockOutcome::too_many:
      return ENOLCK;
  }
  return EIO;
}

/// Sends the request and returns when it was answered, or when it is of no use any more.
Task<void> attempt_lock(Attempt* attempt) {
  Core* const core = attempt->core;
  TaskGroup group(core->env.loop.get_executor());
  spawn(group, send_lock(attempt));
  const Deadline deadline = attempt->call->wait ? Deadline::never() : core->metadata_deadline();
  const Result<void> over =
      co_await base::with_deadline(core->env.timer, deadline, attempt->over->wait());
  (void)over;
  co_await group.stop();
}

}  // namespace

Task<void> lock_task(Core* core, Reply reply, std::shared_ptr<FileHandle> handle, LockCall call,
                     std::shared_ptr<base::Signal> over) {
  for (bool is_repeated = false;; is_repeated = true) {
    const Result<void> unlocked = co_await core->locks.wait_unlocked(call.key);
    if (!unlocked || !reply.is_open()) co_return;
    if (handle->has_lost_locks()) {
      reply.error(EIO);
      co_return;
    }
    const std::uint64_t unlocks = core->locks.unlocks_begun();
    Attempt attempt{core, &call, handle, over};
    co_await attempt_lock(&attempt);
    if (!attempt.outcome) {
      unlock_but(*core, call.key, call.piece.range, attempt.ticket, former(*core, call));
      reply.error(over->is_set() ? EINTR : EIO);
      co_return;
    }
    const int number = errno_of(*attempt.outcome);
    if (number == EAGAIN && !is_repeated && core->locks.unlocks_begun() != unlocks) {
      // A file that was closed here just before may have had the lock: close(2) does not wait for
      // the last word about a file description.
      const Result<void> waited = co_await core->locks.wait_all_unlocked(call.key.inode);
      if (!waited) co_return;
      over->reset();
      continue;
    }
    if (!*attempt.outcome && attempt.outcome->error().code() != Errc::stale) {
      unlock_but(*core, call.key, call.piece.range, attempt.ticket, former(*core, call));
    }
    const bool is_told = reply.error(number);
    if (number == 0 && !is_told) {
      unlock_but(*core, call.key, call.piece.range, 0, std::move(attempt.before));
    }
    co_return;
  }
}

Task<void> test_lock_task(Core* core, Reply reply, LockCall call) {
  wire::TestLock request;
  request.inode = call.key.inode;
  request.type = call.piece.type;
  request.range = call.piece.range;
  request.owner = call.key.owner;
  auto tested = co_await core->tracker.ask(request, core->metadata_deadline());
  if (tested) {
    reply.lock(tested->holder);
  } else {
    reply.error(EIO);
  }
}

void unlock(Core& core, const LockTable::Key& key, wire::LockRange range) {
  unlock_but(core, key, range, 0, {});
}

void unlock_handle(Core& core, const FileHandle& handle) {
  for (const LockTable::Key& key : core.locks.keys_of(handle)) unlock(core, key);
}

Task<void> unlocked_task(Core* core, Reply reply, LockTable::Key key) {
  const Result<void> unlocked = co_await base::with_deadline(
      core->env.timer, core->metadata_deadline(), core->locks.wait_unlocked(key));
  reply.error(unlocked ? 0 : EIO);
}

}  // namespace shoal::fs
